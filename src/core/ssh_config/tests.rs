//! What `ssh -G` cannot be asked: expansions, notes, mistakes, and files within files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn query(name: &str) -> Query {
    Query {
        name: name.to_owned(),
        default_user: "root".to_owned(),
        local_user: "ann".to_owned(),
        tokens: Tokens {
            home: "/home/ann".to_owned(),
            environment: BTreeMap::from([("SSH_AUTH_SOCK".to_owned(), "/run/agent".to_owned())]),
            ..Tokens::default()
        },
        ..Query::default()
    }
}

fn parsed(text: &str) -> SshConfig {
    SshConfig::parse("config", text, &mut |pattern| {
        let text = match pattern {
            "deeper" => "Include deeper",
            "port" => "Port 2222\nHost web\nUser web\nHost *",
            "refused" => return Err("it cannot be read".to_owned()),
            _ => return Ok(Vec::new()),
        };
        Ok(vec![Included { file: pattern.to_owned(), text: text.to_owned() }])
    })
    .unwrap_or_else(|mistakes| panic!("{}", mistakes[0]))
}

fn resolved(text: &str, name: &str) -> Resolved {
    resolve(&parsed(text), &query(name)).unwrap()
}

fn mistakes(text: &str) -> Vec<String> {
    let none = &mut |_: &str| Err("it cannot be read".to_owned());
    SshConfig::parse("config", text, none).unwrap_err().iter().map(ToString::to_string).collect()
}

fn notes(resolved: &Resolved) -> Vec<String> {
    resolved.notes.iter().map(|note| format!("{} {}", note.what, note.place.line)).collect()
}

#[test]
fn paths_are_expanded_with_what_holds_in_the_end() {
    let text = "IdentityFile ~/.ssh/%r@%h:%p\nCertificateFile %d/%n-cert.pub\nUserKnownHostsFile /kh/%k ~/kh\n\
                HostName %h.example\nUser deploy\nPort 2222\nHostKeyAlias alias\nIdentityAgent $SSH_AUTH_SOCK";
    let found = resolved(text, "web");
    assert_eq!(found.host.as_deref(), Some("web.example"));
    assert_eq!(found.identity_files, Some(vec!["/home/ann/.ssh/deploy@web.example:2222".to_owned()]));
    assert_eq!(found.certificate_files, ["/home/ann/web-cert.pub"]);
    assert_eq!(found.user_known_hosts, Some(vec!["/kh/alias".to_owned(), "/home/ann/kh".to_owned()]));
    assert_eq!(found.identity_agent, Some(Some("/run/agent".to_owned())));
    let none = resolved("IdentityFile none\nIdentityAgent none\nUserKnownHostsFile none", "web");
    assert_eq!(none.identity_files, Some(vec![]));
    assert_eq!(none.identity_agent, Some(None));
    assert_eq!(none.user_known_hosts, Some(vec![]));
    assert_eq!(resolved("", "web"), Resolved::default());
}

#[test]
fn what_is_settled_already_wins_and_is_seen_by_conditions() {
    let config = parsed(
        "HostName other\nPort 1\nMatch user deploy host 10.0.0.*\nHostKeyAlias seen\nIdentityFile /%h/%r/%p",
    );
    let query = Query {
        host: Some("10.0.0.7".to_owned()),
        user: Some("deploy".to_owned()),
        port: Some(2222),
        ..query("web")
    };
    let found = resolve(&config, &query).unwrap();
    assert_eq!(found.host.as_deref(), Some("10.0.0.7"));
    assert_eq!(found.settings.host_key_alias.as_deref(), Some("seen"));
    assert_eq!(found.identity_files, Some(vec!["/10.0.0.7/deploy/2222".to_owned()]));
}

#[test]
fn what_is_not_obeyed_is_told_where_it_applies() {
    let text = "Host web\nForwardAgent yes\nControlMaster auto\nProxyCommand nc %h %p\nStrictHostKeyChecking no\nSendEnv LANG\n\
                ForwardX11 yes\nCheckHostIP no\nControlPath none\nHost db\nLocalForward 1 a:2\nMatch exec \"touch /tmp/x\"\nPort 1";
    let found = resolved(text, "web");
    assert_eq!(
        notes(&found),
        [
            "ControlMaster 3",
            "ForwardAgent 2",
            "Match exec 12",
            "ProxyCommand 4",
            "StrictHostKeyChecking no 5"
        ]
    );
    assert_eq!(found.settings.port, None, "Match exec never applies");
    assert_eq!(notes(&resolved(text, "db")), ["LocalForward 11", "Match exec 12"]);
    assert_eq!(notes(&resolved("Match !exec true\nPort 1", "db")), ["Match exec 1"]);
    assert_eq!(resolved("Match !exec true\nPort 1", "db").settings.port, None);
    let proxy = resolved("ProxyJump a\nProxyCommand nc", "web");
    assert!(notes(&proxy).is_empty() && matches!(proxy.settings.proxy, Some(Proxy::Jumps(_))));
}

