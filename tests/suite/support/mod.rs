//! What several integration tests need.

pub(crate) mod facts;
pub(crate) mod lab;
pub(crate) mod merge;

/// Where root's login looks for programs. An ordinary user's often lacks the folders for the system's own.
pub(crate) const ROOTS_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
