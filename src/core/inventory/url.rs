//! Endpoints and echo services: the few forms of URL that an inventory may hold.
//!
//! Must never accept user names, passwords, quotes or white space: URLs are handed to hosts and shown in reports.

use super::value::{network_name, port};

/// `http(s)://host[:port]`, nothing after it.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    let rest = url(text)?;
    if rest.is_empty() {
        Ok(text.to_owned())
    } else {
        Err("an endpoint without a path, such as https://ecs.cn-beijing.aliyuncs.com".to_owned())
    }
}

/// `http(s)://host[:port][/path]`.
pub(super) fn echo(text: &str) -> Result<String, String> {
    url(text).map(|_| text.to_owned())
}

/// Checks scheme, host and port, and returns what follows them.
fn url(text: &str) -> Result<&str, String> {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return Err("a URL that starts with http:// or https://".to_owned());
    };
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() || "\"'\\<>^`{|}#".contains(*c)) {
        return Err(format!("a URL without {odd:?}"));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("a URL without user name and password".to_owned());
    }
    let (host, number) =
        authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    network_name(host).map_err(|expected| format!("a URL with {expected}"))?;
    if let Some(number) = number {
        port(number).map_err(|expected| format!("a URL with {expected}"))?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_strict() {
        for good in ["http://a", "https://ip.example.com/x?format=json", "http://198.51.100.20:80/"] {
            assert_eq!(echo(good).as_deref(), Ok(good));
        }
        for bad in [
            "a",
            "ftp://a",
            "HTTP://a",
            "http://",
            "http://:80",
            "http://a:0",
            "http://a:65536",
            "http://a:",
            "http://u@a/",
            "http://a/b c",
            "http://a/'",
            "http://a/#x",
            "http://-a",
            "http://a/\n",
            "http://a:+1",
        ] {
            assert!(echo(bad).is_err(), "{bad}");
        }
        assert_eq!(endpoint("http://100.100.0.10:8080").as_deref(), Ok("http://100.100.0.10:8080"));
        assert!(endpoint("https://ecs.example/").is_err());
    }
}
