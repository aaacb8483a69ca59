//! A small client: signs, sends, parses. Signing here only has to agree with the verifier, which the vectors pin down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::super::answer::second;
use super::super::verify::canonical;
use super::super::{AccessKey, Emulator, Tuning, serve};
use super::fabric::Recorder;
use crate::core::model::Secret;
use crate::lab::spec::{LabSpec, REGION, Sshd};

pub(super) const ECS: &str = "2014-05-26";
pub(super) const VPC: &str = "2016-04-28";
pub(super) const STS: &str = "2015-04-01";

/// A running emulator and what is needed to call it.
pub(super) struct Lab {
    pub(super) emulator: Arc<Emulator>,
    pub(super) fabric: Arc<Recorder>,
    addresses: [String; 2],
    nonce: AtomicU64,
    server: JoinHandle<()>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Credentials of a call.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) id: &'static str,
    pub(super) secret: &'static str,
    pub(super) token: Option<&'static str>,
}

pub(super) const USER: Who = Who { id: "lab-key", secret: "lab-secret", token: None };
pub(super) const ROLE: Who = Who { id: "STS.lab", secret: "session-secret", token: Some("lab token+/=") };

fn key(who: Who) -> AccessKey {
    AccessKey { id: who.id.to_owned(), secret: Secret::new(who.secret.to_owned()) }
}

pub(super) fn quick() -> Tuning {
    let short = Duration::from_millis(15);
    Tuning {
        attach: short,
        detach: short,
        associate: short,
        unassociate: short,
        convert: short,
        charge: short,
        create: short,
        delete: short,
        ..Tuning::default()
    }
}

impl Lab {
    pub(super) async fn new(hosts: usize, tuning: Tuning) -> Self {
        Self::build(hosts, tuning, |emulator| emulator).await
    }

    /// As `new`, with a last touch on the emulator.
    pub(super) async fn build(
        hosts: usize,
        tuning: Tuning,
        touch: impl FnOnce(Emulator) -> Emulator,
    ) -> Self {
        let spec = LabSpec::new(7, Sshd::Builtin, hosts, None).unwrap();
        let fabric = Arc::new(Recorder::default());
        let emulator = Emulator::new(&spec, fabric.clone(), key(USER), tuning)
            .with_session(key(ROLE), Secret::new(ROLE.token.unwrap().to_owned()));
        let emulator = Arc::new(touch(emulator));
        let listeners = [
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        ];
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap().to_string());
        let [ecs, vpc] = listeners;
        let serving = Arc::clone(&emulator);
        let server = tokio::spawn(async move { serve(ecs, vpc, serving).await.unwrap() });
        Self { emulator, fabric, addresses, nonce: AtomicU64::new(0), server }
    }

    /// Calls with the region filled in; the status and the parsed body.
    pub(super) async fn call(&self, version: &str, action: &str, params: &[(&str, &str)]) -> (u16, Value) {
        let mut params = params.to_vec();
        params.push(("RegionId", REGION));
        self.send(USER, version, action, &params).await
    }

    /// Calls and expects a success.
    pub(super) async fn ok(&self, version: &str, action: &str, params: &[(&str, &str)]) -> Value {
        let (status, body) = self.call(version, action, params).await;
        assert_eq!(status, 200, "{action}: {body}");
        assert!(body["RequestId"].as_str().is_some_and(|id| id.len() == 36), "{body}");
        body
    }

    /// Calls and expects a refusal; its code.
    pub(super) async fn code(&self, version: &str, action: &str, params: &[(&str, &str)]) -> String {
        let (status, body) = self.call(version, action, params).await;
        assert!(status >= 400, "{action}: {body}");
        for member in ["RequestId", "HostId", "Message", "Recommend"] {
            assert!(body[member].is_string(), "{member} of {body}");
        }
        body["Code"].as_str().unwrap().to_owned()
    }

    /// Repeats a read until the answer is as wanted.
    pub(super) async fn until(
        &self,
        version: &str,
        action: &str,
        params: &[(&str, &str)],
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        for _ in 0..2000 {
            let body = self.ok(version, action, params).await;
            if wanted(&body) {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{action} did not get there within the deadline");
    }

    /// Signs and sends, products by turns to both ports: each serves both.
    pub(super) async fn send(
        &self,
        who: Who,
        version: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> (u16, Value) {
        let (host, head) = self.signed(who, version, action, params);
        self.raw(&host, &head).await
    }

    /// Signs and sends; what came back, byte by byte, or why nothing did.
    pub(super) async fn bare(
        &self,
        version: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> std::io::Result<String> {
        let mut params = params.to_vec();
        params.push(("RegionId", REGION));
        let (host, head) = self.signed(USER, version, action, &params);
        exchange(&host, &head).await
    }

    /// The address and the head of a signed request.
    fn signed(&self, who: Who, version: &str, action: &str, params: &[(&str, &str)]) -> (String, String) {
        let count = self.nonce.fetch_add(1, Ordering::Relaxed);
        let host = self.addresses[usize::from(count % 2 == 1)].clone();
        let query: Vec<(String, String)> =
            params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let query = canonical::query(query.iter());
        let empty = canonical::hex(&Sha256::digest(b""));
        let mut headers = vec![
            ("host", host.clone()),
            ("x-acs-action", action.to_owned()),
            ("x-acs-content-sha256", empty.clone()),
            ("x-acs-date", second(jiff::Timestamp::now().as_millisecond())),
            ("x-acs-signature-nonce", format!("nonce-{count}")),
            ("x-acs-version", version.to_owned()),
        ];
        headers.extend(who.token.map(|token| ("x-acs-security-token", token.to_owned())));
        headers.sort();
        let block: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let request = format!("POST\n/\n{query}\n{block}\n{names}\n{empty}");
        let text = format!("ACS3-HMAC-SHA256\n{}", canonical::hex(&Sha256::digest(request)));
        let mac = Hmac::<Sha256>::new_from_slice(who.secret.as_bytes()).unwrap().chain_update(text);
        let signature = canonical::hex(&mac.finalize().into_bytes());
        let authorization =
            format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}", who.id);
        headers.push(("authorization", authorization));
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        (host, format!("POST /?{query} HTTP/1.1\r\n{headers}content-length: 0\r\n"))
    }

    /// A read of the lab's side door.
    pub(super) async fn door(&self, path: &str) -> Value {
        let host = &self.addresses[1];
        let (status, body) = self.raw(host, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n")).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Sends an unsigned request to the first port.
    pub(super) async fn unsigned(&self, head: &str) -> (u16, Value) {
        let host = &self.addresses[0];
        self.raw(host, &format!("{head}\r\nhost: {host}\r\n")).await
    }

    async fn raw(&self, address: &str, head: &str) -> (u16, Value) {
        let answer = exchange(address, head).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }
}

async fn exchange(address: &str, head: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
