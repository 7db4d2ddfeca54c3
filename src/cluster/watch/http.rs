//! Requests to the API server and their answers, a piece at a time, each with its time-out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, ACCEPT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::timeout;

use super::access::Access;
use super::fault::Fault;
use super::status::Status;
use super::wire::WireStatus;

/// The most that is read of an answer that is no list and no watch, in octets.
const MAX_SMALL: usize = 1 << 20;
/// The most of a message of the server that is repeated in ours, in characters.
const MAX_MESSAGE: usize = 300;

/// A client that tells [`Status`] whenever it hears something.
#[derive(Clone)]
pub(super) struct Http {
    pub(super) access: Arc<Access>,
    pub(super) status: Arc<Status>,
    /// The longest silence before a request counts as failed.
    pub(super) silence: Duration,
}

/// An answer that has begun well.
pub(super) struct Reply {
    body: Body,
    status: Arc<Status>,
    silence: Duration,
}

impl Http {
    /// Asks for `uri`; an answer other than 200 is a fault.
    pub(super) async fn open(&self, uri: &str) -> Result<Reply, Fault> {
        let result = self.ask(uri).await;
        if result.as_ref().is_err_and(Fault::is_distrust) {
            self.access.renew().await;
        }
        result
    }

    async fn ask(&self, uri: &str) -> Result<Reply, Fault> {
        let request = Request::get(uri)
            .header(ACCEPT, "application/json")
            // A compressed watch comes late, and the lists are not worth the work.
            .header(ACCEPT_ENCODING, "identity")
            .body(Body::empty())
            .map_err(|error| Fault::unreachable(&error))?;
        let began = Instant::now();
        let answered = timeout(self.silence, self.access.client().send(request)).await;
        let code = match &answered {
            Ok(Ok(answer)) => Some(answer.status().as_u16()),
            Ok(Err(_)) | Err(_) => None,
        };
        self.status.asked(code, began.elapsed());
        let answer = answered
            .map_err(|_| Fault::Silent(self.silence))?
            .map_err(|error| Fault::unreachable(&error))?;
        self.status.heard();
        let (head, body) = answer.into_parts();
        let reply = Reply { body, status: Arc::clone(&self.status), silence: self.silence };
        if head.status.is_success() {
            return Ok(reply);
        }
        let code = head.status.as_u16();
        let text = reply.collect().await.unwrap_or_default();
        Err(Fault::of(code, message(&text), retry_after(&head.headers)))
    }

    /// Asks for `uri`, whose answer is small.
    pub(super) async fn small(&self, uri: &str) -> Result<Vec<u8>, Fault> {
        self.open(uri).await?.collect().await
    }
}

impl Reply {
    /// The next piece, or none at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, Fault> {
        let silence = self.silence;
        timeout(silence, self.wait()).await.map_err(|_| Fault::Silent(silence))?
    }

    /// The next piece however long it takes, or none at the end.
    pub(super) async fn wait(&mut self) -> Result<Option<bytes::Bytes>, Fault> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| Fault::Broken(super::fault::chain(&error)))?;
            self.status.heard();
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    async fn collect(mut self) -> Result<Vec<u8>, Fault> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len().saturating_add(chunk.len()) > MAX_SMALL {
                return Err(Fault::Endless("a small answer was asked for"));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

/// What an answer that says no has to say: the message of its Status, or the beginning of its text.
fn message(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<WireStatus>(body) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => String::from_utf8_lossy(body).trim().to_owned(),
    };
    let printable = text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect::<String>();
    if printable.is_empty() { "no reason is given".into() } else { printable }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
