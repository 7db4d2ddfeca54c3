//! The sockets, with a toy in place of the answers: UDP, TCP, stop, and forwarding.
#![forbid(unsafe_code)]

#[cfg(test)]
mod fail_over;
#[cfg(test)]
mod forward;
mod idle;
#[cfg(test)]
mod kept_open;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod succession;
#[cfg(test)]
mod tcp;
#[cfg(test)]
mod toy;
#[cfg(test)]
mod udp;
#[cfg(test)]
mod upstream;
