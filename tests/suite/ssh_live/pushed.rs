//! `--template` of `push` and `run` from the command line to OpenSSH's sshd: which values a template has, where they come from,
//! and that all are rendered before anything is done.

use std::fs;
use std::process::Command;

use super::verbs::{Fleet, hosts};

#[test]
fn a_template_is_rendered_for_each_host_and_a_check_shows_it() {
    let fleet = Fleet::new();
    let src =
        fleet.keys.write("motd.hbs", "I am {{host}} of {{groups.[0]}} at {{address}}:{{port}}\n{{word}}\n");
    let (src, there) = (src.display().to_string(), fleet.keys.write("there", "old\n"));
    let dest = there.to_str().unwrap();
    let words = ["push", "-l", "web-1", &src, dest, "--template"];
    let answer = fleet.ask(&words);
    assert_eq!(answer.code, 1, "{}", answer.out);
    assert!(answer.err.contains("motd.hbs:2") && answer.err.contains("web-1"), "{}", answer.err);
    let words = [&words[..], &["-e", "word=a'<b>"]].concat();
    let answer = fleet.ask(&[&words[..], &["--check"]].concat());
    let expected = format!("I am web-1 of web at 127.0.0.1:{}\na'<b>\n", fleet.servers[0].port);
    let [first, second] = expected.lines().collect::<Vec<_>>()[..] else { panic!() };
    assert!(answer.out.starts_with("-- web-1: ~ would change\n"), "{}", answer.out);
    assert!(answer.out.ends_with(&format!("  -old\n  +{first}\n  +{second}\n")), "{}", answer.out);
    assert_eq!(fs::read(&there).unwrap(), b"old\n");
    let found = hosts(&fleet.ask(&[&words[..], &["--check", "--json"]].concat()));
    assert!(found[0]["changed"] == true && found[0]["diff"].as_str().unwrap().contains("-old"), "{found:?}");
    assert_eq!(fleet.ask(&words).code, 0);
    assert_eq!(fs::read_to_string(&there).unwrap(), expected);
}

#[test]
fn a_template_has_the_inventorys_values_and_those_of_the_command_line_over_them() {
    let fleet = Fleet::new();
    let text = fs::read_to_string(&fleet.inventory).unwrap();
    let text =
        text.replace("groups: {web: {}}", "groups: {web: {vars: {word: group, list: [a, b], port: 80}}}");
    let text = text.replacen("groups: [web],", "groups: [web], vars: {word: it's},", 1);
    fs::write(&fleet.inventory, text).unwrap();
    let template =
        "#!/bin/sh\nset -- {{word}} {{port}} {{#each list}}{{this}} {{/each}}\necho \"$*\" {{extra}}\n";
    let src = fleet.keys.write("script.hbs", template).display().to_string();
    let extra = fleet.keys.write("extra.yaml", "extra: from a file\nport: 8080\n").display().to_string();
    let there = fleet.keys.path("script");
    let dest = there.to_str().unwrap();
    let words = ["push", "-l", "web-1", &src, dest, "--template", "-e"];
    let answer = fleet.ask(&[&words[..], &[&format!("@{extra}"), "-e", "port=81"]].concat());
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    let output = Command::new("sh").arg(&there).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "it's 81 a b from a file\n");
    let answer = fleet.ask(&[&words[..], &["other=1"]].concat());
    assert!(answer.code == 1 && answer.err.contains("script.hbs:3"), "{}", answer.err);
    fs::write(&extra, "extra: 1\nnested: {a: b}\n").unwrap();
    let answer = fleet.ask(&[&words[..], &[&format!("@{extra}")]].concat());
    assert!(answer.code == 1 && answer.err.contains("extra.yaml:2:"), "{}", answer.err);
    assert_eq!(fleet.ask(&[&words[..], &["@"]].concat()).code, 64);
    // A value is a word in a shell's script, and nothing else.
    fs::write(&src, "#!/bin/sh\necho \"{{word}}\"\n").unwrap();
    let answer = fleet.ask(&["push", "-l", "web-1", &src, dest, "--template"]);
    assert!(answer.code == 1 && answer.err.contains("script.hbs:2"), "{}", answer.err);
    let ini = "web-1 ansible_host=127.0.0.1 word=ansible ansible_become_pass=secret tpl='{{ x }}'\n[web]\nweb-1\n[web:vars]\nsite=b1\n";
    let inventory = fleet.keys.write("hosts.ini", ini).display().to_string();
    let port = fleet.servers[0].port.to_string();
    let login = ["-i", &inventory, "-p", &port, "--key-file"];
    let id = fleet.path("id");
    let known = format!("UserKnownHostsFile={}", fleet.path("known"));
    let user = super::rig::login();
    let login = [&login[..], &[&id, "-o", &known, "-u", &user]].concat();
    fs::write(&src, "{{word}} {{site}} {{host}}\n").unwrap();
    let words = [&["push", &src, dest, "--template"], &login[..]].concat();
    let answer = fleet.ask(&words);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    assert_eq!(fs::read_to_string(&there).unwrap(), "ansible b1 web-1\n");
    for (name, line) in [("ansible_become_pass", 1), ("tpl", 2)] {
        fs::write(&src, format!("{}{{{{{name}}}}}\n", "\n".repeat(line - 1))).unwrap();
        let answer = fleet.ask(&words);
        let place = format!("script.hbs:{line}");
        assert!(answer.code == 1 && answer.err.contains(&place), "{name}: {}{}", answer.out, answer.err);
    }
}

