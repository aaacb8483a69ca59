//! The one integration-test binary.

#[cfg(test)]
mod journal;
#[cfg(test)]
mod tidy;
