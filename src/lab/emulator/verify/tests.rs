//! Every published vector must pass, and every change to one must be refused.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../../tests/vectors/signature-vectors.json");

struct Fixed(AtomicI64);

impl Clock for Fixed {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The parts of a request, before it is taken apart.
#[derive(Clone)]
struct Raw {
    method: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: String,
}

impl Raw {
    fn request(&self) -> Request {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(k, v)| format!("{}={}", canonical::encode(k), canonical::encode(v).replace("%20", "+")))
            .collect();
        let body = self.body.clone().into_bytes();
        Request::new(&self.method, "/", &query.join("&"), self.headers.clone(), body).unwrap()
    }
}

fn vectors(scheme: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    let all = all["vectors"].as_array().unwrap().clone();
    all.into_iter().filter(|vector| vector["scheme"] == scheme).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.as_object().unwrap().iter().map(|(k, v)| (k.clone(), text(v))).collect()
}

fn verifier(vector: &Value, date: &str, secret: &str) -> Verifier {
    let now = date.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let clock = Arc::new(Fixed(AtomicI64::new(now)));
    let key = AccessKey { id: text(&vector["accessKeyId"]), secret: Secret::new(secret.to_owned()) };
    match vector["securityToken"].as_str() {
        None => Verifier::new(key, clock),
        Some(token) => {
            let other = AccessKey { id: "other".into(), secret: Secret::new("other".into()) };
            let mut verifier = Verifier::new(other, clock);
            verifier.add_session(key, Secret::new(token.to_owned()));
            verifier
        }
    }
}

fn acs3(vector: &Value, authorization: &Value) -> Raw {
    let mut headers = pairs(&vector["headers"]);
    headers.push(("Authorization".into(), text(authorization)));
    let query = pairs(&vector["query"]);
    Raw { method: text(&vector["method"]), query, headers, body: text(&vector["body"]) }
}

fn date_of(vector: &Value) -> String {
    let date = vector["headers"]["x-acs-date"].as_str().or(vector["params"]["Timestamp"].as_str());
    date.unwrap().to_owned()
}

fn verdict(vector: &Value, raw: &Raw) -> Result<Caller, ApiError> {
    verifier(vector, &date_of(vector), &text(&vector["accessKeySecret"])).verify(&raw.request())
}

#[test]
fn every_acs3_vector_is_accepted_in_both_forms() {
    let vectors = vectors("ACS3-HMAC-SHA256");
    assert_eq!(vectors.len(), 15);
    for vector in &vectors {
        let caller = || if vector["securityToken"].is_null() { Caller::User } else { Caller::Role };
        for authorization in [&vector["authorization"], &vector["documentedSubset"]["authorization"]] {
            assert_eq!(verdict(vector, &acs3(vector, authorization)), Ok(caller()), "{}", vector["id"]);
        }
    }
}

#[test]
fn every_change_of_a_signed_acs3_request_is_refused() {
    for vector in &vectors("ACS3-HMAC-SHA256") {
        let raw = acs3(vector, &vector["authorization"]);
        let refused = |what: &str, raw: &Raw| {
            let answer = verdict(vector, raw);
            assert!(answer.is_err(), "{}: {what}", vector["id"]);
        };
        for index in 0..raw.headers.len() {
            let name = raw.headers[index].0.clone();
            let mut changed = raw.clone();
            changed.headers[index].1.push('x');
            refused(&format!("{name} changed"), &changed);
            changed.headers.remove(index);
            refused(&format!("{name} removed"), &changed);
        }
        for index in 0..raw.query.len() {
            let mut changed = raw.clone();
            changed.query[index].1.push('x');
            refused("value changed", &changed);
            changed = raw.clone();
            changed.query[index].0.push('x');
            refused("key changed", &changed);
            changed.query.remove(index);
            refused("parameter removed", &changed);
        }
        let mut changed = raw.clone();
        changed.query.push(("Extra".into(), "1".into()));
        refused("parameter added", &changed);
        changed = raw.clone();
        changed.body.push('x');
        refused("body changed", &changed);
        changed = raw.clone();
        changed.method = if raw.method == "GET" { "POST".into() } else { "GET".into() };
        refused("method changed", &changed);
        for unsigned in ["x-acs-extra", "content-type"] {
            if !raw.headers.iter().any(|(name, _)| name == unsigned) {
                changed = raw.clone();
                changed.headers.push((unsigned.into(), "text/plain".into()));
                let answer = verdict(vector, &changed).unwrap_err();
                assert_eq!(answer.code, "IncompleteSignature", "{}: {unsigned}", vector["id"]);
            }
        }
        let wrong = verifier(vector, &date_of(vector), "wrong").verify(&raw.request()).unwrap_err();
        assert_eq!((wrong.status, wrong.code), (400, "SignatureDoesNotMatch"), "{}", vector["id"]);
    }
}

