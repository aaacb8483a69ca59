//! What is wanted: an inventory text becomes [`Desired`], or a complete list of what is wrong with it.
//!
//! Must never touch files (the caller reads them) and never stop at the first mistake.

mod desired;

pub use desired::{
    AllowDesired, CloudDesired, CredentialSource, Desired, EniDesired, HostDesired, JumpDesired, Persist,
    Provider, RouteDesired, SshDesired, VerifyDesired,
};
