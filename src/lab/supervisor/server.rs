//! The control socket's server: one thread per caller, one question per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use super::Hosts;
use crate::lab::control::{Answer, Request};
use crate::lab::emulator::Emulator;
use crate::lab::emulator::faults::FaultFile;
use crate::lab::paths;

/// Requests are short; anything longer is not one.
const LIMIT: u64 = 256 * 1024;

pub(super) struct Server {
    listener: UnixListener,
    hosts: Arc<Hosts>,
    emulator: Arc<Emulator>,
}

impl Server {
    pub(super) fn listen(hosts: Arc<Hosts>, emulator: Arc<Emulator>) -> Result<Self, String> {
        let listener = UnixListener::bind(paths::control()).map_err(|error| error.to_string())?;
        Ok(Self { listener, hosts, emulator })
    }

    /// Serves for as long as the lab lives.
    pub(super) fn serve(&self) {
        for caller in self.listener.incoming().flatten() {
            let (hosts, emulator) = (Arc::clone(&self.hosts), Arc::clone(&self.emulator));
            std::thread::spawn(move || {
                let answer = answer(&hosts, &emulator, &caller);
                if let Ok(text) = serde_json::to_string(&answer) {
                    // The caller may have left.
                    let _ = writeln!(&caller, "{text}");
                }
            });
        }
    }
}

fn answer(hosts: &Hosts, emulator: &Emulator, caller: &UnixStream) -> Answer {
    let mut line = String::new();
    if let Err(error) = BufReader::new(caller.take(LIMIT)).read_line(&mut line) {
        return Answer::Failed(error.to_string());
    }
    match serde_json::from_str(&line) {
        Ok(Request::Status) => Answer::Status(hosts.status()),
        Ok(Request::Reboot(host)) => match hosts.reboot(&host) {
            Ok(()) => Answer::Done,
            Err(text) => Answer::Failed(text),
        },
        Ok(Request::Calls) => Answer::Calls(Box::new(emulator.summary())),
        Ok(Request::Faults(text)) => match FaultFile::parse("faults", &text) {
            Ok(file) => {
                emulator.set_faults(file);
                Answer::Done
            }
            Err(text) => Answer::Failed(text),
        },
        Err(error) => Answer::Failed(format!("not a request: {error}")),
    }
}
