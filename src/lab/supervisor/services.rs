//! The seam between the lab's network and what is served in it: all listening sockets are made here.
//!
//! Sockets belong to the network namespace of the thread that made them, wherever they are served.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::papers::{AccessKey, ECS_PORT, VPC_PORT};
use crate::lab::enter::move_thread_into;
use crate::lab::network::Network;
use crate::lab::paths::INTERNET;
use crate::lab::spec::{API_ADDRESS, ECHO_JSON_ADDRESS, ECHO_TEXT_ADDRESS, HostSpec, METADATA_ADDRESS};
