//! Logging in to OpenSSH's sshd in every way: encrypted keys, certificates, an agent, passwords, questions, two factors.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use egressctl::ports::{
    AgentKey, Asker, AuthMethod, Hop, Jump, Question, SshErrorKind, Target, Transport as _,
};
use egressctl::ssh::{Russh, Settings};

use super::agent::Agent;
use super::rig::{Keys, Person, Sshd, chmod, client_of, key, login, refusal, run};

/// Logs in, and checks that it is a login that works.
async fn enters(person: &Arc<Person>, target: &Target) {
    let session = client_of(person).connect(target).await.unwrap();
    assert_eq!(run(&*session, "echo in").await.stdout, b"in\n");
    session.close().await;
}

async fn refused(person: &Arc<Person>, target: &Target, kind: SshErrorKind) -> String {
    let Err(error) = client_of(person).connect(target).await else { panic!("connected") };
    assert_eq!(error.kind, kind, "{error}");
    error.message
}

fn nobody() -> Arc<Person> {
    Person::new(|_| None)
}

#[tokio::test]
async fn an_encrypted_key_is_asked_for_once() {
    let keys = Keys::new();
    keys.make("rsa", &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "open sesame"]);
    keys.make("ecdsa", &["-t", "ecdsa", "-N", "open sesame"]);
    let sshd = Sshd::start(&keys, "");
    for name in ["rsa", "ecdsa"] {
        let target = Target { auth: key(keys.path(name)), ..sshd.target(&keys) };
        let person = Person::new(|question| match question {
            Question::Passphrase { attempt: 1, .. } => Some("wrong"),
            _ => Some("open sesame"),
        });
        let ssh = client_of(&person);
        let (a, b) = tokio::join!(ssh.connect(&target), ssh.connect(&target));
        for result in [a, b, ssh.connect(&target).await] {
            assert!(result.is_ok(), "{name}: {:?}", result.err());
        }
        let file = keys.path(name);
        let asked = [1, 2].map(|attempt| Question::Passphrase { file: file.clone(), attempt });
        assert_eq!(person.asked(), asked, "{name}");
    }
}

#[tokio::test]
async fn a_passphrase_that_stays_wrong_is_asked_for_three_times_in_a_run() {
    let keys = Keys::new();
    let locked = keys.make("rsa", &["-t", "ed25519", "-N", "secret"]);
    let sshd = Sshd::start(&keys, "");
    let target = Target { auth: key(locked), ..sshd.target(&keys) };
    let person = Person::new(|_| Some("wrong"));
    let ssh = client_of(&person);
    for _ in 0..3 {
        let Err(error) = ssh.connect(&target).await else { panic!("connected") };
        assert!(error.kind == SshErrorKind::Local && error.message.contains("three times"), "{error}");
    }
    assert_eq!(person.asked().len(), 3);
    assert!(!sshd.log().contains("publickey"), "{}", sshd.log());
}

fn sign(keys: &Keys, authority: &str, name: &str, options: &[&str]) -> PathBuf {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-s"]).arg(keys.path(authority)).args(["-I", "who I am"]).args(options);
    assert!(command.arg(keys.path(&format!("{name}.pub"))).status().unwrap().success());
    keys.path(&format!("{name}-cert.pub"))
}

#[tokio::test]
async fn certificates_of_every_type_log_in() {
    let keys = Keys::new();
    keys.make("authority", &["-t", "ed25519"]);
    let trusted = keys.path("authority.pub");
    let sshd = Sshd::start(&keys, &format!("TrustedUserCAKeys {}", trusted.display()));
    for (name, kind) in [("e", "ed25519"), ("c", "ecdsa"), ("r", "rsa")] {
        let key_file = keys.make(name, &["-t", kind]);
        let certificate_file = sign(&keys, "authority", name, &["-n", &login()]);
        let auth = vec![AuthMethod::Certificate { key_file, certificate_file }];
        enters(&nobody(), &Target { auth, ..sshd.target(&keys) }).await;
    }
    assert_eq!(sshd.log().matches("-CERT ").count(), 3, "{}", sshd.log());
}

