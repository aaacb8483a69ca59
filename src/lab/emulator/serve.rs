//! HTTP: both listeners answer both products, as the version tells; and the lab's side door.
//!
//! The side door `GET /_lab/calls` and `GET /_lab/state` needs no signature. It exists in the lab only and is not part of
//! the vendor's API.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{Response, header};
use axum::routing::get;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

use super::Emulator;
use super::errors::{BODY_TOO_LARGE, INTERNAL};
use super::wire::Request;

/// Requests of this API are small; a larger body is a mistake.
const MAX_BODY: usize = 1 << 20;

/// Serves both listeners until one of them fails or the future is dropped.
///
/// # Errors
/// What accepting connections ended with.
pub async fn serve(ecs: TcpListener, vpc: TcpListener, emulator: Arc<Emulator>) -> io::Result<()> {
    let router = Router::new()
        .route("/_lab/calls", get(calls))
        .route("/_lab/state", get(state))
        .fallback(api)
        .with_state(emulator);
    tokio::try_join!(axum::serve(ecs, router.clone()).into_future(), axum::serve(vpc, router).into_future(),)
        .map(|_| ())
}

async fn calls(State(emulator): State<Arc<Emulator>>) -> Response<Body> {
    json(200, &emulator.log.summary())
}

async fn state(State(emulator): State<Arc<Emulator>>) -> Response<Body> {
    json(200, &emulator.snapshot())
}

async fn api(State(emulator): State<Arc<Emulator>>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let host =
        parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let (status, body) = emulator.refuse(&BODY_TOO_LARGE.into(), &host);
        return json(status, &body);
    };
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let request = match Request::new(parts.method.as_str(), path, query, headers, Vec::from(body)) {
        Ok(request) => request,
        Err(error) => {
            let (status, body) = emulator.refuse(&error, &host);
            return json(status, &body);
        }
    };
    // In a task of its own: a client that hangs up does not stop what it has begun.
    let answering = tokio::spawn(Arc::clone(&emulator).answer(request, host.clone()));
    let (status, body) = match answering.await {
        Ok(answer) => answer,
        Err(_) => emulator.refuse(&INTERNAL.into(), &host),
    };
    json(status, &body)
}

fn json(status: u16, body: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(body).unwrap_or_else(|_| Value::Null.to_string().into_bytes());
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    let kind = header::HeaderValue::from_static("application/json;charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
