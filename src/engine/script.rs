//! Running a script that only looks, or that leaves nothing behind but a lease: over a connection that is there, all of its
//! answer or an error.

use std::net::Ipv4Addr;

use super::{MAX_OUTPUT, World, target};
use crate::core::inventory::HostDesired;
use crate::ports::{Exec, ExitStatus, Session};

/// Runs a script by name (for messages) and gives its whole standard output. Anything but exit code 0 is an error.
pub(super) async fn run(
    world: &World,
    host: &HostDesired,
    session: &dyn Session,
    name: &str,
    script: String,
) -> Result<Vec<u8>, String> {
    let exec = Exec::script_as_root(script, &host.ssh.user, world.settings.look, MAX_OUTPUT);
    let output = session.exec(&exec).await.map_err(|error| error.to_string())?;
    match output.status {
        ExitStatus::Code(0) if output.truncated => {
            Err(format!("the {name} script printed more than {MAX_OUTPUT} bytes"))
        }
        ExitStatus::Code(0) => Ok(output.stdout),
        ExitStatus::Code(code) => Err(format!("the {name} script ended with exit code {code}")),
        ExitStatus::Signal(name_of) => Err(format!("the {name} script was ended by signal {name_of}")),
    }
}

/// The same over a connection of its own.
pub(super) async fn alone(
    world: &World,
    host: &HostDesired,
    address: Ipv4Addr,
    name: &str,
    script: String,
) -> Result<Vec<u8>, String> {
    let target = target::managed(host, address).map_err(|error| error.to_string())?;
    let session = world.transport.connect(&target).await.map_err(|error| error.to_string())?;
    let answer = run(world, host, session.as_ref(), name, script).await;
    session.close().await;
    answer
}
