//! The seam between the lab's network and what is served in it: sockets are made and services started here, and nowhere
//! else.
//!
//! A socket belongs to the network namespace of the thread that made it, wherever it is served afterwards.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use super::book::Book;
use super::papers::{Access, ECS_PORT, VPC_PORT};
use crate::core::model::{Owner, gateway_of};
use crate::core::observed::facts::RcLocal;
use crate::core::plan::RouteTarget;
use crate::core::plan::rc_local::{Whose, with_block};
use crate::core::template::Templates;
use crate::lab::emulator::faults::FaultFile;
use crate::lab::emulator::{self, Emulator, Tuning};
use crate::lab::enter::move_thread_into;
use crate::lab::host::{rc_local, shipped_rc_local};
use crate::lab::network::Network;
use crate::lab::paths::INTERNET;
use crate::lab::services::echo::{self, EchoKind};
use crate::lab::services::metadata::{self, Mode};
use crate::lab::spec::{
    API_ADDRESS, Case, ECHO_JSON_ADDRESS, ECHO_TEXT_ADDRESS, HostSpec, METADATA_ADDRESS, done_eni,
};

/// Routing table of hosts whose inventory names none.
const DEFAULT_TABLE: u32 = 101;
/// Rule priority of hosts whose inventory names none.
const DEFAULT_PRIORITY: u32 = 4101;

/// Starts everything that serves the lab, and hands its cloud out. All sockets listen when this returns; what is served lives
/// as long as the supervisor.
pub(super) fn start(network: &Network, access: &Access) -> Result<Arc<Emulator>, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the services: {error}"))?;
    for (address, kind) in [(ECHO_TEXT_ADDRESS, EchoKind::Text), (ECHO_JSON_ADDRESS, EchoKind::Json)] {
        let socket = listen_on_internet(address, 80)?;
        serve(&runtime, "echo", async move { echo::serve(tokio(socket)?, kind).await });
    }
    let fabric = Arc::new(network.clone());
    let emulator = Emulator::new(network.spec(), fabric, access.key.clone(), Tuning::default());
    let emulator = Arc::new(emulator.with_session(access.session.clone(), access.token.clone()));
    emulator.set_faults(FaultFile::parse("faults", &network.spec().faults)?);
    let (ecs, vpc) = (listen(API_ADDRESS, ECS_PORT)?, listen(API_ADDRESS, VPC_PORT)?);
    let cloud = Arc::clone(&emulator);
    serve(&runtime, "api", async move { emulator::serve(tokio(ecs)?, tokio(vpc)?, cloud).await });
    let socket = listen(METADATA_ADDRESS, 80)?;
    let book = Book::new(network.clone(), Arc::clone(&emulator), access.clone());
    serve(&runtime, "metadata", async move {
        metadata::serve(tokio(socket)?, Arc::new(book), Mode::Hardened).await
    });
    // The runtime must outlive this function, and ends with the process.
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(emulator)
}

/// The boot script of a host that is done from the beginning, as an apply would have left it; `None` for all others.
pub(super) fn initial_rc_local(host: &HostSpec) -> Result<Option<String>, String> {
    let gateway = gateway_of(host.cidr);
    let Some(gateway) = gateway.filter(|_| host.case == Case::Done) else { return Ok(None) };
    let eni = done_eni(host);
    let target = RouteTarget {
        mac: Some(eni.mac),
        address: Some(eni.address),
        gateway,
        primary_ip: host.address,
        table: DEFAULT_TABLE,
        priority: DEFAULT_PRIORITY,
        owner: Some(Owner::RcLocal),
        shim: false,
        form: Default::default(),
    };
    let shipped = shipped_rc_local(host.flavour);
    let file = RcLocal {
        path: rc_local(host.flavour).display().to_string(),
        content: shipped.map(str::to_owned),
        mode: if shipped.is_some() { 0o755 } else { 0 },
        obstacle: None,
    };
    let templates = Templates::builtin().map_err(|error| error.to_string())?;
    let block = templates.rc_local_block(&target).map_err(|error| error.to_string())?;
    with_block(&file, &block, Whose::of(&target)).map(Some).map_err(|error| error.to_string())
}

/// A socket in the edge router's network, which is the supervisor's own.
fn listen(address: Ipv4Addr, port: u16) -> Result<TcpListener, String> {
    let failed = |error: std::io::Error| format!("{address}:{port}: {error}");
    let socket = TcpListener::bind(SocketAddr::from((address, port))).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

fn listen_on_internet(address: Ipv4Addr, port: u16) -> Result<TcpListener, String> {
    let thread = std::thread::spawn(move || {
        move_thread_into(INTERNET)?;
        listen(address, port)
    });
    thread.join().unwrap_or_else(|_| Err("the thread that makes a socket panicked".into()))
}

fn tokio(socket: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::from_std(socket)
}

fn serve<F>(runtime: &tokio::runtime::Runtime, name: &'static str, service: F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    runtime.spawn(async move {
        if let Err(error) = service.await {
            let text = format!("{name}: {error}\n");
            // The lab goes on without it; whoever misses it finds the reason here.
            let _ = tokio::fs::write(crate::lab::paths::state(&format!("{name}.log")), text).await;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::plan::rc_local::BEGIN;
    use crate::lab::spec::{Flavour, LabSpec, Sshd};

    #[test]
    fn only_a_done_host_begins_with_a_policy_route() {
        let lab = LabSpec::new(7, Sshd::Builtin, 6, None).unwrap();
        let texts: Vec<_> = lab.hosts.iter().map(|host| initial_rc_local(host).unwrap()).collect();
        assert!(texts[1..].iter().all(Option::is_none));
        let text = texts[0].as_deref().unwrap();
        for value in ["172.16.1.0", "172.16.3.253", "00:16:3f:00:07:0a", "touch /var/lock/subsys/local"] {
            assert!(text.contains(value), "{value} in {text}");
        }
    }

    #[test]
    fn every_flavour_can_be_done() {
        for flavour in [Flavour::Rhel, Flavour::Debian, Flavour::Minimal] {
            let lab = LabSpec::new(7, Sshd::Builtin, 1, Some(flavour)).unwrap();
            let text = initial_rc_local(&lab.hosts[0]).unwrap().unwrap();
            assert!(text.starts_with("#!/bin/") && text.contains(BEGIN), "{text}");
        }
    }
}
