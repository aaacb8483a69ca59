//! Running a script that only looks, or that leaves nothing behind but a lease: over a connection that is there, all of its
//! answer or an error.

use super::{MAX_OUTPUT, World};
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