#[test]
fn what_would_be_less_safe_left_out_is_an_error_where_it_applies() {
    let config = parsed("Host web\nRevokedHostKeys /etc/revoked");
    let error = resolve(&config, &query("web")).unwrap_err().to_string();
    assert_eq!(
        error,
        "config:2: RevokedHostKeys is not supported, and leaving it out would not be safe; remove it here"
    );
    assert!(resolve(&config, &query("db")).is_ok());
}

#[test]
fn files_within_files_keep_the_conditions_around_them() {
    let found = resolved("Host web\nInclude port none\nHostKeyAlias still", "web");
    assert_eq!((found.settings.port, found.settings.user.as_deref()), (Some(2222), Some("web")));
    assert_eq!(found.settings.host_key_alias.as_deref(), Some("still"), "a block ends with its file");
    assert_eq!(resolved("Host db\nInclude port\nHost *\nPort 3", "web").settings.port, Some(3));
}

#[test]
fn mistakes_say_where_and_how_to_mend_them() {
    for (text, expected) in [
        ("\nPrt 22", "config:2: there is no keyword \"Prt\"; did you mean Port?"),
        (
            "Zzyzx 22",
            "config:1: there is no keyword \"Zzyzx\"; see ssh_config(5), or name it in IgnoreUnknown",
        ),
        ("Port", "config:1: Port has no value"),
        ("Port \"\"", "config:1: Port has no value"),
        ("Port 1 2", "config:1: Port has more than one value; put a value with spaces into quotes"),
        ("Port 0", "config:1: Port is \"0\"; expected a port from 1 to 65535"),
        ("Host web\nUser -x", "config:2: User is \"-x\"; expected a login name"),
        ("IdentityFile \"x", "config:1: a quote is not closed"),
        ("IdentityFile /%C", "config:1: IdentityFile: %C is not supported here; write %% for a percent sign"),
        ("HostName %n", "config:1: HostName: %n is not supported here; write %% for a percent sign"),
        (
            "StrictHostKeyChecking maybe",
            "config:1: StrictHostKeyChecking is \"maybe\"; expected yes, ask or accept-new",
        ),
        ("Match exec", "config:1: Match exec needs a value"),
        ("Match all user x", "config:1: Match all stands alone, or after final or canonical"),
        ("Match", "config:1: Match has no value"),
        ("Include refused", "config:1: it cannot be read"),
        (
            "Ciphers +",
            "config:1: Ciphers is \"+\"; expected names separated by commas, or such a list behind +, - or ^",
        ),
        ("Port \u{1b}[31m", "config:1: Port is \"\\u{1b}[31m\"; expected a port from 1 to 65535"),
    ] {
        assert_eq!(mistakes(text), [expected], "{text:?}");
    }
    assert_eq!(mistakes("Port 0\nPort 1\nPrt 2").len(), 2, "all of them");
    assert!(mistakes("Match foo x")[0].contains("no criterion \"foo\""));
    let error = SshConfig::parse("config", "Include deeper", &mut |pattern| {
        Ok(vec![Included { file: "deeper".to_owned(), text: format!("Include {pattern}") }])
    });
    assert_eq!(
        error.unwrap_err()[0].message,
        "Include goes deeper than 16 files; do files include each other?"
    );
}

#[test]
fn unknown_keywords_can_be_ignored() {
    let found = resolved("IgnoreUnknown Use*,My?\nUseFoo yes\nMyX 1\nPort 5", "web");
    assert_eq!(found.settings.port, Some(5));
    assert_eq!(mistakes("IgnoreUnknown Use*\nMyX 1").len(), 1);
}

#[test]
fn options_of_a_command_line_come_first() {
    let option = |text| SshConfig::option("-o", text);
    let config = option("Port=1")
        .unwrap()
        .then(option("User ann").unwrap())
        .then(parsed("Port 2\nUser bob\nHostName x"));
    let found = resolve(&config, &query("web")).unwrap();
    assert_eq!((found.settings.port, found.settings.user.as_deref()), (Some(1), Some("ann")));
    assert_eq!(found.host.as_deref(), Some("x"));
    assert!(option("Include x").is_err() && option("Nonsense=1").is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), name in any::<String>()) {
        if let Ok(config) = SshConfig::parse("config", &text, &mut |_| Ok(Vec::new())) {
            let _ = resolve(&config, &query(&name));
        }
    }

    #[test]
    fn lines_made_of_its_own_words_make_no_panic(
        lines in proptest::collection::vec((
            proptest::sample::select(vec!["Host", "Match", "Include", "Port", "User", "HostName", "IdentityFile", "ProxyJump", "Ciphers"]),
            proptest::collection::vec(proptest::sample::select(vec!["*", "!a", "a", "final", "all", "host", "22", "%h", "${X}", "~", "\"", "a,b", "="]), 0..4),
        ), 0..9),
        name in "[a-c]{1,3}",
    ) {
        let text: String = lines.iter().map(|(k, v)| format!("{k} {}\n", v.join(" "))).collect();
        if let Ok(config) = SshConfig::parse("config", &text, &mut |_| Ok(Vec::new())) {
            let _ = resolve(&config, &query(&name));
        }
    }
}
