//! `%h` and `${VAR}` in values.

use std::collections::BTreeMap;

/// What tokens stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// `%h`: the name or address to connect to.
    pub host: String,
    /// `%n`: the name as it was asked for.
    pub original: String,
    /// `%k`: the name under which the host's key is recorded.
    pub key_name: String,
    /// `%p`
    pub port: u16,
    /// `%r`: login name on the host.
    pub user: String,
    /// `%u`: our own login name.
    pub local_user: String,
    /// `%i`: our own user id.
    pub uid: String,
    /// `%d` and `~`: our own home directory.
    pub home: String,
    /// `%l`: this machine's name; `%L` is its first part.
    pub local_host: String,
    /// What `${…}` stands for.
    pub environment: BTreeMap<String, String>,
}

/// Tokens that may stand in paths.
pub(super) const IN_PATHS: &str = "dhiklLnpru";
/// Tokens that may stand in `HostName`.
pub(super) const IN_HOST_NAME: &str = "h";

/// Whether all tokens of `text` are among `allowed`; a phrase that says which is not.
pub(super) fn check(text: &str, allowed: &str) -> Result<(), String> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            continue;
        }
        match chars.next() {
            Some('%') => {}
            Some(token) if allowed.contains(token) => {}
            Some(token) => {
                return Err(format!("%{token} is not supported here; write %% for a percent sign"));
            }
            None => return Err("it ends with a single %; write %% for a percent sign".to_owned()),
        }
    }
    Ok(())
}

impl Tokens {
    /// `text` with its tokens replaced. Unknown tokens stay; [`check`] has refused them.
    pub(super) fn percent(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('%') => out.push('%'),
                Some('h') => out.push_str(&self.host),
                Some('n') => out.push_str(&self.original),
                Some('k') => out.push_str(&self.key_name),
                Some('p') => out.push_str(&self.port.to_string()),
                Some('r') => out.push_str(&self.user),
                Some('u') => out.push_str(&self.local_user),
                Some('i') => out.push_str(&self.uid),
                Some('d') => out.push_str(&self.home),
                Some('l') => out.push_str(&self.local_host),
                Some('L') => out.push_str(self.local_host.split('.').next().unwrap_or_default()),
                other => {
                    out.push('%');
                    out.extend(other);
                }
            }
        }
        out
    }

    /// A path: variables, then tokens, then `~`, as OpenSSH orders them; a path that is not absolute stays as it is.
    pub(super) fn path(&self, text: &str) -> Result<String, String> {
        // What a variable or a token brings in is not read again.
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or("${ is not closed by }")?;
            let value = self.environment.get(name);
            out.push_str(&self.percent(before));
            out.push_str(value.ok_or_else(|| format!("the environment has no {name}"))?);
            rest = after;
        }
        out.push_str(&self.percent(rest));
        match text.strip_prefix('~') {
            None => Ok(out),
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                Ok(format!("{}{}", self.home, &out[1..]))
            }
            Some(_) => Err("only ~/ is supported; write the other home directory in full".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            host: "10.0.0.7".to_owned(),
            original: "web".to_owned(),
            key_name: "alias".to_owned(),
            port: 2222,
            user: "root".to_owned(),
            local_user: "ann".to_owned(),
            uid: "1000".to_owned(),
            home: "/home/ann".to_owned(),
            local_host: "bastion.example".to_owned(),
            environment: BTreeMap::from([("D".to_owned(), "/a %h".to_owned())]),
        }
    }

    #[test]
    fn every_token_is_replaced_once() {
        for (text, expected) in [
            ("~/.ssh/id", "/home/ann/.ssh/id"),
            ("~", "/home/ann"),
            ("%d/%u/%i", "/home/ann/ann/1000"),
            ("/k/%h-%n-%k-%p-%r", "/k/10.0.0.7-web-alias-2222-root"),
            ("/%l/%L/100%%", "/bastion.example/bastion/100%"),
            ("${D}/%%h", "/a %h/%h"),
            ("/x/~/y", "/x/~/y"),
        ] {
            assert_eq!(tokens().path(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["~bob/x", "${NONE}/x", "${D"] {
            assert!(tokens().path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_tokens_are_refused() {
        assert!(check("/a/%h%%", IN_PATHS).is_ok());
        for text in ["/a/%C", "/a/%", "%T"] {
            assert!(check(text, IN_PATHS).is_err(), "{text}");
        }
        assert!(check("%h.x", IN_HOST_NAME).is_ok() && check("%n.x", IN_HOST_NAME).is_err());
    }
}
