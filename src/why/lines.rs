//! An explanation as lines: one fact each, to be read by people, and taken back by
//! [`Explanation::read`]. On the wire each line is a TXT record.
//!
//! A line begins with its topic. What is of a fixed form follows as words and as `key=value`; what is
//! not stands behind `, `, or is all there is.

use super::explain::record;
use super::facts::{
    EndpointFacts, EndpointState, Explanation, Finding, PortFacts, ServiceFacts, SourceFacts,
    Status, ViewFacts, ViewState,
};

/// A line that no explanation has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{0}' is no line of an explanation")]
pub struct LineError(String);

impl Explanation {
    /// The lines, those that tell most first, endpoints last.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut head = Line::new("name").word(&self.name).word(self.status.word());
        head = head.pair("cause", self.cause.as_deref()).pair("asks", self.asks.as_deref());
        lines.push(head.text(self.by.as_deref()));
        lines.extend(self.why.as_ref().map(|why| free("why", why)));
        lines.extend(self.service.iter().flat_map(service));
        lines.extend(
            self.findings
                .iter()
                .map(|Finding { object, text }| Line::new("finding").word(object).text(Some(text))),
        );
        lines.extend(self.near.iter().map(|near| free("near", near)));
        lines.extend(self.records.iter().map(|record| {
            let record =
                format!("{} {} IN {} {}", record.owner, record.ttl, record.rtype, record.data);
            free("record", &record)
        }));
        lines.extend(more("records", self.more_records));
        lines.extend(self.view.iter().map(view));
        lines.extend(self.sources.iter().map(source));
        lines.extend(self.endpoints.iter().map(endpoint));
        lines.extend(more("endpoints", self.more_endpoints));
        lines.extend(more("lines", self.more_lines));
        lines
    }

    /// The line that says how many were left out.
    pub fn lines_left_out(count: usize) -> String {
        more("lines", count).unwrap_or_default()
    }

    /// Takes lines back.
    pub fn read<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Self, LineError> {
        let mut explanation = Self::default();
        for line in lines {
            explanation.take(line).ok_or_else(|| LineError(line.to_owned()))?;
        }
        Ok(explanation)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (topic, rest) = line.split_once(' ')?;
        match topic {
            "why" => self.why = Some(rest.to_owned()),
            "near" => self.near.push(rest.to_owned()),
            "record" => self.records.push(record(rest)?),
            "classed" => self.service.as_mut()?.classed = rest.into(),
            "alias" => self.service.as_mut()?.external_name = Some(rest.to_owned()),
            _ => return self.take_parts(topic, &Parts::of(rest)),
        }
        Some(())
    }

    fn take_parts(&mut self, topic: &str, parts: &Parts<'_>) -> Option<()> {
        match topic {
            "name" => {
                self.name = parts.word(0)?;
                let word = parts.word(1)?;
                self.status = Status::ALL.into_iter().find(|status| status.word() == word)?;
                (self.cause, self.asks) = (parts.owned("cause"), parts.owned("asks"));
                self.by = parts.text.map(Into::into);
            }
            "service" => {
                let word = parts.word(0)?;
                let (namespace, name) = word.split_once('/')?;
                let ips = parts.value("ips").into_iter().flat_map(|ips| ips.split(','));
                self.service = Some(ServiceFacts {
                    namespace: namespace.into(),
                    name: name.into(),
                    uid: parts.owned("uid"),
                    resource_version: parts.owned("resourceVersion"),
                    age: parts.number("age"),
                    selector: parts.value("selector")? == "yes",
                    cluster_ips: ips.map(Into::into).collect(),
                    ..ServiceFacts::default()
                });
            }
            "port" => self.service.as_mut()?.ports.push(port(&parts.word(0)?)?),
            "source" => self.sources.push(read_source(parts)?),
            "endpoint" => self.endpoints.push(read_endpoint(parts)?),
            "finding" => {
                let finding = Finding { object: parts.word(0)?, text: parts.text?.to_owned() };
                self.findings.push(finding);
            }
            "view" => {
                let word = parts.word(0)?;
                self.view = Some(ViewFacts {
                    serial: parts.number("serial")?,
                    age: parts.number("age"),
                    state: ViewState::ALL.into_iter().find(|state| state.word() == word)?,
                    note: parts.text.map(Into::into),
                });
            }
            "more" => {
                let count = parts.word(0)?.parse().ok()?;
                match &*parts.word(1)? {
                    "records" => self.more_records = count,
                    "endpoints" => self.more_endpoints = count,
                    "lines" => self.more_lines = count,
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }
}

fn service(service: &ServiceFacts) -> Vec<String> {
    let ips = service.cluster_ips.join(",");
    let head = Line::new("service")
        .word(&format!("{}/{}", service.namespace, service.name))
        .pair("uid", service.uid.as_deref())
        .pair("resourceVersion", service.resource_version.as_deref())
        .number("age", service.age)
        .pair("selector", Some(if service.selector { "yes" } else { "no" }))
        .pair("ips", Some(&*ips).filter(|ips| !ips.is_empty()));
    let mut lines = vec![head.text(None), free("classed", &service.classed)];
    lines.extend(service.external_name.as_ref().map(|target| free("alias", target)));
    lines.extend(service.ports.iter().map(|port| Line::new("port").word(&port.to_string()).0));
    lines
}

fn source(source: &SourceFacts) -> String {
    let count = |count: usize| u64::try_from(count).ok();
    Line::new("source")
        .word(&source.kind)
        .word(&format!("{}/{}", source.namespace, source.name))
        .pair("uid", source.uid.as_deref())
        .pair("resourceVersion", source.resource_version.as_deref())
        .number("age", source.age)
        .number("ready", count(source.ready))
        .number("notReady", count(source.not_ready))
        .number("dropped", count(source.dropped).filter(|count| *count > 0))
        .text(source.ignored.as_deref())
}

fn read_source(parts: &Parts<'_>) -> Option<SourceFacts> {
    let word = parts.word(1)?;
    let (namespace, name) = word.split_once('/')?;
    Some(SourceFacts {
        kind: parts.word(0)?,
        namespace: namespace.into(),
        name: name.into(),
        uid: parts.owned("uid"),
        resource_version: parts.owned("resourceVersion"),
        age: parts.number("age"),
        ready: parts.number("ready")?,
        not_ready: parts.number("notReady")?,
        dropped: parts.number("dropped").unwrap_or_default(),
        ignored: parts.text.map(Into::into),
    })
}

fn endpoint(endpoint: &EndpointFacts) -> String {
    let ports: Vec<String> = endpoint.ports.iter().map(ToString::to_string).collect();
    let ports = ports.join(",");
    Line::new("endpoint")
        .word(&endpoint.address)
        .word(&endpoint.state.word().replace(' ', "-"))
        .pair("label", Some(&endpoint.label))
        .pair("object", Some(&endpoint.object))
        .pair("ports", Some(&*ports).filter(|ports| !ports.is_empty()))
        .text(endpoint.dropped.as_deref())
}

fn read_endpoint(parts: &Parts<'_>) -> Option<EndpointFacts> {
    let word = parts.word(1)?.replace('-', " ");
    let listed = parts.value("ports").into_iter().flat_map(|list| list.split(','));
    Some(EndpointFacts {
        address: parts.word(0)?,
        state: EndpointState::ALL.into_iter().find(|state| state.word() == word)?,
        label: parts.owned("label")?,
        object: parts.owned("object")?,
        dropped: parts.text.map(Into::into),
        ports: listed.map(port).collect::<Option<_>>()?,
    })
}

fn view(view: &ViewFacts) -> String {
    Line::new("view")
        .word(view.state.word())
        .number("serial", Some(view.serial.into()))
        .number("age", view.age)
        .text(view.note.as_deref())
}

fn more(what: &str, count: usize) -> Option<String> {
    (count > 0).then(|| Line::new("more").word(&count.to_string()).word(what).0)
}

/// `name/protocol/number`.
fn port(text: &str) -> Option<PortFacts> {
    let mut parts = text.rsplitn(3, '/');
    let (number, protocol, name) = (parts.next()?, parts.next()?, parts.next()?);
    let port = if number == "*" { None } else { Some(number.parse().ok()?) };
    Some(PortFacts { name: name.into(), protocol: protocol.into(), port })
}

/// A line that is a topic and a text.
fn free(topic: &str, text: &str) -> String {
    format!("{topic} {}", tame(text))
}

/// A text without what would break a line.
fn tame(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// A line of words, pairs and a text.
struct Line(String);

impl Line {
    fn new(topic: &str) -> Self {
        Self(topic.to_owned())
    }

    fn word(mut self, word: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(&word.replace(|c: char| c.is_whitespace() || c.is_control(), "_"));
        self
    }

    fn pair(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.word(&format!("{key}={value}")),
            None => self,
        }
    }

    fn number(self, key: &str, value: Option<u64>) -> Self {
        self.pair(key, value.map(|value| value.to_string()).as_deref())
    }

    fn text(mut self, text: Option<&str>) -> String {
        if let Some(text) = text {
            self.0.push_str(", ");
            self.0.push_str(&tame(text));
        }
        self.0
    }
}

/// What a line of words, pairs and a text is made of.
struct Parts<'l> {
    words: Vec<&'l str>,
    pairs: Vec<(&'l str, &'l str)>,
    text: Option<&'l str>,
}

impl<'l> Parts<'l> {
    fn of(line: &'l str) -> Self {
        let (head, text) = match line.split_once(", ") {
            Some((head, text)) => (head, Some(text)),
            None => (line, None),
        };
        let (pairs, words): (Vec<&str>, Vec<&str>) =
            head.split(' ').partition(|word| word.contains('='));
        let pairs = pairs.into_iter().filter_map(|pair| pair.split_once('=')).collect();
        Self { words, pairs, text }
    }

    fn word(&self, at: usize) -> Option<String> {
        self.words.get(at).map(|word| (*word).to_owned())
    }

    fn value(&self, key: &str) -> Option<&'l str> {
        self.pairs.iter().find(|pair| pair.0 == key).map(|pair| pair.1)
    }

    fn owned(&self, key: &str) -> Option<String> {
        self.value(key).map(Into::into)
    }

    fn number<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        self.value(key)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::answer::Settings;
    use crate::cluster::manifest::Manifests;
    use crate::name::Name;
    use crate::registry::{Publisher, Registry, SystemClock};
    use crate::why::{Grounds, elsewhere, explain};
    use crate::zone::Spec;

    #[test]
    fn what_is_told_is_taken_back() {
        let registry = Registry::new(Arc::new(Spec::default()), 1);
        registry.apply(Manifests::new(vec!["deploy/examples".into()]).load().unwrap().changes);
        Publisher::new(Arc::clone(&registry), SystemClock).publish();
        let view = registry.view().load_full();
        let upstreams = ["192.0.2.53:53".to_owned()];
        let names = [
            "mysql.shop",
            "postgres.shop",
            "crm.shop",
            "kafka.shop",
            "web.shop",
            "db.shop",
            "warehouse.shop",
            "nobody.shop",
            "shop",
            "kafka-2.kafka.shop",
            "_pg._tcp.postgres.shop",
        ];
        let mut names: Vec<String> =
            names.iter().map(|name| format!("{name}.svc.cluster.local")).collect();
        names.extend(["20.2.0.192.in-addr.arpa", "example.com", "cluster.local"].map(Into::into));
        for (name, upstream) in names.iter().flat_map(|name| [(name, false), (name, true)]) {
            let settings = Settings { upstream, ..Settings::DEFAULT };
            let grounds = Grounds {
                registry: &registry,
                view: &view,
                settings: &settings,
                upstreams: if upstream { &upstreams } else { &[] },
                endpoints_most: 1,
                now: Some(SystemTime::now() + Duration::from_secs(90)),
            };
            let mut told = explain(&grounds, &Name::parse(name).unwrap());
            told.more_lines = 3;
            let lines = told.lines();
            assert_eq!(
                Explanation::read(lines.iter().map(|l| &**l)).as_ref(),
                Ok(&told),
                "{lines:#?}"
            );
        }
        for upstreams in [&upstreams[..], &[]] {
            let told = elsewhere(&Name::parse("example.com").unwrap(), upstreams);
            assert_eq!(Explanation::read(told.lines().iter().map(|l| &**l)), Ok(told));
        }
    }

    #[test]
    fn what_is_no_line_is_said() {
        for line in
            ["", "name", "name a. MAYBE", "port a/TCP/1", "more x lines", "endpoint a ready"]
        {
            assert_eq!(Explanation::read([line]), Err(LineError(line.to_owned())));
        }
    }
}
