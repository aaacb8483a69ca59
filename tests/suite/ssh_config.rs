//! Every case of `tests/ssh_config` read by us and by OpenSSH's own client (`ssh -G`), which is the referee.
//!
//! A case is a folder: `config` (and `*.conf` for it to include; `{DIR}` is the folder), and `ask`, whose lines are what to
//! put on the command line of ssh. Where OpenSSH refuses a file, so must we.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use egressctl::core::ssh_config::{
    AlgorithmList, Included, JumpSpec, Proxy, Query, Resolved, SshConfig, Strictness, Tokens, resolve,
};

fn ssh(args: &[&str]) -> Output {
    let mut command = Command::new("ssh");
    command.args(args).stdin(Stdio::null());
    command.output().expect("ssh is needed (apt-get install openssh-client)")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What `ssh -G` prints, by keyword; `None` if it refuses.
fn referee(args: &[&str]) -> Option<BTreeMap<String, Vec<String>>> {
    let output = ssh(&[&["-G"], args].concat());
    if !output.status.success() {
        return None;
    }
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text(&output.stdout).lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        all.entry(keyword.to_owned()).or_default().push(value.to_owned());
    }
    Some(all)
}

/// The identity files that ssh would read, with their tokens replaced. Nothing is connected to.
fn identity_files(args: &[&str]) -> Vec<String> {
    let output = ssh(&[&["-v", "-o", "ProxyCommand=false", "-o", "BatchMode=yes"], args].concat());
    let said = text(&output.stderr);
    let files = said.lines().filter_map(|line| line.strip_prefix("debug1: identity file "));
    let files = files.filter_map(|line| line.split(" type ").next()).map(str::to_owned);
    // For every key ssh also looks for a certificate beside it.
    files.filter(|file| !file.ends_with("-cert")).collect()
}

fn include(pattern: &str) -> Result<Vec<Included>, String> {
    let (folder, glob) = pattern.rsplit_once('/').unwrap();
    let (begin, end) = glob.split_once('*').unwrap_or((glob, ""));
    let mut names: Vec<String> = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            if glob.contains('*') { name.starts_with(begin) && name.ends_with(end) } else { name == glob }
        })
        .collect();
    names.sort();
    let read = |name: String| {
        let file = format!("{folder}/{name}");
        Included { text: fs::read_to_string(&file).unwrap(), file }
    };
    Ok(names.into_iter().map(read).collect())
}

fn ours(config: &Path, args: &[&str], me: &Me) -> Result<Resolved, String> {
    let (mut options, mut rest) = (SshConfig::default(), args.iter());
    let mut query = Query { default_user: me.user.clone(), local_user: me.user.clone(), ..Query::default() };
    query.tokens = Tokens { home: me.home.clone(), ..Tokens::default() };
    while let Some(arg) = rest.next() {
        let mut value = || *rest.next().unwrap();
        match *arg {
            "-o" => {
                let option = SshConfig::option("-o", value()).map_err(|error| error.to_string())?;
                options = options.then(option);
            }
            "-l" => query.user = Some(value().to_owned()),
            "-p" => query.port = Some(value().parse().unwrap()),
            name => query.name = name.to_owned(),
        }
    }
    let name = config.display().to_string();
    let file = SshConfig::parse(&name, &fs::read_to_string(config).unwrap(), &mut include);
    let file = file.map_err(|mistakes| mistakes[0].to_string())?;
    resolve(&options.then(file), &query).map_err(|error| error.to_string())
}

struct Me {
    user: String,
    home: String,
}

fn shown(chain: &[JumpSpec]) -> String {
    let one = |jump: &JumpSpec| {
        let user = jump.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let host = if jump.host.contains(':') { format!("[{}]", jump.host) } else { jump.host.clone() };
        let port = jump.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{user}{host}{port}")
    };
    chain.iter().map(one).collect::<Vec<_>>().join(",")
}

