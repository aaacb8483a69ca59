//! The table of `known_hosts` cases.

use super::*;
use Expected::{Authority, Changed, Known, Revoked, Unknown};
use proptest::prelude::*;

/// Keys made by ssh-keygen for these tests alone; `{A}` to `{R}` stand for them in the table.
const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOAiG4H6IDlQ2nhBOMDJnhBVgjY2eo8g1YzeKzOPxBgw";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFGj/MYph+JSB8ILHwCZTlxG3Pk8iQe1ZG0DFdcpMi17";
const E: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJufKm6zeIIjsc6YTJBk8ibxJobZ+Z5tNvXI3eiI/tqZbXCm9xn3mOAQgekZDiNRREgljkNiJfdeXhppP17sKx4=";
const R: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC2pCsABEXPtHzzxgek3aKNyKDuAzLHB+/VyR16segpt3HT/wdrNV0YgkkjB5BHwYF5Xm/J634d/GYgNBZ2KZicQe8yRsTI6EG74qe+T57UZbuZ8xI5w5iK0k2hQPUpiY+R0zVCCzH1RFSD+hz+1IEdPQAxGuSkVsWcZFXAwfFU1V6kJiakMn/TPU5oqCu/ZxTO/XeE0XfqxmsvKudT0Npo4almizQ5fJCVKFVgvVkp8TX2E1GFHadWX1jptpuX5jHRDd1TTsxkMhS5e7FJfR3NdsSMtzORbqSM/e8OR8Iay/m/u6NYJHpe1IxLpUo4K6Q40VH+Qg/6nZMo5FP4MdOP";
/// A type that nobody knows yet: still a key on record.
const D: &str = "ssh-future AAAACnNzaC1mdXR1cmUAAAABeA==";
/// A type that OpenSSH has given up.
const S: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBAK2EiWmFjugkC91vncmX0y1yc5g/GilR0Knkc7B/sfZdTTDVO6z3+oGkrDwj1/oKORaGSozUYvas5DqreDWx76dSnc3FGXlRXUiS+FmjrjmUL4oNjVgKKCvqSyaaInAH4rIrxzEfsC4eswP9FrgzBErQkJu413GT5Iq0lbgo9TrpAAAAFQDTk3ahRx8KyrX6DbaY5iMHXCDD/QAAAIEAlx2k5jmVUN051vPRC8SQh8WqFCGqsHAqEVZQbdLrIsJOS7pU3VKROoNGwiEnlgPZmEefWtCOaFPnoUmr/V545P6+YZ7XRt/owy/8kRYFEe+wX5isET5dgxwEEYkNsqCTZsdI0s4hlWkl5Y+R0fSN/rXQt0yUyZeU0n9tejed7pQAAACAaEjtNzS50smW5lGrbcaA2w0o68gESFxzUg31REpzBWwoOvCJIq/m6lFEfkQywEMVft5rwmrSiKgsj/Ihe46YVpcwp9QIEcRHGq2KTjLA0ZFWgn4iUaX++uzTX6dQxmU47c9q3XItMmRGYDSkkwtByJj87IfAe3t2uCAE0NjI/dQ=";
/// `web.example` and `[web.example]:2222`, hashed by `ssh-keygen -H`.
const H: &str = "|1|naFXDorQKkKVgJj6qvRRbdR1+TE=|Kl7noy6+rRvF1nRbFQuNrSH4NEA=";
const I: &str = "|1|4PBA3tHAAqx1U2i5K1JXl9nRFBU=|vNc+6UyQs8UWJTEfxYlofWeWcJI=";

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// Known by this line.
    Known(usize),
    Unknown,
    /// Unknown, but this line names an authority.
    Authority(usize),
    /// Changed; these lines hold other keys.
    Changed(&'static [usize]),
    Revoked(usize),
}

/// What is tried, the file, the names asked for, the key offered, the verdict.
type Case = (&'static str, &'static str, &'static [&'static str], &'static str, Expected);

