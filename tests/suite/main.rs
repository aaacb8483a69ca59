//! The one integration-test binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic; clippy exempts only unit tests")]

mod inventories;
mod journal;
#[cfg(test)]
mod tidy;
