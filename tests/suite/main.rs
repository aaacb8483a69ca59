//! The one integration-test binary.
//!
//! Modules are declared for tests only, so that the lints for tests hold in their helpers too.

#[cfg(test)]
mod lab_end;
#[cfg(test)]
mod lab_fabric;
#[cfg(test)]
mod lab_net;
#[cfg(test)]
mod sdk_interop;
#[cfg(test)]
mod support;
