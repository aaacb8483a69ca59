//! What several integration tests need.

pub(crate) mod facts;
pub(crate) mod lab;
pub(crate) mod merge;