#[tokio::test]
async fn certificates_that_do_not_log_in() {
    let keys = Keys::new();
    keys.make("authority", &["-t", "ed25519"]);
    let trusted = keys.path("authority.pub");
    let sshd = Sshd::start(&keys, &format!("TrustedUserCAKeys {}", trusted.display()));
    let mine = keys.make("mine", &["-t", "ed25519"]);
    let with = |certificate_file: PathBuf| Target {
        auth: vec![AuthMethod::Certificate { key_file: mine.clone(), certificate_file }],
        ..sshd.target(&keys)
    };
    for options in [["-n", "somebody"], ["-V", "20200101:20200102"]] {
        let certificate = sign(&keys, "authority", "mine", &options);
        let message = refusal(&with(certificate), SshErrorKind::Auth).await;
        assert!(
            message.contains("with certificate \"who I am\"") && message.contains("authority"),
            "{message}"
        );
    }
    assert_eq!(sshd.log().matches("Failed publickey").count(), 2, "{}", sshd.log());
    keys.make("other", &["-t", "ed25519"]);
    let table = [
        (sign(&keys, "authority", "other", &["-n", &login()]), "for another key"),
        (keys.path("mine.pub"), "plain public key"),
        (keys.path("none-cert.pub"), "no such file"),
        (keys.write("junk", "ssh-ed25519-cert-v01@openssh.com AAAA"), "cannot be read"),
    ];
    for (certificate, part) in table {
        let message = refusal(&with(certificate), SshErrorKind::Local).await;
        assert!(message.contains(part), "{part}: {message}");
    }
}

fn fingerprint(file: &Path) -> AgentKey {
    let output = Command::new("ssh-keygen").arg("-lf").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    AgentKey::Fingerprint(text.split(' ').nth(1).unwrap().to_owned())
}

#[tokio::test]
async fn the_key_that_is_meant_is_taken_from_the_agent_and_no_other_is_offered() {
    let keys = Keys::new();
    keys.make("rsa", &["-t", "rsa", "-b", "2048"]);
    for name in ["a", "b", "c"] {
        keys.make(name, &["-t", "ed25519"]);
    }
    keys.make("authority", &["-t", "ed25519"]);
    let certificate = sign(&keys, "authority", "c", &["-n", &login()]);
    let extra = format!("TrustedUserCAKeys {}", keys.path("authority.pub").display());
    let sshd = Sshd::start(&keys, &extra);
    let agent = Agent::with(&keys, &["a", "b", "c", "id", "rsa"]);
    let chosen = [
        fingerprint(&keys.path("id.pub")),
        AgentKey::PublicFile(keys.path("id.pub")),
        AgentKey::PublicFile(keys.path("rsa.pub")),
        AgentKey::PublicFile(certificate),
    ];
    for chosen in chosen {
        let auth = vec![agent.method(Some(chosen))];
        enters(&nobody(), &Target { auth, ..sshd.target(&keys) }).await;
    }
    assert!(!sshd.log().contains("Failed publickey"), "{}", sshd.log());
    // One that the host does not know: refused once, and the key behind it is not tried.
    let auth =
        vec![agent.method(Some(fingerprint(&keys.path("a.pub")))), AuthMethod::Key { file: keys.path("id") }];
    let message = refusal(&Target { auth, ..sshd.target(&keys) }, SshErrorKind::Auth).await;
    assert!(message.contains("with the agent's key SHA256:"), "{message}");
    assert_eq!(sshd.log().matches("Failed publickey").count(), 1, "{}", sshd.log());
}

#[tokio::test]
async fn an_agent_that_is_no_help() {
    let keys = Keys::new();
    let sshd = Sshd::start(&keys, "");
    keys.make("a", &["-t", "ed25519"]);
    let agent = Agent::with(&keys, &["id"]);
    let with = |auth| Target { auth, ..sshd.target(&keys) };
    enters(&nobody(), &with(vec![agent.method(None)])).await;
    // It does not hold the key, the key's public half is not there, or there is no agent: the file is next.
    let absent = AuthMethod::Agent { socket: keys.path("nothing"), key: None };
    let table = [
        agent.method(Some(fingerprint(&keys.path("a.pub")))),
        agent.method(Some(AgentKey::PublicFile(keys.path("none.pub")))),
        absent.clone(),
    ];
    for first in table {
        enters(&nobody(), &with(vec![first, AuthMethod::Key { file: keys.path("id") }])).await;
    }
    let message = refusal(&with(vec![absent]), SshErrorKind::Local).await;
    assert!(message.contains("no way to log in") && message.contains("nothing"), "{message}");
    let mut add = Command::new("ssh-add");
    add.arg("-q").arg(keys.path("a")).env("SSH_AUTH_SOCK", &agent.socket);
    assert!(add.status().unwrap().success());
    let message = refusal(&with(vec![agent.method(None)]), SshErrorKind::Local).await;
    assert!(message.contains("holds 2 keys") && message.matches("SHA256:").count() == 2, "{message}");
    let lock = Command::new("ssh-add").arg("-D").arg("-q").env("SSH_AUTH_SOCK", &agent.socket).status();
    assert!(lock.unwrap().success());
    let message = refusal(&with(vec![agent.method(None)]), SshErrorKind::Local).await;
    assert!(message.contains("does not hold the key"), "{message}");
}

