//! Who is calling, for the journal.

/// `user@bastion`, from `LOGNAME` or `USER` and the bastion's own name; for people to read, not to decide on.
pub(super) fn operator() -> String {
    let named = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let user = named("LOGNAME").or_else(|| named("USER"));
    let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::geteuid().as_raw()));
    let system = rustix::system::uname();
    format!("{user}@{}", system.nodename().to_string_lossy())
}
