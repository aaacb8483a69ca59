//! TCP connections: names are looked up, and the first address that answers is taken.
//!
//! Must never wait longer than the login has time for.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::failure::{failure, no_answer, tcp};
use super::patience::Patience;
use super::retry::{Passing, Setback};
use crate::ports::SshErrorKind;

/// How long the next address of a name waits for the one before it (RFC 8305 calls it the connection attempt delay).
const STAGGER: Duration = Duration::from_millis(250);

/// A connection to `host`, a name or an address.
pub(super) async fn dial(
    at: &str,
    (host, port): (&str, u16),
    patience: &Patience,
) -> Result<TcpStream, Setback> {
    let unreachable = |text: String| failure(SshErrorKind::Unreachable, text);
    let found = match host.parse() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => match patience.for_work(lookup_host((host, port))).await {
            Some(Ok(found)) => found.collect(),
            Some(Err(e)) => {
                let error = unreachable(format!("{at}: its name is not known: {e}"));
                return Err(Setback::passing(Passing::NameServer, error));
            }
            None => return Err(unreachable(format!("{at}: no answer to its name in time")).into()),
        },
    };
    let begun = Instant::now();
    let mut attempts = JoinSet::new();
    for (delay, address) in (0u32..).map(|n| STAGGER * n).zip(found) {
        attempts.spawn(async move {
            sleep(delay).await;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        });
    }
    let mut last = None;
    loop {
        match patience.for_work(attempts.join_next()).await {
            None => return Err(no_answer(at, patience.within()).into()),
            Some(Some(Ok(Ok(stream)))) => return Ok(stream),
            Some(Some(Ok(Err(error)))) => last = Some(tcp(at, &error, begun.elapsed())),
            Some(Some(Err(_))) => {}
            Some(None) => {
                return Err(last.unwrap_or_else(|| unreachable(format!("{at}: it has no address")).into()));
            }
        }
    }
}
