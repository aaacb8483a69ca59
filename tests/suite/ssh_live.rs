//! The SSH transport against OpenSSH's sshd, and against a server that misbehaves. Needs sshd and root.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod connect;
mod exec;
mod hostile;
mod jump;
mod rig;