const TABLE: &[Case] = &[
    ("an empty file", "", &["h"], A, Unknown),
    ("only comments", "# h {A}\n\n   # h {A}", &["h"], A, Unknown),
    ("the plain name", "h {A}", &["h"], A, Known(1)),
    ("no line end needed, line counted", "# x\n\nh {A}", &["h"], A, Known(3)),
    ("another name", "g {A}", &["h"], A, Unknown),
    ("a name that only begins alike", "host {A}", &["h"], A, Unknown),
    ("a name that only ends alike", "xh {A}", &["h"], A, Unknown),
    ("another key of the same type", "h {B}", &["h"], A, Changed(&[1])),
    ("a key of another type", "h {R}", &["h"], A, Changed(&[1])),
    ("keys of two types, one fits", "h {R}\nh {A}", &["h"], A, Known(2)),
    ("keys of two types, none fits", "h {R}\nh {E}", &["h"], A, Changed(&[1, 2])),
    ("two keys of one type, the second fits", "h {B}\nh {A}", &["h"], A, Known(2)),
    ("a type we cannot use is still on record", "h {D}", &["h"], A, Changed(&[1])),
    ("a type OpenSSH has given up is still on record", "h {S}", &["h"], A, Changed(&[1])),
    ("an ecdsa key", "h {E}", &["h"], E, Known(1)),
    ("an rsa key", "h {R}", &["h"], R, Known(1)),
    ("case of the name on file", "WEB.Example {A}", &["web.example"], A, Known(1)),
    ("case of the name asked for", "web.example {A}", &["WEB.example"], A, Known(1)),
    ("a comment behind the key", "h {A} root@h # x", &["h"], A, Known(1)),
    ("tabs and many spaces", "  h \t  {A} \t ", &["h"], A, Known(1)),
    ("a carriage return", "h {A}\r\ng {B}\r\n", &["g"], B, Known(2)),
    ("a list, first", "h,10.0.0.7 {A}", &["h"], A, Known(1)),
    ("a list, last", "h,10.0.0.7 {A}", &["10.0.0.7"], A, Known(1)),
    ("a list with empty parts", ",h,, {A}", &["h"], A, Known(1)),
    ("a port", "[h]:2222 {A}", &["[h]:2222"], A, Known(1)),
    ("another port", "[h]:2222 {A}", &["[h]:2223"], A, Unknown),
    ("a port does not speak for port 22", "[h]:2222 {A}", &["h"], A, Unknown),
    ("port 22 does not speak for a port", "h {A}", &["[h]:2222"], A, Unknown),
    ("brackets are no wildcard", "[hg] {A}", &["h"], A, Unknown),
    ("an IPv6 address", "fd00::7,[fd00::8]:2222 {A}", &["[fd00::8]:2222"], A, Known(1)),
    ("a star", "*.example {A}", &["web.example"], A, Known(1)),
    ("a star needs the rest", "*.example {A}", &["web.example.org"], A, Unknown),
    ("a star for everything", "* {A}", &["h"], A, Known(1)),
    ("a star for nothing", "h* {A}", &["h"], A, Known(1)),
    ("stars that need retries", "*a*b*c {A}", &["xaxbxaxbxc"], A, Known(1)),
    ("a question mark", "10.0.0.? {A}", &["10.0.0.7"], A, Known(1)),
    ("a question mark is exactly one", "10.0.0.? {A}", &["10.0.0.17"], A, Unknown),
    ("a wildcard with a port", "[*.example]:22?2 {A}", &["[web.example]:2222"], A, Known(1)),
    ("negation", "*.example,!web.example {A}", &["web.example"], A, Unknown),
    ("negation first", "!web.example,*.example {A}", &["web.example"], A, Unknown),
    ("negation of another", "*.example,!db.example {A}", &["web.example"], A, Known(1)),
    ("negation alone means nobody", "!db.example {A}", &["web.example"], A, Unknown),
    ("a negated line does not hide the next", "*,!h {B}\nh {A}", &["h"], A, Known(2)),
    ("a hashed name", "{H} {A}", &["web.example"], A, Known(1)),
    ("a hashed name, in capitals", "{H} {A}", &["WEB.example"], A, Known(1)),
    ("a hashed name of another", "{H} {A}", &["db.example"], A, Unknown),
    ("a hashed name, key changed", "{H} {B}", &["web.example"], A, Changed(&[1])),
    ("a hashed name with a port", "{I} {A}", &["[web.example]:2222"], A, Known(1)),
    ("a hashed name with a port, asked without", "{I} {A}", &["web.example"], A, Unknown),
    ("hashed names do not come in lists", "{H},h {A}", &["h"], A, Unknown),
    ("revoked", "@revoked h {A}", &["h"], A, Revoked(1)),
    ("revoked beats listed before", "h {A}\n@revoked h {A}", &["h"], A, Revoked(2)),
    ("revoked beats listed after", "@revoked h {A}\nh {A}", &["h"], A, Revoked(1)),
    ("revoked for everybody", "h {A}\n@revoked * {A}", &["h"], A, Revoked(2)),
    ("revoked for another host", "h {A}\n@revoked g {A}", &["h"], A, Known(1)),
    ("another key is revoked", "h {A}\n@revoked h {B}", &["h"], A, Known(1)),
    ("a revoked key is no key on record", "@revoked h {B}", &["h"], A, Unknown),
    ("revoked under a less specific name", "h {A}\n@revoked 10.0.0.7 {A}", &["h", "10.0.0.7"], A, Revoked(2)),
    ("revoked with a hashed name", "h {A}\n@revoked {H} {A}", &["h", "web.example"], A, Revoked(2)),
    ("an authority vouches for no plain key", "@cert-authority * {A}", &["h"], A, Authority(1)),
    ("an authority beside the key", "@cert-authority * {B}\nh {A}", &["h"], A, Known(2)),
    ("an authority is no changed key", "@cert-authority * {B}", &["h"], A, Authority(1)),
    ("an authority for others", "@cert-authority *.example {B}", &["h"], A, Unknown),
    ("the first name decides: known", "h {A}\n10.0.0.7 {B}", &["h", "10.0.0.7"], A, Known(1)),
    ("the first name decides: changed", "h {B}\n10.0.0.7 {A}", &["h", "10.0.0.7"], A, Changed(&[1])),
    ("a name without records does not decide", "10.0.0.7 {A}", &["h", "10.0.0.7"], A, Known(1)),
    ("malformed: no key", "h\nh {A}", &["h"], A, Known(2)),
    ("malformed: no base64", "h ssh-ed25519 !!!\nh {A}", &["h"], A, Known(2)),
    ("malformed: base64 cut short", "h ssh-ed25519 AAAAC3Nz\nh {A}", &["h"], A, Known(2)),
    (
        "malformed: a type that is not the key's",
        "h ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOAiG4H6IDlQ2nhBOMDJnhBVgjY2eo8g1YzeKzOPxBgw",
        &["h"],
        A,
        Unknown,
    ),
    ("malformed: unknown marker", "@trusted h {A}", &["h"], A, Unknown),
    ("malformed: two markers", "@revoked @revoked h {A}\nh {A}", &["h"], A, Known(2)),
    ("malformed: protocol 1", "h 1024 35 1234567\nh {A}", &["h"], A, Known(2)),
    ("malformed: hash of another kind", "|2|aaaa|bbbb {B}\nh {A}", &["h"], A, Known(2)),
    ("malformed: hash cut short", "|1|naFXDorQKkKVgJj6qvRRbdR1+TE= {A}", &["web.example"], A, Unknown),
    ("malformed: negated nothing", "!,h {A}", &["h"], A, Unknown),
    ("the key first is no record", "{A} h", &["h"], A, Unknown),
    ("a line without a name", " {A}", &["ssh-ed25519"], A, Unknown),
];

