//! The one integration-test binary.
mod ssh_live;
