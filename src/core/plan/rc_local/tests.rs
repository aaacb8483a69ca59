//! The block in `rc.local` on the shapes that real files have.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const BLOCK: &str = "(\n  table='101'\n  address='172.16.0.20'\n) || true\n";
/// Whose block that is.
const OURS: Whose = Whose { table: 101, address: Some(Ipv4Addr::new(172, 16, 0, 20)) };
const SECOND: &str = "(\n  table='102'\n  address='172.16.0.30'\n) || true\n";
const OTHER: Whose = Whose { table: 102, address: Some(Ipv4Addr::new(172, 16, 0, 30)) };

fn file(content: &str) -> RcLocal {
    RcLocal {
        path: "/etc/rc.local".to_owned(),
        content: Some(content.to_owned()),
        mode: 0o755,
        obstacle: None,
    }
}

/// The file with the block, after checking that it is stable, and that taking the block out gives the old bytes.
fn edited(content: &str) -> String {
    let with = with_block(&file(content), BLOCK, OURS).unwrap_or_else(|error| panic!("{content:?}: {error}"));
    assert_eq!(with_block(&file(&with), BLOCK, OURS).unwrap(), with, "not stable: {content:?}");
    assert_eq!(without_block(&file(&with), OURS).unwrap(), content, "not reversible: {with:?}");
    with
}

/// What stands in front of the block.
fn before(content: &str) -> String {
    let with = edited(content);
    with[..with.find(BEGIN).unwrap()].to_owned()
}

/// Shapes of the file in the wild; the `§` stands where the block must come.
const SHAPES: [&str; 40] = [
    // Debian and Ubuntu, as shipped.
    "#!/bin/sh -e\n#\n# rc.local\n#\n# By default this script does nothing.\n\n§exit 0\n",
    // RHEL family, as shipped.
    "#!/bin/bash\n# THIS FILE IS ADDED FOR COMPATIBILITY PURPOSES\n\ntouch /var/lock/subsys/local\n§",
    "#!/bin/sh\n§",
    "#!/bin/sh\n§exit 0",
    "#!/bin/sh\n§exit\n",
    "#!/bin/sh\n§exit 0 # done\n",
    "#!/bin/sh\n§exit 0;\n",
    "#!/bin/sh\n§  exit 0\n",
    "#!/bin/sh\n§\texit 1\n",
    "#!/bin/sh\na\n§exit 0\nb\nexit 0\n",
    "#!/bin/sh\nif [ -f /x ]; then\nexit 0\nfi\na\n§exit 0\n",
    "#!/bin/sh\nif [ -f /x ]\nthen\n  exit 1\nelse\n  b\nfi\n§exit 0\n",
    "#!/bin/sh\n[ -x /usr/bin/foo ] || exit 0\nfoo\n§exit 0\n",
    "#!/bin/sh\n[ -x /usr/bin/foo ] ||\nexit 0\nfoo\n§exit 0\n",
    "#!/bin/sh\ntest -x /foo && \\\nexit 0\nfoo\n§",
    "#!/bin/sh\nf() {\nexit 1\n}\nf\n§exit 0\n",
    "#!/bin/bash\nfunction f {\nexit 1\n}\n§exit 0\n",
    "#!/bin/bash\nfunction f() { exit 1; }\n§exit 0\n",
    "#!/bin/sh\nfor i in 1 2; do\nexit 0\ndone\n§",
    "#!/bin/sh\nwhile true\ndo\n  sleep 1\n  exit 0\ndone &\n§exit 0\n",
    "#!/bin/sh\ncase \"$1\" in\nstart)\nexit 0\n;;\n*) echo x ;;\nesac\n§exit 0\n",
    "#!/bin/sh\ncase $x in (a) exit 0 ;; esac\n§exit 0\n",
    "#!/bin/sh\n(\nexit 1\n)\n§exit 0\n",
    "#!/bin/sh\n{\nexit 1\n} >/dev/null\n§",
    "#!/bin/sh\ncat >/etc/x <<EOF\nexit 0\nEOF\n§exit 0\n",
    "#!/bin/sh\ncat <<-'END' >/etc/x\n\texit 0\n\tEND\n§exit 0\n",
    "#!/bin/sh\ncat <<A <<\"B\"\nexit 0\nA\nexit 0\nB\n§exit 0\n",
    "#!/bin/sh\necho 'text\nexit 0\nmore'\n§exit 0\n",
    "#!/bin/sh\necho \"text\nexit 0\n\\\" more\"\n§exit 0\n",
    "#!/bin/sh\nx=`\nexit 0\n`\n§exit 0\n",
    "#!/bin/sh\n# don't exit 0 here (really {\necho done # if 'then\n§exit 0\n",
    "#!/bin/sh\nexec >/var/log/rc.log 2>&1\na\n§exit 0\n",
    "#!/bin/sh\nexec 2>/dev/null\n§exec /usr/bin/runsvdir /service\n",
    "#!/bin/sh\nx=${y#*/} z=\"${y%%if}\" n=$#\necho $((1 + (2))) $(echo \")\")\n§exit 0\n",
    "#!/bin/sh\necho if then done fi esac\necho -- exit\n§exit 0\n",
    "#!/bin/sh\nroute add -net 10.0.0.0/8 gw 10.0.0.1\nip route add default via 1.2.3.4 dev eth1 table 101\nip rule add from 1.2.3.5 lookup 101\n§",
    "#!/bin/sh\nnohup /opt/app/run.sh &\n§",
    "#! /usr/bin/env bash\na\n§",
    // The grammar cannot be followed: right below the first line, which is always reached.
    "#!/bin/sh\n§echo 'never closed\nexit 0\n",
    "#!/bin/sh\n§if true; then\nexit 0\n",
];

