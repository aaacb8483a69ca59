//! The instance metadata service, as the real one answers on 100.100.100.200: who the caller is decides what it is told.
//!
//! It never answers for anybody but the caller's own address, and never believes a header about that address. Hardened mode
//! wants a token first, which only its caller can use.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

mod facts;
#[cfg(test)]
mod tests;
mod tokens;

pub use facts::{InstanceMetadata, InterfaceMetadata, RamRole, RoleCredentials};
use tokens::Tokens;

/// Carries a token.
pub const TOKEN_HEADER: &str = "X-aliyun-ecs-metadata-token";
/// Carries the wanted lifetime of a token, in seconds.
pub const TTL_HEADER: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
/// The longest lifetime of a token.
pub const MAX_TTL: Duration = Duration::from_secs(21_600);

const TOKEN_PATH: &str = "/latest/api/token";
const ROOT: &str = "/latest/meta-data";

/// Knows which instance has which address, at the moment of the question.
pub trait MetadataBook: Send + Sync {
    /// The instance whose private address this is; `None` if nobody's.
    fn instance_by_address(&self, caller: Ipv4Addr) -> Option<InstanceMetadata>;
}

/// Whether a token is needed. A token that is sent is always checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No answer without a token.
    Hardened,
    /// A token is possible, not necessary.
    Normal,
}

struct Service {
    book: Arc<dyn MetadataBook>,
    mode: Mode,
    tokens: Mutex<Tokens>,
}

/// Answers until dropped.
///
/// # Errors
/// The socket is not usable.
pub async fn serve(listener: TcpListener, book: Arc<dyn MetadataBook>, mode: Mode) -> io::Result<()> {
    let service = Arc::new(Service { book, mode, tokens: Mutex::default() });
    let routes = Router::new().fallback(answer).with_state(service);
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).await
}

async fn answer(
    State(service): State<Arc<Service>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let IpAddr::V4(caller) = peer.ip().to_canonical() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    service
        .reply(caller, &method, uri.path(), &headers)
        .map_or_else(IntoResponse::into_response, |(form, body)| {
            ([(CONTENT_TYPE, form)], body).into_response()
        })
}

impl Service {
    fn reply(
        &self,
        caller: Ipv4Addr,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(&'static str, String), StatusCode> {
        let instance = self.book.instance_by_address(caller).ok_or(StatusCode::NOT_FOUND)?;
        if path == TOKEN_PATH {
            if method != Method::PUT {
                return Err(StatusCode::METHOD_NOT_ALLOWED);
            }
            return Ok(("text/plain", self.issue(caller, headers)?));
        }
        if method != Method::GET && method != Method::HEAD {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        if !self.may_read(caller, headers) {
            return Err(StatusCode::FORBIDDEN);
        }
        let wanted = path.strip_prefix(ROOT).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let (form, body) =
            instance.look_up(wanted.ok_or(StatusCode::NOT_FOUND)?).ok_or(StatusCode::NOT_FOUND)?;
        Ok((form, body))
    }

    fn issue(&self, caller: Ipv4Addr, headers: &HeaderMap) -> Result<String, StatusCode> {
        let seconds = headers.get(TTL_HEADER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let ttl = seconds
            .map(Duration::from_secs)
            .filter(|ttl| (Duration::from_secs(1)..=MAX_TTL).contains(ttl))
            .ok_or(StatusCode::BAD_REQUEST)?;
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.tokens().add(caller, token.clone(), Instant::now(), ttl);
        Ok(token)
    }

    fn may_read(&self, caller: Ipv4Addr, headers: &HeaderMap) -> bool {
        match headers.get(TOKEN_HEADER) {
            None => self.mode == Mode::Normal,
            Some(token) => {
                token.to_str().is_ok_and(|token| self.tokens().holds(caller, token, Instant::now()))
            }
        }
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
