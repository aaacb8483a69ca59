//! Adapters that make a vendor's API look like [`ports::Cloud`](crate::ports::Cloud).
//!
//! Must never decide what should happen to a host; it says what is, does what it is told, and tells the truth about it.

pub mod aliyun;

pub use aliyun::{Aliyun, AliyunConfig, Env, Tuning};
