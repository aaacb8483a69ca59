//! Tests of `--limit` against a small fleet.

use super::*;
use crate::core::inventory::{Context, Desired, parse};

fn fleet() -> Desired {
    let mut text = String::from(
        "cloud: {region: r}\ndefaults: {verify: {echo: [http://e]}}\n\
         groups: {web: , db: , old: , canary: }\nhosts:\n",
    );
    let hosts = [
        ("web-1", "web, canary"),
        ("web-2", "web"),
        ("web-10", "web, old"),
        ("db-01", "db"),
        ("db-02", "db, old"),
        ("api", ""),
    ];
    for (index, (name, groups)) in hosts.iter().enumerate() {
        text += &format!("- {{name: {name}, instance: i-{index}, groups: [{groups}]}}\n");
    }
    parse("f", &text, &Context::default()).unwrap()
}

fn names(pattern: &str) -> String {
    match select(&fleet().hosts, pattern, &Lists::new()) {
        Ok(hosts) => hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn terms_add_keep_and_remove_in_that_order() {
    for (pattern, expected) in [
        ("all", "web-1 web-2 web-10 db-01 db-02 api"),
        ("*", "web-1 web-2 web-10 db-01 db-02 api"),
        ("db:web-1", "web-1 db-01 db-02"),
        ("api, web-2", "web-2 api"),
        ("web:&old", "web-10"),
        ("&old:web", "web-10"),
        ("!old:web", "web-1 web-2"),
        ("web:db:&old:!web-10", "db-02"),
        ("!web", "db-01 db-02 api"),
        ("&old", "web-10 db-02"),
        ("web-?", "web-1 web-2"),
        ("*b*:!*-1", "web-2 web-10 db-01 db-02"),
        ("[wa]*", "web-1 web-2 web-10 api"),
        ("can*", "web-1"),
    ] {
        assert_eq!(names(pattern), expected, "{pattern}");
    }
}

#[test]
fn subscripts_count_positions_or_name_hosts() {
    for (pattern, expected) in [
        ("web[0]", "web-1"),
        ("web[-1]", "web-10"),
        ("web[1:2]", "web-2 web-10"),
        ("web[1:]", "web-2 web-10"),
        ("all[0:1]", "web-1 web-2"),
        ("web-*[0:1]", "web-1 web-2"),
        ("web-[1:3]", "web-1 web-2"),
        ("web-[1:10]", "web-1 web-2 web-10"),
        ("db-[01:02]", "db-01 db-02"),
        ("all:!db-[01:99]", "web-1 web-2 web-10 api"),
    ] {
        assert_eq!(names(pattern), expected, "{pattern}");
    }
}

#[test]
fn a_term_that_matches_nothing_is_an_error_that_helps() {
    for (pattern, expected) in [
        ("wbe", "--limit: \"wbe\" matches no host and no group; did you mean web?"),
        ("all:!bd-01", "--limit: \"!bd-01\" matches no host and no group; did you mean db-01, db-02?"),
        (
            "zzzzzz",
            "--limit: \"zzzzzz\" matches no host and no group; expected a name of this inventory, all, or a glob",
        ),
        ("web[7]", "--limit: \"web[7]\" matches no host and no group; did you mean web?"),
        ("db-[1:2]", "--limit: \"db-[1:2]\" matches no host and no group; did you mean db, db-01, db-02?"),
        ("web:&db", "--limit: \"web:&db\" leaves no host; expected at least one"),
        (
            "",
            "--limit: \"\" cannot be read; expected a host, a group, all, a glob or a list such as @failed on each side of : and ,",
        ),
        (
            "web:",
            "--limit: \"\" cannot be read; expected a host, a group, all, a glob or a list such as @failed on each side of : and ,",
        ),
        ("x[3:1]", "--limit: \"x[3:1]\" cannot be read; expected a range whose end is not before its start"),
    ] {
        assert_eq!(names(pattern), expected, "{pattern}");
    }
    for pattern in ["@failed", "web:@hosts.txt", "~web.*", "!@failed"] {
        assert!(names(pattern).contains("is not supported"), "{pattern}");
    }
}

#[test]
fn where_nobody_will_do_a_name_is_not_misspelt_beside_others() {
    let known: Lists = [("failed".to_owned(), BTreeSet::new())].into();
    for (pattern, expected) in [
        ("nobody", Ok(0)),
        ("web:!web", Ok(0)),
        ("web:&nobody", Ok(0)),
        ("@failed", Ok(0)),
        ("web:!@failed", Ok(3)),
        ("web:@failed", Ok(3)),
        ("web:!nobody", Err("!nobody")),
        ("web:nobody", Err("nobody")),
        ("!nobody", Err("!nobody")),
    ] {
        let fleet = fleet();
        let found = select_any(&fleet.hosts, pattern, &known).map(|hosts| hosts.len());
        let expected = expected.map_err(str::to_owned);
        let found = found.map_err(|error| match error {
            SelectError::NoMatch { term, .. } => term,
            other => panic!("{other}"),
        });
        assert_eq!(found, expected, "{pattern}");
    }
}

#[test]
fn lists_stand_for_the_hosts_on_them() {
    let name = |text: &str| text.parse::<HostName>().unwrap();
    let known: Lists = [
        ("failed".to_owned(), [name("db-01"), name("web-2"), name("gone-7")].into()),
        ("./web:hosts".to_owned(), [name("web-1")].into()),
        ("unknown".to_owned(), [name("gone-7")].into()),
        ("skipped".to_owned(), BTreeSet::new()),
    ]
    .into();
    let names = |pattern: &str| match select(&fleet().hosts, pattern, &known) {
        Ok(hosts) => hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    };
    for (pattern, expected) in [
        ("@failed", "web-2 db-01"),
        ("web:!@failed", "web-1 web-10"),
        ("web:&@failed", "web-2"),
        ("@failed:api", "web-2 db-01 api"),
        ("@failed[0]", "web-2"),
        ("@skipped", "--limit: \"@skipped\" holds no host of this inventory; expected at least one"),
        ("!@unknown", "--limit: \"!@unknown\" holds no host of this inventory; expected at least one"),
        ("@failed[7]", "--limit: \"@failed[7]\" holds no host of this inventory; expected at least one"),
    ] {
        assert_eq!(names(pattern), expected, "{pattern}");
    }
    assert!(names("@").contains("cannot be read") && names("@nosuch").contains("is not supported"));
    let found = lists("web:&@failed,!@hosts.txt:@failed[0]").unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["failed", "hosts.txt"]);
}

proptest::proptest! {
    #[test]
    fn no_pattern_panics(pattern in "\\PC{0,20}", terms in "[a-z0-9:,!&@~*?\\[\\]-]{0,20}") {
        let fleet = fleet();
        let _ = select(&fleet.hosts, &pattern, &Lists::new());
        if let Ok(hosts) = select(&fleet.hosts, &terms, &Lists::new()) {
            proptest::prop_assert!(!hosts.is_empty());
        }
    }
}