fn blob(key: &str) -> KeyBlob {
    let (algorithm, base64) = key.split_once(' ').unwrap();
    KeyBlob::parse(algorithm, base64).unwrap()
}

fn filled(text: &str) -> String {
    let keys =
        [("{A}", A), ("{B}", B), ("{D}", D), ("{S}", S), ("{E}", E), ("{R}", R), ("{H}", H), ("{I}", I)];
    keys.into_iter().fold(text.to_owned(), |text, (mark, key)| text.replace(mark, key))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().copied().map(str::to_owned).collect()
}

#[test]
fn every_case_gets_its_verdict() {
    for (what, text, asked, offered, expected) in TABLE {
        let files = [Arc::new(KnownHosts::parse("kh", &filled(text)))];
        let verdict = match judge(&files, &names(asked), &blob(offered)) {
            Verdict::Known(place) => (Some(place.line), vec![]),
            Verdict::Changed { recorded } => (None, recorded.iter().map(|r| r.place.line).collect()),
            Verdict::Revoked(place) => {
                assert_eq!(*expected, Revoked(place.line), "{what}");
                continue;
            }
            Verdict::Unknown { authority } => {
                assert_eq!(*expected, authority.map_or(Unknown, |place| Authority(place.line)), "{what}");
                continue;
            }
        };
        match expected {
            Known(line) => assert_eq!(verdict, (Some(*line), vec![]), "{what}"),
            Changed(lines) => assert_eq!(verdict, (None, lines.to_vec()), "{what}"),
            other => panic!("{what}: expected {other:?}, got {verdict:?}"),
        }
    }
    assert!(TABLE.len() >= 40);
}

