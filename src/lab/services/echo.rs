//! The echo service: tells a caller from which address it is seen. What a host's egress address is, is what this says.
//!
//! It never trusts anything the caller sends, such as forwarding headers.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoKind {
    /// `ip: 203.0.113.9`, a line of plain text.
    Text,
    /// `{"ip":"203.0.113.9"}`
    Json,
}

/// Answers GET of any path with the caller's address until dropped.
///
/// # Errors
/// The socket is not usable.
pub async fn serve(listener: TcpListener, kind: EchoKind) -> io::Result<()> {
    let echo = get(move |ConnectInfo(caller): ConnectInfo<SocketAddr>| async move {
        let ip = caller.ip().to_canonical();
        let (form, body) = match kind {
            EchoKind::Text => ("text/plain", format!("ip: {ip}\n")),
            EchoKind::Json => ("application/json", serde_json::json!({ "ip": ip }).to_string()),
        };
        ([(CONTENT_TYPE, form)], body).into_response()
    });
    let service = Router::new().fallback(echo).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}

#[cfg(test)]
mod tests {
    use super::super::testing::{http, listener};
    use super::*;

    #[tokio::test]
    async fn both_forms_give_the_callers_address_for_any_path() {
        for (kind, form, body) in [
            (EchoKind::Text, "text/plain", "ip: 127.0.0.1\n"),
            (EchoKind::Json, "application/json", r#"{"ip":"127.0.0.1"}"#),
        ] {
            let (listener, address) = listener().await;
            tokio::spawn(serve(listener, kind));
            for path in ["/", "/any/path?x=1"] {
                let answer = http(address, "GET", path, &[("X-Forwarded-For", "192.0.2.1")]).await;
                assert_eq!((answer.status, answer.header("content-type"), &*answer.body), (200, form, body));
            }
            assert_eq!(http(address, "POST", "/", &[]).await.status, 405);
        }
    }
}
