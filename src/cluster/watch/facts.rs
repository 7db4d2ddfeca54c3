//! What an API server can do: asked once before the first lists, and acted on instead of waiting
//! for requests to fail.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;

use super::fault::Fault;
use super::http::Http;
use super::target::DISCOVERY;

/// The first minor version whose streaming lists are on by default and stay so. (1.32 had them on,
/// 1.33 off again.)
const STREAMS_SINCE: u32 = 34;
/// Before this one, an object that leaves a selector is told with the version that it last had, not
/// with that of the change.
const NEW_DELETIONS_SINCE: u32 = 12;

/// What is known of the server, shared by all watches of a source.
#[derive(Debug, Default)]
pub(super) struct Facts {
    streams: AtomicBool,
    new_deletions: AtomicBool,
}

impl Facts {
    /// Whether lists may be streamed.
    pub(super) fn streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    /// The server has refused to stream, whatever its version says.
    pub(super) fn no_streams(&self) {
        self.streams.store(false, Ordering::Relaxed);
    }

    /// Whether deletions bear the version at which they happened.
    pub(super) fn new_deletions(&self) -> bool {
        self.new_deletions.load(Ordering::Relaxed)
    }

    fn learn(&self, minor: Option<u32>) {
        let since = |first| minor.is_some_and(|minor| minor >= first);
        self.streams.store(since(STREAMS_SINCE), Ordering::Relaxed);
        self.new_deletions.store(since(NEW_DELETIONS_SINCE), Ordering::Relaxed);
    }
}

/// Learns the server's version, and says whether it serves EndpointSlices (v1).
pub(super) async fn probe(http: &Http, facts: &Facts) -> Result<bool, Fault> {
    match http.small("/version").await {
        Ok(body) => facts.learn(minor(&body)),
        // Who may not know the version does without what hangs on it. A 404, though, is none of an
        // API server: whoever answers so knows nothing about slices either.
        Err(Fault::Http { code: 401 | 403, .. }) => facts.learn(None),
        Err(fault) => return Err(fault),
    }
    slices_served(http).await
}

/// Whether the server serves EndpointSlices (v1).
pub(super) async fn slices_served(http: &Http) -> Result<bool, Fault> {
    match http.small(DISCOVERY).await {
        Ok(body) => {
            let list: Resources = serde_json::from_slice(&body)
                .map_err(|error| Fault::Broken(format!("{DISCOVERY}: {error}")))?;
            return Ok(list.resources.iter().any(|found| found.name == "endpointslices"));
        }
        Err(Fault::Http { code: 404, .. }) => return Ok(false),
        Err(Fault::Http { code: 401 | 403, .. }) => {}
        Err(fault) => return Err(fault),
    }
    // Discovery is not for everyone; a list tells as much.
    match http.small(&format!("{DISCOVERY}/endpointslices?limit=1")).await {
        Err(Fault::Http { code: 404, .. }) => Ok(false),
        Ok(_) | Err(Fault::Http { code: 401 | 403, .. }) => Ok(true),
        Err(fault) => Err(fault),
    }
}

/// The minor version out of `/version`; providers write `33+` and the like.
fn minor(body: &[u8]) -> Option<u32> {
    let info: Info = serde_json::from_slice(body).ok()?;
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end).and_then(|digits| digits.parse::<u32>().ok())
    };
    match digits(&info.major)? {
        1 => digits(&info.minor),
        0 => None,
        _ => Some(u32::MAX),
    }
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    major: String,
    #[serde(default)]
    minor: String,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_providers_write_them() {
        for (text, expected) in [
            (r#"{"major":"1","minor":"34"}"#, Some(34)),
            (r#"{"major":"1","minor":"9+","gitVersion":"v1.9.1+a0ce1bc657"}"#, Some(9)),
            (r#"{"major":"2","minor":"0"}"#, Some(u32::MAX)),
            (r#"{"major":"","minor":""}"#, None),
            ("{}", None),
            ("<html>", None),
        ] {
            assert_eq!(minor(text.as_bytes()), expected, "{text}");
        }
        let facts = Facts::default();
        for (version, streams) in [(Some(32), false), (Some(33), false), (Some(34), true)] {
            facts.learn(version);
            assert_eq!((facts.streams(), facts.new_deletions()), (streams, true));
        }
        facts.learn(Some(9));
        assert_eq!((facts.streams(), facts.new_deletions()), (false, false));
    }
}
