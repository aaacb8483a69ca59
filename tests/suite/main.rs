//! The one integration-test binary.

mod lab_end;
mod lab_fabric;
mod lab_net;
mod support;