/// A PAM service that knows one password.
fn pam(keys: &Keys) -> PathBuf {
    let check = keys.write("check", "#!/bin/sh\n[ \"$(tr -d '\\000')\" = 'pass word' ]\n");
    chmod(&check, 0o755);
    let text = format!(
        "auth required pam_exec.so quiet expose_authtok {}\nauth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
        check.display()
    );
    keys.write("pam", &text)
}

/// An sshd that asks PAM. Further lines say for what.
pub(super) fn asking(keys: &Keys, extra: &str) -> Sshd {
    Sshd::start_with(keys, &format!("UsePAM yes\nPermitRootLogin yes\n{extra}"), &pam(keys))
}

const BY_PASSWORD: [AuthMethod; 2] = [AuthMethod::Password, AuthMethod::KeyboardInteractive];

#[tokio::test]
async fn a_password_is_asked_for_once_for_all_hosts() {
    let keys = Keys::new();
    let hosts = [
        asking(&keys, "PasswordAuthentication yes"),
        asking(&keys, "KbdInteractiveAuthentication yes"),
        asking(&keys, "PasswordAuthentication yes\nKbdInteractiveAuthentication yes"),
    ];
    let person = Person::new(|_| Some("pass word"));
    let ssh = client_of(&person);
    for host in &hosts {
        let session =
            ssh.connect(&Target { auth: BY_PASSWORD.to_vec(), ..host.target(&keys) }).await.unwrap();
        assert_eq!(run(&*session, "echo in").await.stdout, b"in\n");
    }
    assert_eq!(person.asked(), [Question::Password { user: login(), jump: None }]);
    for host in &hosts {
        assert_eq!(host.log().matches("Failed").count(), 0, "{}", host.log());
    }
}

#[tokio::test]
async fn a_wrong_password_is_given_once() {
    let keys = Keys::new();
    let host = asking(&keys, "PasswordAuthentication yes\nKbdInteractiveAuthentication yes");
    let target = Target { auth: BY_PASSWORD.to_vec(), ..host.target(&keys) };
    let message = refused(&Person::new(|_| Some("wrong")), &target, SshErrorKind::Auth).await;
    assert!(
        message.contains("with a password (it offers:") && message.contains("not tried again"),
        "{message}"
    );
    let failures = host.log().lines().filter(|line| line.starts_with("Failed")).count();
    assert_eq!(failures, 1, "{}", host.log());
    let message = refused(&nobody(), &target, SshErrorKind::Local).await;
    assert!(message.contains("nobody is there"), "{message}");
    let auth = vec![AuthMethod::KeyboardInteractive];
    let message =
        refused(&Person::new(|_| Some("wrong")), &Target { auth, ..target }, SshErrorKind::Auth).await;
    assert!(
        message.contains("answers to its questions") || message.contains("more than a password"),
        "{message}"
    );
}

#[tokio::test]
async fn a_second_factor_follows_the_key() {
    let keys = Keys::new();
    let both = "PasswordAuthentication yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods ";
    for second in ["password", "keyboard-interactive"] {
        let host = asking(&keys, &format!("{both}publickey,{second}"));
        let mut auth = key(keys.path("id"));
        auth.extend(BY_PASSWORD);
        let person = Person::new(|_| Some("pass word"));
        enters(&person, &Target { auth: auth.clone(), ..host.target(&keys) }).await;
        let message = refused(
            &Person::new(|_| Some("wrong")),
            &Target { auth, ..host.target(&keys) },
            SshErrorKind::Auth,
        )
        .await;
        assert!(message.contains(", then "), "{message}");
    }
}

#[tokio::test]
async fn a_jump_host_asks_a_person_once() {
    let keys = Keys::new();
    let bastion = asking(
        &keys,
        "KbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive",
    );
    let host = Sshd::start(&keys, "");
    let mut auth = key(keys.path("id"));
    auth.push(AuthMethod::KeyboardInteractive);
    let jump = Jump { auth, ..bastion.jump(&keys) };
    let name = format!("{}:{}", jump.host, jump.port);
    let target = Target { jumps: vec![Hop::from(jump)], ..host.target(&keys) };
    let person = Person::new(|_| Some("pass word"));
    // Two targets fill a connection; a second connection would need a second answer.
    let settings = Settings { jump_tunnels: 2, ..Settings::default() };
    let ssh = Arc::new(Russh::new(settings, Arc::clone(&person) as Arc<dyn Asker>));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (ssh, target) = (Arc::clone(&ssh), target.clone());
        all.spawn(async move { ssh.connect(&target).await.map(drop) });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap().unwrap();
    }
    let asked = person.asked();
    let [Question::Prompt { user, jump, text, echo: false }] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((user, jump, text.as_str()), (&login(), &name, "Password:"));
}
