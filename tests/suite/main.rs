//! The one integration-test binary.

mod sdk_interop;