#[test]
fn the_block_goes_where_it_is_reached() {
    for shape in SHAPES {
        let (expected, _) = shape.split_once('§').unwrap();
        assert_eq!(before(&shape.replace('§', "")), expected, "{shape:?}");
    }
}

#[test]
fn a_missing_first_line_is_added_and_remembered() {
    for content in ["", "\n", "touch /x\n", "# comment\nexit 0\n", "touch /x", " #!/bin/sh\n"] {
        let with = edited(content);
        assert!(with.starts_with("#!/bin/sh\n"), "{content:?}");
    }
    let created = with_block(&RcLocal { content: None, mode: 0, ..file("") }, BLOCK, OURS).unwrap();
    assert!(created.starts_with("#!/bin/sh\n# BEGIN egressctl"));
    assert_eq!(without_block(&file(&created), OURS).unwrap(), "");
}

#[test]
fn a_missing_final_newline_is_remembered() {
    for content in ["#!/bin/sh", "#!/bin/sh\ntouch /x", "touch /x"] {
        assert!(edited(content).ends_with('\n'), "{content:?}");
    }
    let with = edited("#!/bin/sh\ntouch /x");
    assert_eq!(
        without_block(&file(&format!("{with}touch /y\n")), OURS).unwrap(),
        "#!/bin/sh\ntouch /x\ntouch /y\n"
    );
}

#[test]
fn an_old_block_is_replaced_in_place() {
    let old = with_block(&file("#!/bin/sh\na\nexit 0\n"), "  table='101'\nold\n", OURS).unwrap();
    let new = with_block(&file(&old.replace("a\n", "a\nb\n")), BLOCK, OURS).unwrap();
    assert_eq!(new, edited("#!/bin/sh\na\nb\nexit 0\n"));
    let appended = format!("{}c\n", edited("#!/bin/sh\na\n"));
    assert_eq!(with_block(&file(&appended), BLOCK, OURS).unwrap(), appended);
}

#[test]
fn a_block_that_became_unreachable_moves() {
    let dead = edited("#!/bin/sh\na\n").replacen("a\n", "a\nexit 0\n", 1);
    assert_eq!(with_block(&file(&dead), BLOCK, OURS).unwrap(), edited("#!/bin/sh\na\nexit 0\n"));
}

#[test]
fn what_cannot_be_edited_safely_is_refused() {
    let cases = [
        ("#!/bin/sh\r\nexit 0\r\n", "Windows"),
        ("#!/usr/bin/perl\n", "perl"),
        ("#!/usr/bin/env python3\n", "python3"),
        ("#!/bin/zsh\n", "zsh"),
        ("#!\n", "POSIX"),
        ("\u{feff}#!/bin/sh\n", "byte order mark"),
        ("#!/bin/sh\n\0", "NUL"),
        ("#!/bin/sh\n# BEGIN egressctl\n", "not one pair"),
        ("#!/bin/sh\n# END egressctl\n# BEGIN egressctl\n", "not one pair"),
        (
            "#!/bin/sh\n# BEGIN egressctl\n# END egressctl\n# BEGIN egressctl\n# END egressctl\n",
            "not one pair",
        ),
    ];
    for (content, words) in cases {
        let error = with_block(&file(content), BLOCK, OURS).expect_err(content);
        assert!(error.what.contains(words) && !error.fix.is_empty(), "{content:?}: {error}");
    }
    let blocked = RcLocal { obstacle: Some("it is immutable".to_owned()), ..file("") };
    assert!(with_block(&blocked, BLOCK, OURS).unwrap_err().what.contains("immutable"));
}

