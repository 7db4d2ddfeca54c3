//! A [`Desk`] as a request handler that any hickory server can mount: for encrypted transports, or
//! to stand beside other handlers.
//!
//! Runs on whatever runtime that server has. The answer is the one that every other socket gets;
//! hickory takes it apart and writes it anew, so this is not the way of the fast path.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Header, HeaderCounts, Message, Metadata, ResponseCode};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use super::{Asker, Clerk, Client, Desk, Step, Transport, room};

/// Answers a hickory server's requests from a [`Desk`].
///
/// ```
/// use std::sync::Arc;
/// use fingerpost::{front::Front, serve::Handler};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let front = Front::new(vec![]); // blocks of a configuration, each with its views
/// let mut server = hickory_server::Server::new(Handler::new(front));
/// server.register_socket(tokio::net::UdpSocket::bind("127.0.0.1:0").await?);
/// server.shutdown_gracefully().await?;
/// # Ok(())
/// # }
/// ```
pub struct Handler<D: Desk> {
    desk: Arc<D>,
    /// The clerks that nobody works with at the moment: as many as have ever worked at once.
    clerks: Arc<Mutex<Vec<D::Clerk>>>,
}

impl<D: Desk> Clone for Handler<D> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk), clerks: Arc::clone(&self.clerks) }
    }
}

impl<D: Desk> fmt::Debug for Handler<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").finish_non_exhaustive()
    }
}

impl<D: Desk> Handler<D> {
    /// A handler in front of `desk`.
    pub fn new(desk: Arc<D>) -> Self {
        Self { desk, clerks: Arc::default() }
    }

    fn clerks(&self) -> MutexGuard<'_, Vec<D::Clerk>> {
        self.clerks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The response in wire form; `None` is silence.
    async fn respond(&self, message: &[u8], client: Client) -> Option<Vec<u8>> {
        let step = {
            let mut out = vec![0; room(client.transport)];
            let free = self.clerks().pop();
            let mut clerk = free.unwrap_or_else(|| self.desk.clerk());
            let began = Instant::now();
            clerk.refresh();
            clerk.read(std::iter::once(message));
            let step = clerk.answer(0, message, Asker::of(&client), &mut out);
            clerk.settle(began.elapsed());
            self.clerks().push(clerk);
            match step {
                Step::Reply(len) => {
                    out.truncate(len);
                    Some(Some(out))
                }
                // A hickory server sends one message for each query.
                Step::Silence | Step::Several => Some(None),
                Step::Deferred => None,
            }
        };
        match step {
            Some(done) => done,
            None => self.desk.finish(message.to_vec(), client).await,
        }
    }
}

#[async_trait]
impl<D: Desk + Unpin> RequestHandler for Handler<D> {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let transport = match request.protocol() {
            Protocol::Udp => Transport::Udp,
            _ => Transport::Stream,
        };
        let client = Client { from: request.src(), local: None, transport };
        let octets = self.respond(request.as_slice(), client).await;
        let Some(message) = octets.and_then(|octets| Message::from_vec(&octets).ok()) else {
            return failed(request);
        };
        let response = MessageResponseBuilder::new(&request.queries, message.edns.as_ref()).build(
            message.metadata,
            &message.answers,
            &message.authorities,
            [],
            &message.additionals,
        );
        match response_handle.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, peer = %request.src(), "a response could not be sent");
                failed(request)
            }
        }
    }
}

/// What the server is told of a response that was not sent.
fn failed(request: &Request) -> ResponseInfo {
    let mut metadata = Metadata::response_from_request(&request.metadata);
    metadata.response_code = ResponseCode::ServFail;
    Header { metadata, counts: HeaderCounts::default() }.into()
}
