//! HTTP with limits: one exchange, a bounded answer, and a clear word on whether the request can have arrived.
//!
//! Must never follow a redirect or repeat a request.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, Url};

use super::tuning::Tuning;
use crate::core::model::Secret;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The metadata service's address as seen from an instance.
pub(super) const METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(10);

/// What the other side said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `x-acs-retry-after`, which is in milliseconds.
    pub(super) retry_after: Option<Duration>,
    /// The server's clock, in milliseconds since the epoch, in whole seconds.
    pub(super) date_ms: Option<i64>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// No connection: the request cannot have had an effect.
    NotSent(String),
    /// The request may have arrived.
    Lost(String),
}

/// The HTTP clients: one that obeys the proxy settings of the environment, and two that never use a proxy. What is on this
/// machine or is its metadata service is never asked by way of another machine.
pub(super) struct Http {
    proxied: OnceLock<Result<Client, String>>,
    direct: Client,
    direct_tls: OnceLock<Result<Client, String>>,
    tuning: Tuning,
}

/// A request besides its address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// A form, encoded.
    pub(super) form: Option<&'a Secret<String>>,
    /// The limit for the whole exchange, if not the usual one.
    pub(super) limit: Option<Duration>,
}

impl Http {
    /// Sets up the clients; `tls` says whether TLS is known to be needed. Else it is set up when it is.
    ///
    /// # Errors
    /// TLS cannot be set up, for example without any CA certificates on this machine.
    pub(super) fn new(tuning: &Tuning, tls: bool) -> Result<Self, String> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Losing the race to install it is as good as winning it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        // Plain HTTP only, so no CA certificates are loaded for it.
        let direct = built(builder(tuning).no_proxy().tls_certs_only([]))?;
        let http = Self { proxied: OnceLock::new(), direct, direct_tls: OnceLock::new(), tuning: *tuning };
        if tls {
            http.client("https://example.com")?;
        }
        Ok(http)
    }

    fn client(&self, url: &str) -> Result<&Client, String> {
        let made = match (url.starts_with("https:"), is_near(url)) {
            (false, _) => return Ok(&self.direct),
            (true, true) => self.direct_tls.get_or_init(|| built(builder(&self.tuning).no_proxy())),
            (true, false) => self.proxied.get_or_init(|| built(builder(&self.tuning))),
        };
        made.as_ref().map_err(Clone::clone)
    }

    /// Sends one request.
    pub(super) async fn send(&self, method: Method, url: &str, parts: Parts<'_>) -> Result<Answer, NoAnswer> {
        let client =
            self.client(url).map_err(|why| NoAnswer::NotSent(format!("TLS is not set up: {why}")))?;
        let mut map = HeaderMap::new();
        if parts.form.is_some() {
            map.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        for (name, value) in parts.headers {
            let bad = || NoAnswer::NotSent(format!("the value of {name} cannot be sent in a header"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        let body = parts.form.map(|form| form.expose().clone()).unwrap_or_default();
        let limit = parts.limit.unwrap_or(self.tuning.request_timeout);
        let request = client.request(method, url).headers(map).body(body).timeout(limit);
        let mut response = request.send().await.map_err(|error| {
            // A failure to connect comes before the first byte of the request.
            if error.is_connect() || error.is_builder() {
                NoAnswer::NotSent(chain(&error.without_url()))
            } else {
                NoAnswer::Lost(chain(&error.without_url()))
            }
        })?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("x-acs-retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis);
        let date_ms = response
            .headers()
            .get(DATE)
            .and_then(|value| jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok())
            .map(|date| date.timestamp().as_millisecond());
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| NoAnswer::Lost(chain(&error.without_url())))? else {
                return Ok(Answer { status, retry_after, date_ms, body });
            };
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(NoAnswer::Lost(format!("the answer is larger than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
    }
}

fn builder(tuning: &Tuning) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("egressctl/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(tuning.connect_timeout)
        .read_timeout(tuning.read_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // Servers drop idle connections; a write that meets such a drop would be of unknown outcome.
        .pool_idle_timeout(POOL_IDLE)
}

fn built(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| chain(&error))
}

/// Whether an address is on this machine, on its link or the metadata service. Names but `localhost` are not looked up.
pub(super) fn is_near(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip == METADATA,
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

/// An error with its causes: the outer text alone seldom tells why.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_never_asked_by_a_proxy() {
        for near in [
            "https://127.0.0.1:1/",
            "https://127.9.9.9",
            "https://[::1]:2/",
            "https://[::ffff:127.0.0.1]",
            "https://localhost:3/a",
            "https://LOCALHOST.",
            "https://x.localhost",
            "https://100.100.100.200/latest",
            "https://169.254.1.1/",
            "https://[fe80::1]/",
            "https://0x7f.1/",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "https://ecs.aliyuncs.com/?a=127.0.0.1",
            "https://localhost.example",
            "https://notlocalhost",
            "https://100.100.100.201",
            "https://198.51.100.1",
            "https://127.0.0.1@example.com",
            "",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }

    /// The proxies of the environment are read when a client is made, so this is asked of a process of its own.
    #[test]
    fn a_proxy_of_the_environment_gets_nothing_of_what_is_near() {
        const CHILD: &str = "EGRESSCTL_TEST_PROXY_CHILD";
        if std::env::var_os(CHILD).is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let near = std::env::var(CHILD).unwrap();
            runtime.block_on(async {
                let http = Http::new(&Tuning::default(), true).unwrap();
                let parts = Parts { headers: &[], form: None, limit: Some(Duration::from_secs(5)) };
                for url in [format!("http://{near}/near"), format!("https://{near}/near")] {
                    // Nobody speaks TLS there: only where the connection went counts.
                    let _ = http.send(Method::GET, &url, parts).await;
                }
                let _ = http.send(Method::GET, "https://far.invalid/", parts).await;
            });
            return;
        }
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (proxy, near) = (listen(), listen());
        let heads = |listener: std::net::TcpListener| {
            std::thread::spawn(move || {
                use std::io::Read;
                listener.set_nonblocking(true).unwrap();
                let (mut heads, until) = (Vec::new(), std::time::Instant::now() + Duration::from_secs(60));
                loop {
                    match listener.accept() {
                        Ok((mut stream, peer)) => {
                            stream.set_nonblocking(false).unwrap();
                            let mut head = [0; 512];
                            let n = stream.read(&mut head).unwrap_or_default();
                            if &head[..n] == b"end" {
                                return heads;
                            }
                            heads.push((peer, String::from_utf8_lossy(&head[..n]).into_owned()));
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(5)),
                    }
                    assert!(std::time::Instant::now() < until, "nobody said that it is over");
                }
            })
        };
        let addresses = [&proxy, &near].map(|listener| listener.local_addr().unwrap());
        let readers = [heads(proxy), heads(near)];
        let name = "cloud::aliyun::http::tests::a_proxy_of_the_environment_gets_nothing_of_what_is_near";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name]).env(CHILD, addresses[1].to_string());
        for name in ["NO_PROXY", "no_proxy"] {
            child.env_remove(name);
        }
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            child.env(name, format!("http://{}", addresses[0]));
        }
        assert!(child.output().unwrap().status.success());
        for address in addresses {
            use std::io::Write;
            std::net::TcpStream::connect(address).unwrap().write_all(b"end").unwrap();
        }
        let [proxied, direct] = readers.map(|reader| reader.join().unwrap());
        assert_eq!(direct.len(), 2, "{direct:?}");
        assert_eq!(proxied.len(), 1, "{proxied:?}");
        assert!(proxied[0].1.starts_with("CONNECT far.invalid:443 "), "{proxied:?}");
    }
}