#[test]
fn what_needs_attention_is_found() {
    let target = RouteTarget {
        mac: None,
        address: Some("172.16.0.20".parse().unwrap()),
        gateway: "172.16.0.253".parse().unwrap(),
        primary_ip: "172.16.0.10".parse().unwrap(),
        table: 101,
        priority: 4101,
        owner: Some(crate::core::model::Owner::RcLocal),
        shim: false,
        form: Default::default(),
    };
    let text = "#!/bin/sh\nip -4 route add default via 172.16.0.253 dev eth1 table 101\n/sbin/ip rule\nip -4 rule add from 172.16.0.20/32 lookup 101\n# ip rule add from 172.16.0.20 lookup 101\nif x; then\nexit 1\nfi\nexit 0\n";
    let found = findings(&RcLocal { mode: 0o644, ..file(text) }, &target);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].what.contains("line 2") && found[1].what.contains("line 4"));
    assert!(found[2].what.contains("exit under a condition") && found[3].why.contains("begin to run"));
    let with = with_block(
        &file("#!/bin/sh\nexit 0\n"),
        "table='101'\nip rule add from 172.16.0.20 lookup 101\n",
        OURS,
    )
    .unwrap();
    assert!(findings(&file(&with), &target).is_empty(), "our own block is not a finding");
    assert!(findings(&RcLocal { mode: 0o644, ..file("#!/bin/sh -e\n# x\nexit 0\n") }, &target).is_empty());
}

/// Whatever goes in and comes out first, each block is its own table's, and the old bytes come back.
fn both(content: &str) {
    let first = edited(content);
    let both = with_block(&file(&first), SECOND, OTHER).unwrap();
    assert_eq!(tables(&both), [Some(101), Some(102)], "{both}");
    assert_eq!(with_block(&file(&both), SECOND, OTHER).unwrap(), both, "not stable: {content:?}");
    assert_eq!(with_block(&file(&both), BLOCK, OURS).unwrap(), both, "not stable: {content:?}");
    assert_eq!(without_block(&file(&both), OTHER).unwrap(), first, "{content:?}");
    let second = without_block(&file(&both), OURS).unwrap();
    assert_eq!(tables(&second), [Some(102)], "{second}");
    assert!(second.starts_with("#!"), "nobody would run it: {second}");
    assert_eq!(without_block(&file(&second), OTHER).unwrap(), content, "{second}");
}

#[test]
fn each_table_has_a_block_of_its_own() {
    for shape in SHAPES {
        both(&shape.replace('§', ""));
    }
    for content in ["", "touch /x", "touch /x\n", "#!/bin/sh\ntouch /x", "#!/bin/sh -e\na\nexit 0\n"] {
        both(content);
    }
    let with = with_block(&file("#!/bin/sh\nexit 0\n"), SECOND, OTHER).unwrap();
    assert_eq!(without_block(&file(&with), OURS).unwrap(), with, "somebody else's table");
}

#[test]
fn a_block_is_known_by_its_address_when_its_table_has_changed() {
    let old = edited("#!/bin/sh\nexit 0\n");
    let new = with_block(&file(&old), &BLOCK.replace("101", "107"), Whose { table: 107, ..OURS }).unwrap();
    assert_eq!(new, old.replace("101", "107"));
    // Lines that do not tell their table have it in their marks.
    let silent = with_block(&file("#!/bin/sh\n"), "true\n", OURS).unwrap();
    assert_eq!(tables(&silent), [Some(101)]);
    assert_eq!(tables(&with_block(&file(&silent), "true\n", OTHER).unwrap()), [Some(101), Some(102)]);
}

proptest! {
    #[test]
    fn in_and_out_gives_the_old_bytes(
        first in "(#!/bin/sh( -e)?\n|#!/bin/bash\n|#!/bin/sh)?",
        lines in prop::collection::vec("[ -~\t]{0,20}|exit 0|if x; then|fi|case a in|esac|cat <<EOF|EOF|f\\(\\) \\{|\\}|\\$\\(", 0..12),
        newline in any::<bool>(),
    ) {
        let text = format!("{first}{}{}", lines.join("\n"), if newline { "\n" } else { "" });
        if let Ok(with) = with_block(&file(&text), BLOCK, OURS) {
            prop_assert_eq!(without_block(&file(&with), OURS).unwrap(), text);
            prop_assert_eq!(with_block(&file(&with), BLOCK, OURS).unwrap(), with);
        }
    }
}