#[test]
fn a_script_is_rendered_for_each_host_and_its_values_stay_words() {
    let fleet = Fleet::new();
    let script = "set -eu\nprintf '%s|' {{host}} {{word}} \"$@\"; cat; echo\n";
    let script = fleet.keys.write("job.hbs", script).display().to_string();
    let stdin = fleet.keys.write("stdin", "read").display().to_string();
    let words = ["run", "--script", &script, "--template", "-e", "word=a'b; echo $HOME"];
    let own = |host: &str, then: &str| format!("-- {host}\n  {host}|a'b; echo $HOME|c d|{then}\n");
    for (way, then) in [(&[][..], ""), (&["--stdin", &stdin][..], "read")] {
        let answer = fleet.ask(&[&words[..], way, &["-l", "web", "--", "c d"]].concat());
        assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
        assert_eq!(answer.out, own("web-1", then) + &own("web-2", then), "{way:?}");
    }

    // What one host lacks nobody begins: the file says who has run it.
    let text = fs::read_to_string(&fleet.inventory).unwrap();
    let text = text.replacen("groups: [web],", "groups: [web], vars: {own: x},", 1);
    fs::write(&fleet.inventory, text).unwrap();
    let trace = fleet.keys.path("trace");
    let made = format!("echo {{{{own}}}} >>'{}'\n", trace.display());
    fs::write(&script, format!("\n{made}")).unwrap();
    let answer = fleet.ask(&["run", "-l", "web", "--script", &script, "--template"]);
    assert_eq!(answer.code, 1, "{}", answer.out);
    assert!(answer.err.contains("job.hbs:2") && answer.err.contains("for host web-2"), "{}", answer.err);
    assert!(!trace.exists());
    assert_eq!(fleet.ask(&["run", "-l", "web-1", "--script", &script, "--template"]).code, 0);
    assert_eq!(fs::read_to_string(&trace).unwrap(), "x\n");

    fs::write(&script, "echo \"{{host}}\"\n").unwrap();
    let answer = fleet.ask(&["run", "-l", "web", "--script", &script, "--template"]);
    assert!(answer.code == 1 && answer.err.contains("job.hbs:1"), "{}", answer.err);
    // A command has no file to be a template, and a value no template.
    assert_eq!(fleet.ask(&["run", "-l", "web", "--template", "--", "true"]).code, 64);
    assert_eq!(fleet.ask(&["run", "-l", "web", "--script", &script, "-e", "word=a"]).code, 64);
}