fn rpc_v1(vector: &Value) -> Raw {
    let mut query = pairs(&vector["params"]);
    query.push(("Signature".into(), text(&vector["signature"])));
    Raw { method: text(&vector["method"]), query, headers: Vec::new(), body: String::new() }
}

#[test]
fn every_vector_of_the_older_signature_is_accepted_from_query_and_form() {
    let vectors = vectors("RPC-HMAC-SHA1-V1");
    assert_eq!(vectors.len(), 5);
    for vector in &vectors {
        let raw = rpc_v1(vector);
        let caller = || if vector["securityToken"].is_null() { Caller::User } else { Caller::Role };
        assert_eq!(verdict(vector, &raw), Ok(caller()), "{}", vector["id"]);
        let (in_query, in_form) = raw.query.split_at(4);
        let form: Vec<String> =
            in_form.iter().map(|(k, v)| format!("{k}={}", canonical::encode(v))).collect();
        let split = Raw {
            query: in_query.to_vec(),
            headers: vec![("content-type".into(), "application/x-www-form-urlencoded".into())],
            body: form.join("&"),
            ..raw
        };
        assert_eq!(verdict(vector, &split), Ok(caller()), "{} in a form", vector["id"]);
    }
}

#[test]
fn every_change_of_the_older_signature_is_refused() {
    for vector in &vectors("RPC-HMAC-SHA1-V1") {
        let raw = rpc_v1(vector);
        for index in 0..raw.query.len() {
            let mut changed = raw.clone();
            changed.query[index].1.push('x');
            assert!(verdict(vector, &changed).is_err(), "{}: {}", vector["id"], raw.query[index].0);
            changed.query.remove(index);
            assert!(verdict(vector, &changed).is_err(), "{}: no {}", vector["id"], raw.query[index].0);
        }
        let wrong = verifier(vector, &date_of(vector), "wrong").verify(&raw.request()).unwrap_err();
        assert_eq!(wrong.code, "SignatureDoesNotMatch", "{}", vector["id"]);
    }
}

#[test]
fn clock_nonce_key_and_token_have_their_own_refusals() {
    let vectors = vectors("ACS3-HMAC-SHA256");
    let (plain, session) = (&vectors[0], &vectors[3]);
    let secret = text(&plain["accessKeySecret"]);
    let request = acs3(plain, &plain["authorization"]).request();
    let at = |date: &str| verifier(plain, date, &secret).verify(&request).map_err(|error| error.code);
    assert_eq!(at("2023-10-26T10:37:32Z"), Ok(Caller::User));
    assert_eq!(at("2023-10-26T10:37:33Z"), Err("InvalidTimeStamp.Expired"));
    assert_eq!(at("2023-10-26T10:07:31Z"), Err("InvalidTimeStamp.Expired"));

    let once = verifier(plain, &date_of(plain), &secret);
    assert!(once.verify(&request).is_ok());
    assert_eq!(once.verify(&request).unwrap_err().code, "SignatureNonceUsed");

    let strange = verifier(session, &date_of(plain), "s").verify(&request).unwrap_err();
    assert_eq!((strange.status, strange.code), (404, "InvalidAccessKeyId.NotFound"));

    let mut other = session.clone();
    other["securityToken"] = "another".into();
    let raw = acs3(session, &session["authorization"]);
    assert_eq!(verdict(&other, &raw).unwrap_err().code, "InvalidSecurityToken.MismatchWithAccessKey");
    other["securityToken"] = Value::Null;
    assert_eq!(verdict(&other, &raw).unwrap_err().code, "InvalidSecurityToken.MismatchWithAccessKey");
}

#[test]
fn a_request_without_or_with_a_malformed_signature_is_incomplete() {
    let vector = &vectors("ACS3-HMAC-SHA256")[0];
    let mut raw = acs3(vector, &vector["authorization"]);
    for bad in [
        "Basic x",
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 Credential=a,Signature=b",
        "ACS3-HMAC-SHA256 Credential=a,Credential=a,SignedHeaders=host,Signature=b",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host;host,Signature=b",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=b,More=c",
    ] {
        raw.headers.last_mut().unwrap().1 = bad.into();
        assert_eq!(verdict(vector, &raw).unwrap_err().code, "IncompleteSignature", "{bad}");
    }
    raw.headers.pop();
    assert_eq!(verdict(vector, &raw).unwrap_err().code, "IncompleteSignature");
}
