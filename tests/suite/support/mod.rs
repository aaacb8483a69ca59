//! What several integration tests need.

pub(crate) mod lab;
pub(crate) mod merge;
