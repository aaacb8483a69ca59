//! HTTP: both listeners answer both products, as the version tells; and the lab's side door.
//!
//! The side door `GET /_lab/calls` and `GET /_lab/state` needs no signature. It exists in the lab only and is not part of
//! the vendor's API.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::{Response, header};
use axum::routing::get;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

use super::Emulator;
use super::door::{Door, Scissors};
use super::errors::{BODY_TOO_LARGE, INTERNAL};
use super::faults::GarbageBody;
use super::handle::Reply;
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
        .with_state(emulator)
        .into_make_service_with_connect_info::<Scissors>();
    let ecs = axum::serve(Door(ecs), router.clone()).into_future();
    tokio::try_join!(ecs, axum::serve(Door(vpc), router).into_future()).map(|_| ())
}

async fn calls(State(emulator): State<Arc<Emulator>>) -> Response<Body> {
    json(200, &emulator.log.summary())
}

async fn state(State(emulator): State<Arc<Emulator>>) -> Response<Body> {
    json(200, &emulator.snapshot())
}

async fn api(
    State(emulator): State<Arc<Emulator>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: HttpRequest,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let host =
        parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return send(emulator.refuse(&BODY_TOO_LARGE.into(), &host), &scissors);
    };
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let request = match Request::new(parts.method.as_str(), path, query, headers, Vec::from(body)) {
        Ok(request) => request,
        Err(error) => return send(emulator.refuse(&error, &host), &scissors),
    };
    // In a task of its own: a client that hangs up does not stop what it has begun.
    let answering = tokio::spawn(Arc::clone(&emulator).answer(request, host.clone()));
    let reply = match answering.await {
        Ok(reply) => reply,
        Err(_) => emulator.refuse(&INTERNAL.into(), &host),
    };
    send(reply, &scissors)
}

/// The reply as HTTP; a connection that is cut off gets something that never leaves.
fn send(reply: Reply, scissors: &Scissors) -> Response<Body> {
    match reply {
        Reply::Answer(status, body, None) => json(status, &body),
        Reply::Answer(status, body, Some(after)) => {
            let mut response = json(status, &body);
            let after = header::HeaderValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            response.headers_mut().insert("x-acs-retry-after", after);
            response
        }
        Reply::Garbage(status, body) => {
            let (kind, text) = match body {
                GarbageBody::Html => ("text/html", "<html><body><h1>Bad Gateway</h1></body></html>"),
                GarbageBody::Empty => ("text/plain", ""),
                GarbageBody::HalfJson => ("application/json;charset=utf-8", "{\"RequestId\":\"0B1A-"),
                GarbageBody::List => ("application/json;charset=utf-8", "[1,2,3]"),
            };
            respond(status, kind, text.into())
        }
        Reply::Closed => {
            scissors.close();
            respond(500, "text/plain", Bytes::new())
        }
        Reply::Reset => {
            scissors.reset();
            respond(500, "text/plain", Bytes::new())
        }
    }
}

fn json(status: u16, body: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(body).unwrap_or_else(|_| Value::Null.to_string().into_bytes());
    respond(status, "application/json;charset=utf-8", text.into())
}

fn respond(status: u16, kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
