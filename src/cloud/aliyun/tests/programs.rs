//! Keys that a program prints.

use super::sources::{home, last_key, write};
use super::*;

#[tokio::test]
async fn a_program_gives_keys_by_words_and_not_by_a_shell() {
    let stub = Stub::start(|_, _| ok(json!({}))).await;
    let folder = home(&[]);
    let run = |command: &str, tuning: Tuning| {
        let value = json!({"current": "p", "profiles": [{"name": "p", "mode": "External", "process_command": command}]});
        write(&folder.path().join(".aliyun/config.json"), &value.to_string());
        let home = folder.path().display().to_string();
        let config = AliyunConfig { credentials: CredentialSource::CliProfile, ..config(&stub.base, tuning) };
        Aliyun::new(&config, &Env::of(&[("HOME", &home)]), Arc::new(Stopped)).unwrap()
    };
    let script = folder.path().join("a script");
    let count = folder.path().join("count");
    write(
        &script,
        &format!(
            "echo x >>'{}'\n\
             printf '{{\"mode\":\"StsToken\",\"access_key_id\":\"%s\",\"access_key_secret\":\"canary-s\",' \"$1\"\n\
             printf '\"sts_token\":\"canary-t\",\"expiration\":\"2026-11-22T17:00:00Z\"}}'\n",
            count.display()
        ),
    );
    let cloud = run(&format!("sh '{}' 'a;b|$(c)' && false", script.display()), hurry());
    for _ in 0..2 {
        cloud.delete_eni(&id("eni-1")).await.unwrap();
    }
    assert_eq!(last_key(&stub), ("a;b|$(c)".to_owned(), "canary-t".to_owned()));
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n", "run once");

    let short = Tuning { external_timeout: Duration::from_millis(700), ..hurry() };
    let pid = folder.path().join("pid");
    write(&script, &format!("sleep 600 & echo $! >'{}'; wait", pid.display()));
    let slow = format!("sh '{}'", script.display());
    write(&folder.path().join("bad"), "echo canary; echo canary >&2; exit 3");
    let bad = format!("sh '{}'", folder.path().join("bad").display());
    for (command, wanted) in [
        ("/nonexistent/canary-program", "cannot be started"),
        (bad.as_str(), "ended with exit code 3"),
        ("echo canary", "prints something that is not a JSON object"),
        ("yes canary", "printed more than 65536 bytes"),
        ("sh -c 'kill -9 $$'", "was killed"),
        (slow.as_str(), "did not end within 0.7 s"),
    ] {
        let error = run(command, short).delete_eni(&id("eni-1")).await.unwrap_err();
        let all = format!("{error:?} {error}");
        assert!(error.kind == CloudErrorKind::Account && all.contains(wanted), "{command}: {all}");
        assert!(all.contains("profile") && !all.contains("canary"), "{all}");
    }
    let sleeper: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let sleeper = rustix::process::Pid::from_raw(sleeper).unwrap();
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", sleeper.as_raw_nonzero()));
        state.map_or(true, |stat| stat.rsplit(") ").next().unwrap().starts_with('Z'))
    };
    for _ in 0..500 {
        if gone() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(gone(), "what the program began is still there");
}
