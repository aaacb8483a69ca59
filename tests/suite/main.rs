//! The one integration-test binary.

mod inventories;
