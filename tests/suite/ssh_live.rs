//! The SSH transport against OpenSSH's sshd, and against a server that misbehaves. Needs sshd and root.

mod connect;
mod exec;
mod hostile;
mod jump;
mod rig;
