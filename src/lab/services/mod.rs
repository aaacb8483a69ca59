//! The programs that run inside the lab's namespaces: a host's SSH server, the echo and metadata services, the meter of
//! outages on "the internet".
//!
//! Each takes a listening socket or addresses and nothing else of the lab, so that each can be tested on loopback. None
//! may touch interfaces, routes or firewalls, and none may be taken down by a bad client.

pub mod echo;
pub mod metadata;
pub mod outage;
pub mod sshd;
#[cfg(test)]
mod testing;
