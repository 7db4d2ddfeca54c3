//! The fake API server's HTTP side.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::store::{Entry, Selector, version_and_kind};
use super::{Fault, Inner, Order, Streaming};

pub(super) fn run(listener: TcpListener, inner: &Arc<Inner>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::select! {
            _ = stopped => {}
            () = accept(&listener, inner) => {}
        }
    });
}

async fn accept(listener: &tokio::net::TcpListener, inner: &Arc<Inner>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            let mut up = inner.up.subscribe();
            let down = async { up.wait_for(|up| !up).await.map(|_| ()) };
            let answer = service_fn(|request| {
                std::future::ready(Ok::<_, Infallible>(answer(Arc::clone(&inner), &request)))
            });
            let http = hyper::server::conn::http1::Builder::new();
            let tls = inner.tls.lock().unwrap().clone();
            let served = async {
                match tls {
                    None => _ = http.serve_connection(TokioIo::new(stream), answer).await,
                    Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
                        Ok(stream) => {
                            let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                        }
                        Err(_) => _ = inner.distrusted.fetch_add(1, Ordering::Relaxed),
                    },
                }
            };
            tokio::select! {
                biased;
                _ = down => {}
                () = served => {}
            }
        });
    }
}

/// A body that is written from elsewhere; an error resets the connection.
pub(super) struct Written(mpsc::Receiver<io::Result<Bytes>>);

impl Body for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|next| next.map(|data| data.map(Frame::data)))
    }
}

type Pipe = mpsc::Sender<io::Result<Bytes>>;

fn body() -> (Pipe, Written) {
    let (pipe, body) = mpsc::channel(16);
    (pipe, Written(body))
}

async fn send(pipe: &Pipe, text: impl Into<String>) -> bool {
    pipe.send(Ok(Bytes::from(text.into()))).await.is_ok()
}

async fn reset(pipe: &Pipe) {
    let _ = pipe.send(Err(io::ErrorKind::ConnectionReset.into())).await;
}

fn whole(status: u16, value: &Value) -> Response<Written> {
    let (pipe, written) = body();
    pipe.try_send(Ok(Bytes::from(value.to_string()))).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    told(status, written)
}

fn told(status: StatusCode, written: Written) -> Response<Written> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(written).unwrap()
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
           "message": message, "reason": reason, "code": code})
}

fn says(code: u16) -> Value {
    match code {
        410 => status(410, "Expired", "too old resource version"),
        422 => status(422, "Invalid", "sendInitialEvents is forbidden for watch"),
        code => status(code, "", "the fake says no"),
    }
}

