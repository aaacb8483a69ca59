//! The SSH transport against OpenSSH's sshd, and against a server that misbehaves. Needs sshd; runs it as
//! whoever runs the tests.

mod agent;
mod asked;
mod auth;
mod connect;
mod contact;
mod exec;
mod flood;
mod hostile;
mod jump;
mod penalties;
mod privilege;
mod pushed;
mod recovery;
mod rig;
mod rubbish;
mod tricks;
mod trust;
mod typed;
mod verbs;
mod verdicts;
