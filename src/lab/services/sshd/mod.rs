//! The built-in SSH server of a lab host: what a careful OpenSSH does for a tool, without its privileges.
//!
//! Public keys only, `exec` and `shell` without a terminal, `direct-tcpip`. It never forwards agents, X11 or remote ports, never
//! lets one connection harm another, and never leaves a command running whose session has ended.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::{MethodKind, MethodSet, server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

mod authorized;
mod guest;
mod inbox;
mod job;
#[cfg(test)]
mod tests;
mod tunnel;

use guest::{Ends, Guest};

/// Connections that may be unauthenticated at the same time (OpenSSH: `MaxStartups`); more are closed unheard.
const MAX_STARTUPS: usize = 100;
/// How long a client may take to authenticate (OpenSSH: `LoginGraceTime`).
const LOGIN_GRACE: Duration = Duration::from_secs(60);
/// Pause after a failed `accept`, which is a shortage of descriptors or memory and passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct SshdConfig {
    /// Where [`serve`] listens.
    pub listen: SocketAddr,
    /// The private host key, in OpenSSH format, unencrypted.
    pub host_key: PathBuf,
    /// The keys that may log in. Read again at every attempt; lines with options are not honoured, hence refused.
    pub authorized_keys: PathBuf,
    /// The only user who may log in; commands run as whoever the server runs as.
    pub user: String,
}

/// Listens on `config.listen` and serves until dropped.
///
/// # Errors
/// The address cannot be bound, or the host key cannot be read.
pub async fn serve(config: SshdConfig) -> io::Result<()> {
    let listener = TcpListener::bind(config.listen).await?;
    serve_on(listener, config).await
}

/// Serves on a socket that listens already (`config.listen` is ignored) until dropped; then all its connections end and
/// their commands are killed.
///
/// # Errors
/// The host key cannot be read. What goes wrong later concerns one connection, never the server.
pub async fn serve_on(listener: TcpListener, config: SshdConfig) -> io::Result<()> {
    let key = russh::keys::load_secret_key(&config.host_key, None)
        .map_err(|error| io::Error::other(format!("host key {}: {error}", config.host_key.display())))?;
    let protocol = Arc::new(protocol(key));
    let config = Arc::new(config);
    let startups = Arc::new(Semaphore::new(MAX_STARTUPS));
    let (_running, stop) = watch::channel(());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(startup) = Arc::clone(&startups).try_acquire_owned() {
                    let (protocol, config, stop) = (Arc::clone(&protocol), Arc::clone(&config), stop.clone());
                    tokio::spawn(async move {
                        // A connection that cannot be set up has ended already: there is nobody to tell.
                        let _ = attend(stream, protocol, config, startup, stop).await;
                    });
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn protocol(key: PrivateKey) -> server::Config {
    server::Config {
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        // OpenSSH does not delay either; this only slows down guessing a little.
        auth_rejection_time: Duration::from_millis(20),
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: 6,
        keys: vec![key],
        inactivity_timeout: None,
        // Clients vanish without a word when their address is moved: four unanswered questions end the connection.
        keepalive_interval: Some(Duration::from_secs(30)),
        keepalive_max: 4,
        // Output packets in flight between commands and the connection, about 2 MiB of them.
        event_buffer_size: 64,
        nodelay: true,
        ..server::Config::default()
    }
}

/// Serves one connection to its end.
async fn attend(
    stream: TcpStream,
    protocol: Arc<server::Config>,
    config: Arc<SshdConfig>,
    startup: OwnedSemaphorePermit,
    mut stop: watch::Receiver<()>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let ends = Ends { client: stream.peer_addr()?, host: stream.local_addr()? };
    let stream = stream.into_std()?;
    // The protocol runs in a task of its own that cannot be aborted from here; closing its socket ends it.
    let socket = stream.try_clone()?;
    let stream = TcpStream::from_std(stream)?;
    let (entered, enters) = oneshot::channel();
    let guest = Guest::new(config, ends, entered);
    let talk = async move {
        if let Ok(session) = server::run_stream(protocol, stream, guest).await {
            // Any error here is the client's or the network's; the connection is over either way.
            let _ = session.await;
        }
    };
    let too_late = async move {
        if tokio::time::timeout(LOGIN_GRACE, enters).await.is_ok() {
            drop(startup);
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(talk);
    tokio::select! {
        () = &mut talk => return Ok(()),
        () = too_late => {}
        // The sender is never used, only dropped: when the server is.
        _ = stop.changed() => {}
    }
    socket.shutdown(Shutdown::Both)?;
    talk.await;
    Ok(())
}
