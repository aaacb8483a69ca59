//! What a connection may take of our own, in bytes of its futures (docs/performance.md).
//!
//! Must never measure time or a running process: a size is the same on every machine.

use std::sync::Arc;

use super::Russh;
use super::exec::run;
use super::link::Link;
use crate::ports::{Exec, Target};

/// The size of a future that nobody has to make.
fn size<I, F>(_: impl FnOnce(I) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_connection_stays_small() {
    let sizes = [
        ("getting in", 2, size(|(ssh, to): (&Russh, &Target)| ssh.reach(to))),
        ("a command", 5, size(|(link, exec): (&Arc<Link>, &Exec)| run(link, exec))),
    ];
    for (what, most, size) in sizes {
        assert!(size <= most * 1024, "{what}: {size} bytes, more than {most} KiB");
    }
}