/// What we found in the words of `ssh -G`; what is not set is absent.
fn in_its_words(found: &Resolved, usual: &BTreeMap<String, Vec<String>>) -> BTreeMap<&'static str, String> {
    let settings = &found.settings;
    let mut words = BTreeMap::new();
    let mut put = |keyword, value: Option<String>| {
        words.extend(value.map(|value| (keyword, value)));
    };
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let files = |files: &Vec<String>| if files.is_empty() { "none".to_owned() } else { files.join(" ") };
    let seconds = |time: std::time::Duration| time.as_secs().to_string();
    put("hostname", found.host.clone());
    put("user", settings.user.clone());
    put("port", settings.port.map(|port| port.to_string()));
    put("identitiesonly", settings.identities_only.map(yes));
    put("identityagent", found.identity_agent.clone().map(|agent| agent.unwrap_or("none".to_owned())));
    put("hostkeyalias", settings.host_key_alias.clone());
    put("hashknownhosts", settings.hash_known_hosts.map(yes));
    put("userknownhostsfile", found.user_known_hosts.as_ref().map(files));
    put("globalknownhostsfile", found.global_known_hosts.as_ref().map(files));
    put("serveraliveinterval", settings.alive_interval.map(seconds));
    put("serveralivecountmax", settings.alive_count.map(|count| count.to_string()));
    put("connecttimeout", settings.connect_timeout.map(|time| time.map_or("none".to_owned(), seconds)));
    put(
        "stricthostkeychecking",
        settings.strictness.as_ref().map(|strictness| match strictness {
            Strictness::Strict => "strict".to_owned(),
            Strictness::AcceptNew => "accept-new".to_owned(),
            Strictness::Off(_) => "false".to_owned(),
        }),
    );
    put(
        "proxyjump",
        settings.proxy.as_ref().and_then(|proxy| match proxy {
            Proxy::Jumps(chain) if !chain.is_empty() => Some(shown(chain)),
            Proxy::Jumps(_) | Proxy::Command(_) => None,
        }),
    );
    for (keyword, query, list) in [
        ("ciphers", "cipher", &settings.ciphers),
        ("macs", "mac", &settings.macs),
        ("kexalgorithms", "kex", &settings.kex_algorithms),
        ("hostkeyalgorithms", "HostKeyAlgorithms", &settings.host_key_algorithms),
    ] {
        let all = text(&ssh(&["-Q", query]).stdout);
        let all: Vec<&str> = all.lines().collect();
        let usual: Vec<&str> = usual[keyword][0].split(',').collect();
        let chosen = |list: &AlgorithmList| list.choose(&usual, &all).join(",");
        put(keyword, list.as_ref().map(chosen));
    }
    words
}

fn strict_is_ask(value: &str) -> &str {
    // Nobody is asked here, and `yes` is printed as true.
    if ["true", "ask", "yes"].contains(&value) { "strict" } else { value }
}

fn check(case: &Path, args: &str, me: &Me) {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(case).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap().replace("{DIR}", &folder.path().display().to_string());
        fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let what = format!("{} {args}", case.file_name().unwrap().to_str().unwrap());
    let config = folder.path().join("config");
    let args: Vec<&str> = args.split(' ').collect();
    let with = |file: &str| {
        [&["-F", file][..], &args].concat().iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    };
    let (with_config, without) = (with(config.to_str().unwrap()), with("none"));
    let with_config: Vec<&str> = with_config.iter().map(String::as_str).collect();
    let without: Vec<&str> = without.iter().map(String::as_str).collect();
    let found = ours(&config, &args, me);
    let Some(expected) = referee(&with_config) else {
        assert!(what.starts_with("refused-"), "{what}: OpenSSH refuses this case");
        found.expect_err(&what);
        return;
    };
    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
    let usual = referee(&without).unwrap();
    let words = in_its_words(&found, &usual);
    for keyword in [
        "hostname",
        "user",
        "port",
        "identitiesonly",
        "identityagent",
        "hostkeyalias",
        "hashknownhosts",
        "userknownhostsfile",
        "globalknownhostsfile",
        "serveraliveinterval",
        "serveralivecountmax",
        "connecttimeout",
        "stricthostkeychecking",
        "proxyjump",
        "ciphers",
        "macs",
        "kexalgorithms",
        "hostkeyalgorithms",
    ] {
        let said = expected.get(keyword).or(usual.get(keyword)).map(|values| values[0].as_str());
        let unset = usual.get(keyword).map(|values| values[0].as_str());
        let own = words.get(keyword).map(String::as_str).or(unset);
        assert_eq!(own.map(strict_is_ask), said.map(strict_is_ask), "{what}: {keyword}");
    }
    match &found.identity_files {
        Some(files) => assert_eq!(*files, identity_files(&with_config), "{what}: identity files"),
        None => assert_eq!(expected["identityfile"], usual["identityfile"], "{what}: identity files"),
    }
    let certificates = expected.get("certificatefile").map_or(0, Vec::len);
    assert_eq!(found.certificate_files.len(), certificates, "{what}: certificates");
}

#[test]
fn every_case_comes_to_what_openssh_makes_of_it() {
    let user = text(&Command::new("id").arg("-un").output().unwrap().stdout).trim().to_owned();
    let entry = text(&Command::new("getent").args(["passwd", &user]).output().unwrap().stdout);
    let me = Me { home: entry.split(':').nth(5).expect("a home directory").to_owned(), user };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ssh_config");
    let mut asked = 0;
    for entry in fs::read_dir(root).unwrap() {
        let case = entry.unwrap().path();
        for args in fs::read_to_string(case.join("ask")).unwrap().lines() {
            check(&case, args, &me);
            asked += 1;
        }
    }
    assert!(asked > 80, "only {asked} questions");
}