/// `ssh-keygen -F` prints the lines that are about a name, and exits with 1 if there is none. Asked for every row
/// with one name.
#[test]
fn the_lines_for_a_name_are_those_that_ssh_keygen_finds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    let mut asked_for = 0;
    for (what, text, asked, _, _) in TABLE {
        let [name] = asked else { continue };
        let text = filled(text);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        let mut keygen = std::process::Command::new("ssh-keygen");
        // In small letters, as ssh itself asks.
        let output = keygen.args(["-F", &name.to_lowercase(), "-f"]).arg(&path).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        let mut theirs: Vec<usize> = found
            .lines()
            .filter_map(|line| line.strip_prefix("# Host ")?.rsplit_once("found: line ")?.1.split(' ').next())
            .map(|number| number.parse().unwrap())
            .collect();
        let file = [Arc::new(KnownHosts::parse("kh", &text))];
        let ours = Findings::look_up(&file, &[(*name).to_owned()]);
        let all = ours.recorded.iter().chain(&ours.revoked).chain(&ours.authorities);
        let mut ours: Vec<usize> = all.map(|record| record.place.line).collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        // It prints lines whose key it cannot read as well. To us a type that nobody knows is still a key on record.
        if what.starts_with("malformed") || text.contains("ssh-future") || text.contains("ssh-dss") {
            continue;
        }
        assert_eq!(ours, theirs, "{what}: {}", String::from_utf8_lossy(&output.stderr));
        asked_for += 1;
    }
    assert!(asked_for >= 40, "{asked_for}");
}

#[test]
fn malformed_lines_are_named_and_hide_nothing() {
    let text = filled("h\n@x h {A}\n|1|a|b {A}\nh {A}\n!, {A}\nh ssh-ed25519 ???");
    let file = KnownHosts::parse("/etc/kh", &text);
    let lines: Vec<_> = file.malformed().iter().map(|m| m.split(" line").next().unwrap()).collect();
    assert_eq!(lines, ["/etc/kh:1:", "/etc/kh:2:", "/etc/kh:3:", "/etc/kh:5:", "/etc/kh:6:"]);
    assert!(matches!(judge(&[Arc::new(file)], &names(&["h"]), &blob(A)), Verdict::Known(p) if p.line == 4));
}

#[test]
fn all_files_count() {
    let file = |name, text| Arc::new(KnownHosts::parse(name, &filled(text)));
    let (one, two) = (file("one", "h {A}"), file("two", "@revoked h {A}\nh {B}"));
    let asked = names(&["h"]);
    assert!(
        matches!(judge(&[Arc::clone(&one), Arc::clone(&two)], &asked, &blob(A)), Verdict::Revoked(p) if p.file == "two")
    );
    assert!(matches!(judge(&[one, two], &asked, &blob(B)), Verdict::Known(p) if p.file == "two"));
}

#[test]
fn names_are_looked_up_as_openssh_does() {
    assert_eq!(lookup_name("h", 22), "h");
    assert_eq!(lookup_name("h", 2222), "[h]:2222");
    assert_eq!(lookup_name("fd00::7", 22), "fd00::7");
    assert_eq!(lookup_name("fd00::7", 2222), "[fd00::7]:2222");
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    assert_eq!(blob(A).fingerprint(), FINGERPRINT_OF_A);
    assert_eq!(blob(A).openssh(), A);
}

const FINGERPRINT_OF_A: &str = "SHA256:VKXMihlkRr+AUetZ7ctBueAElV1WHlAovQWAhUD0o1I";

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_trust(text in any::<String>(), name in "[a-z.]{1,20}") {
        let file = [Arc::new(KnownHosts::parse("kh", &text))];
        prop_assert_eq!(judge(&file, &[name], &blob(A)), Verdict::Unknown { authority: None });
    }
}
