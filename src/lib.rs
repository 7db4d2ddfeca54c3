//! An authoritative DNS server for the Kubernetes cluster domain.
//!
//! Data moves in one direction: a source in [`cluster`] tells objects as a stream of changes,
//! [`registry`] joins them, [`zone`] compiles what each name answers into one immutable view,
//! [`answer`] makes a response of a query and a view, [`serve`] carries both over sockets, [`cache`]
//! keeps what others have answered. [`front`] joins these three; [`why`] explains what a name
//! answers; [`config`] and [`ops`] make a program of it. `ARCHITECTURE.md` draws the whole house.
//!
//! # Objects in, answers out
//!
//! The registry takes objects, the publisher makes a view of them, and [`answer::answer`] is a pure
//! function: no socket, no clock, no lock.
//!
//! ```
//! use std::net::IpAddr;
//! use std::sync::Arc;
//!
//! use fingerpost::answer::{self, Desk, Outcome, Query, Rcode, Settings, Transport};
//! use fingerpost::cluster::{Change, ClusterIps, Kind, Meta, Namespace, Object, Service};
//! use fingerpost::name::Name;
//! use fingerpost::registry::{Publisher, Registry, SystemClock};
//! use fingerpost::zone::Spec;
//!
//! // The zones cluster.local, in-addr.arpa and ip6.arpa. The number seeds the hashes of the view:
//! // a server takes one that nobody can guess.
//! let registry = Registry::new(Arc::new(Spec::default()), 7);
//! let namespace = Namespace { meta: Meta::new("", "shop") };
//! let service = Service {
//!     meta: Meta::new("shop", "web"),
//!     external_name: None,
//!     cluster_ips: ClusterIps::Addresses([IpAddr::from([10, 96, 40, 1])].into_iter().collect()),
//!     has_selector: true,
//!     ports: Vec::new(),
//!     ip_families: [].into_iter().collect(),
//!     session_affinity: false,
//!     local_traffic_only: false,
//!     publish_not_ready: false,
//!     selectorless: None,
//! };
//! // Every kind is listed, so that absence means something: until then, such names are SERVFAIL.
//! let begin = Kind::ALL.map(Change::ListBegins);
//! let objects = [Object::Namespace(namespace), Object::Service(service)].map(Change::Put);
//! let end = Kind::ALL.map(Change::ListEnds);
//! registry.apply(begin.into_iter().chain(objects).chain(end));
//!
//! // One publisher for each registry. In a server it has a thread of its own: `Publisher::run`.
//! let mut publisher = Publisher::new(Arc::clone(&registry), SystemClock);
//! assert!(publisher.publish());
//! let view = registry.view().load_full();
//!
//! let ask = |name: &str| {
//!     // ID 1, one question; type A, class IN.
//!     let header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
//!     let message = [&header[..], Name::parse(name).unwrap().as_wire(), &[0, 1, 0, 1]].concat();
//!     let settings = Settings::default();
//!     let transport = Transport::Udp;
//!     let desk = Desk { view: Some(&view), settings: &settings, transport, rotation: 0 };
//!     let mut out = vec![0; usize::from(answer::UDP_MOST)];
//!     match answer::answer(&desk, &message, &mut Query::default(), &mut out) {
//!         Outcome::Reply { len, rcode, .. } => (rcode, out[..len].to_vec()),
//!         other => panic!("no reply, but {other:?}"),
//!     }
//! };
//! let (rcode, response) = ask("web.shop.svc.cluster.local");
//! assert_eq!(rcode, Rcode::NoError);
//! assert!(response.ends_with(&[10, 96, 40, 1]));
//! assert_eq!(ask("cart.shop.svc.cluster.local").0, Rcode::NxDomain);
//! ```
//!
//! # A server inside another program
//!
//! [`serve::Server`] opens sockets and answers from a desk; [`front::Front`] is the desk that joins
//! it to a registry. [`cluster::manifest::Manifests`] reads the objects from files here;
//! [`cluster::watch::start`] watches an API server instead.
//!
//! ```
//! use std::net::UdpSocket;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use fingerpost::cluster::manifest::Manifests;
//! use fingerpost::config::{Listen, ServerBlock};
//! use fingerpost::front::{Block, Front};
//! use fingerpost::name::Name;
//! use fingerpost::registry::{Publisher, Registry, SystemClock};
//! use fingerpost::serve::{Options, Server};
//! use fingerpost::zone::Spec;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new(Arc::new(Spec::default()), 7);
//! let mut manifests = Manifests::new(vec!["deploy/examples".into()]);
//! registry.apply(manifests.load()?.changes);
//! Publisher::new(Arc::clone(&registry), SystemClock).publish();
//!
//! // Port 0: the kernel chooses.
//! let listen = vec![Listen::written("127.0.0.1:0".parse()?)];
//! let block = ServerBlock {
//!     zones: vec![Name::root()],
//!     listen: listen.clone(),
//!     ..ServerBlock::default()
//! };
//! let front = Front::new(vec![Block::new(&block, Some(registry.view()))]);
//! let options = Options { workers: 1, ..Options::default() };
//! let server = Server::start(front, &listen, options)?;
//!
//! let client = UdpSocket::bind("127.0.0.1:0")?;
//! client.set_read_timeout(Some(Duration::from_secs(5)))?;
//! client.connect(server.addresses()[0])?;
//! let header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
//! let name = Name::parse("kafka-0.kafka.shop.svc.cluster.local")?;
//! client.send(&[&header[..], name.as_wire(), &[0, 1, 0, 1]].concat())?;
//! let mut response = [0; 512];
//! let length = client.recv(&mut response)?;
//! assert!(response[..length].ends_with(&[10, 244, 1, 5]));
//!
//! server.stop();
//! server.wait();
//! # Ok(())
//! # }
//! ```
//!
//! # A request handler for another server
//!
//! [`serve::Handler`] answers the requests of a hickory server from the same desk: for the transports
//! that hickory has and [`serve::Server`] has not.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use fingerpost::cluster::manifest::Manifests;
//! use fingerpost::config::ServerBlock;
//! use fingerpost::front::{Block, Front};
//! use fingerpost::name::Name;
//! use fingerpost::registry::{Publisher, Registry, SystemClock};
//! use fingerpost::serve::Handler;
//! use fingerpost::zone::Spec;
//! use tokio::net::UdpSocket;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new(Arc::new(Spec::default()), 7);
//! registry.apply(Manifests::new(vec!["deploy/examples".into()]).load()?.changes);
//! Publisher::new(Arc::clone(&registry), SystemClock).publish();
//! // What it listens on is the other server's business.
//! let block = ServerBlock { zones: vec![Name::root()], ..ServerBlock::default() };
//! let front = Front::new(vec![Block::new(&block, Some(registry.view()))]);
//!
//! let socket = UdpSocket::bind("127.0.0.1:0").await?;
//! let address = socket.local_addr()?;
//! let mut server = hickory_server::Server::new(Handler::new(front));
//! server.register_socket(socket);
//!
//! let client = UdpSocket::bind("127.0.0.1:0").await?;
//! client.connect(address).await?;
//! let header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
//! let name = Name::parse("kafka-0.kafka.shop.svc.cluster.local")?;
//! client.send(&[&header[..], name.as_wire(), &[0, 1, 0, 1]].concat()).await?;
//! let mut response = [0; 512];
//! let length = tokio::time::timeout(Duration::from_secs(5), client.recv(&mut response)).await??;
//! assert!(response[..length].ends_with(&[10, 244, 1, 5]));
//!
//! server.shutdown_gracefully().await?;
//! # Ok(())
//! # }
//! ```

pub mod answer;
pub mod cache;
pub mod cluster;
pub mod config;
pub mod front;
pub mod name;
pub mod ops;
pub mod registry;
pub mod serve;
pub mod why;
pub mod zone;

/// Runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
