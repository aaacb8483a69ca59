//! The one integration-test binary.

#[cfg(test)]
mod host_scripts;
mod inventories;
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