fn answer(inner: Arc<Inner>, request: &Request<Incoming>) -> Response<Written> {
    let uri = request.uri().to_string();
    let agent = request.headers()["user-agent"].to_str().unwrap();
    assert!(agent.starts_with(inner.knobs().agent), "the user agent says who asks: {agent}");
    inner.requests.lock().unwrap().push(uri.clone());
    let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if let Some(token) = inner.knobs().token
        && bearer != Some(&format!("Bearer {token}"))
    {
        return whole(401, &says(401));
    }
    let path = request.uri().path().to_owned();
    let query = parameters(request.uri().query().unwrap_or_default());
    let knobs = inner.knobs().clone();
    match path.as_str() {
        "/version" => {
            return whole(200, &json!({"major": "1", "minor": knobs.minor}));
        }
        "/apis/discovery.k8s.io/v1" if knobs.slices => {
            let resources = json!([{"name": "endpointslices", "namespaced": true}]);
            let list = json!({"kind": "APIResourceList", "resources": resources});
            return whole(200, &list);
        }
        _ => {}
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    let resource = parts.pop().unwrap_or_default().to_owned();
    let namespace = match parts.as_slice() {
        [.., "namespaces", namespace] => (*namespace).to_owned(),
        _ => String::new(),
    };
    let is_core = ["namespaces", "services", "endpoints", "pods"].contains(&resource.as_str());
    let is_served = is_core && path.starts_with("/api/v1/")
        || knobs.slices && path.starts_with("/apis/discovery.k8s.io/v1/endpointslices");
    if !is_served {
        // As old servers say it: without a Status.
        return whole(404, &json!("404 page not found"));
    }
    if let Some((_, code)) = knobs.refused.iter().find(|(refused, _)| *refused == resource) {
        return whole(*code, &says(*code));
    }
    let is_watch = query.get("watch").is_some_and(|value| value == "true");
    let fault = take_fault(&inner, &resource, is_watch);
    if let Some(Fault::Status(code) | Fault::WatchStatus(code)) = fault {
        return whole(code, &says(code));
    }
    let get = |name: &str| query.get(name).cloned().unwrap_or_default();
    let selector =
        Selector { labels: get("labelSelector"), fields: get("fieldSelector"), namespace };
    if is_watch {
        return watch(inner, &resource, &selector, &query);
    }
    list(&inner, &resource, &selector, &query, fault)
}

fn take_fault(inner: &Inner, resource: &str, is_watch: bool) -> Option<Fault> {
    let mut knobs = inner.knobs();
    let fits = |(of, fault): &(&str, Fault)| {
        let for_watch = match fault {
            Fault::Status(_) => true,
            Fault::WatchStatus(_) => is_watch,
            Fault::CutList(_) | Fault::Loop | Fault::SilentList(_) => !is_watch,
        };
        *of == resource && for_watch
    };
    let at = knobs.faults.iter().position(fits)?;
    Some(knobs.faults.remove(at).1)
}

fn list(
    inner: &Inner,
    resource: &str,
    selector: &Selector,
    query: &HashMap<String, String>,
    fault: Option<Fault>,
) -> Response<Written> {
    let knobs = inner.knobs().clone();
    let store = inner.store();
    let newest = knobs.stale.unwrap_or(u64::MAX).min(store.revision());
    // A token is the version and the place to go on from.
    let (revision, from) = match query.get("continue").map(|token| token.split_once('/').unwrap()) {
        Some((revision, from)) => (revision.parse().unwrap(), from.parse().unwrap()),
        None => (newest, 0),
    };
    if query.contains_key("continue") && revision < store.compacted() {
        return whole(410, &says(410));
    }
    let asked = query.get("resourceVersion").and_then(|version| version.parse::<u64>().ok());
    if asked.is_some_and(|asked| asked > newest) {
        return whole(504, &status(504, "Timeout", "Too large resource version"));
    }
    let mut items: Vec<Value> = store.list(resource, revision);
    drop(store);
    items.retain(|item| selector.matches(item));
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let limit = limit.min(knobs.page);
    let rest = items.len().saturating_sub(from).saturating_sub(limit);
    let page: Vec<Value> = items.into_iter().skip(from).take(limit).collect();
    let token = match fault {
        Some(Fault::Loop) => format!("{revision}/{from}"),
        _ if rest > 0 => format!("{revision}/{}", from + limit),
        _ => String::new(),
    };
    let (pipe, written) = body();
    let head = json!({"resourceVersion": revision.to_string(), "continue": token});
    let (version, kind) = version_and_kind(resource);
    tokio::spawn(async move {
        send(
            &pipe,
            format!(
                r#"{{"kind":"{kind}List","apiVersion":"{version}","metadata":{head},"items":["#
            ),
        )
        .await;
        for (at, item) in page.iter().enumerate() {
            let text = item.to_string();
            match fault {
                Some(Fault::CutList(cut)) if cut == at => {
                    send(&pipe, &text[..text.len() / 2]).await;
                    return reset(&pipe).await;
                }
                Some(Fault::SilentList(silent)) if silent == at => {
                    return pipe.closed().await;
                }
                _ => {}
            }
            let comma = if at > 0 { "," } else { "" };
            if !send(&pipe, format!("{comma}{text}")).await {
                return;
            }
            if !knobs.slow.is_zero() {
                sleep(knobs.slow).await;
            }
        }
        send(&pipe, "]}\n").await;
    });
    told(StatusCode::OK, written)
}

fn watch(
    inner: Arc<Inner>,
    resource: &str,
    selector: &Selector,
    query: &HashMap<String, String>,
) -> Response<Written> {
    let streams = query.get("sendInitialEvents").is_some_and(|value| value == "true");
    let streaming = inner.knobs().streaming;
    if streams && streaming == Streaming::Refused {
        return whole(422, &says(422));
    }
    let asked = query.get("resourceVersion").and_then(|version| version.parse::<u64>().ok());
    if !streams && asked.is_some_and(|asked| asked < inner.store().compacted()) {
        // Real ones answer in either form.
        return whole(410, &says(410));
    }
    let seconds = query.get("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(60);
    let (pipe, written) = body();
    let watch = Watch {
        orders: inner.orders.subscribe(),
        inner,
        pipe,
        resource: resource.to_owned(),
        selector: selector.clone(),
        end: Instant::now() + Duration::from_secs(seconds),
        at: asked.unwrap_or_default(),
    };
    tokio::spawn(async move {
        match (streams, streaming) {
            (true, Streaming::RefusedByEvent) => {
                watch.event("ERROR", &says(422)).await;
            }
            (true, streaming) => watch.run(true, streaming != Streaming::Endless).await,
            (false, _) => watch.run(false, false).await,
        }
    });
    told(StatusCode::OK, written)
}

struct Watch {
    inner: Arc<Inner>,
    pipe: Pipe,
    orders: broadcast::Receiver<Order>,
    resource: String,
    selector: Selector,
    end: Instant,
    at: u64,
}

impl Watch {
    async fn run(mut self, streams: bool, ends: bool) {
        let mut newest = self.inner.newest.subscribe();
        if streams && !self.initial(ends).await {
            return;
        }
        let every = self.inner.knobs().bookmarks;
        loop {
            if !self.events().await {
                return;
            }
            let bookmark = every.map_or(self.end, |every| Instant::now() + every);
            tokio::select! {
                () = self.pipe.closed() => return,
                () = sleep_until(self.end) => return,
                order = self.orders.recv() => match order {
                    Ok(Order::End) => return,
                    Ok(Order::Reset) => {
                        send(&self.pipe, r#"{"type":"MODIFIED","object":{"metadata":{"na"#).await;
                        return reset(&self.pipe).await;
                    }
                    Ok(Order::Gone) => {
                        self.event("ERROR", &says(410)).await;
                        return;
                    }
                    Ok(Order::Freeze) => return self.pipe.closed().await,
                    Err(_) => {}
                },
                changed = newest.changed() => if changed.is_err() {
                    return;
                },
                () = sleep_until(bookmark), if every.is_some() => {
                    let object = self.bookmark(false);
                    self.event("BOOKMARK", &object).await;
                }
            }
        }
    }

    /// The list at the head of a stream.
    async fn initial(&mut self, ends: bool) -> bool {
        let items = {
            let stale = self.inner.knobs().stale;
            let store = self.inner.store();
            self.at = stale.unwrap_or(u64::MAX).min(store.revision());
            store.list(&self.resource, self.at)
        };
        for item in items.iter().filter(|item| self.selector.matches(item)) {
            if !self.event("ADDED", item).await {
                return false;
            }
        }
        if !ends {
            self.pipe.closed().await;
            return false;
        }
        let bookmark = self.bookmark(true);
        self.event("BOOKMARK", &bookmark).await
    }

    fn bookmark(&self, ends: bool) -> Value {
        // What is newer has not been told; what is older is a store that was set back.
        let at = self.at.min(self.inner.store().revision());
        let annotations =
            if ends { json!({"k8s.io/initial-events-end": "true"}) } else { json!({}) };
        let (version, kind) = version_and_kind(&self.resource);
        json!({"apiVersion": version, "kind": kind,
               "metadata": {"resourceVersion": at.to_string(), "annotations": annotations}})
    }

    /// What has happened since.
    async fn events(&mut self) -> bool {
        let (entries, newest) = {
            let store = self.inner.store();
            (store.since(&self.resource, self.at), store.revision())
        };
        let duplicates = self.inner.knobs().duplicates;
        for entry in entries {
            let Some((name, object)) = self.told(&entry) else { continue };
            let times = if duplicates { 2 } else { 1 };
            for _ in 0..times {
                if !self.event(name, &object).await {
                    return false;
                }
            }
        }
        self.at = self.at.max(newest);
        true
    }

    /// How a change looks through the selectors.
    fn told(&self, entry: &Entry) -> Option<(&'static str, Value)> {
        let matching =
            |object: &Option<Value>| object.clone().filter(|object| self.selector.matches(object));
        match (matching(&entry.before), matching(&entry.after)) {
            (None, None) => None,
            (None, Some(object)) => Some(("ADDED", object)),
            (Some(_), Some(object)) => Some(("MODIFIED", object)),
            (Some(mut object), None) => {
                object["metadata"]["resourceVersion"] = json!(entry.revision.to_string());
                Some(("DELETED", object))
            }
        }
    }

    async fn event(&self, name: &str, object: &Value) -> bool {
        // As the API server writes it: the type first.
        send(&self.pipe, format!("{{\"type\":\"{name}\",\"object\":{object}}}\n")).await
    }
}

fn parameters(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}
