//! Approving at a terminal: the plan and every wave, by yes, no, the end of the input and Ctrl-C, on a real pseudo-terminal.

use super::rig::{Stage, secondary_enis};
use crate::support::lab::User;

/// `typed NAME ARGUMENTS` begins an apply on a terminal of its own; `when TEXT KEYS` types when that text is there; `over` waits
/// for its end.
const SCRIPT: &str = r#"
    typed() {
        name=$1; shift
        rm -f "$KEPT/keys"; mkfifo "$KEPT/keys"
        env --default-signal=INT,QUIT script -qfec "\"$EGRESSCTL\" apply --progress never --limit 'web*:host*' $*" "$KEPT/$name.screen" <"$KEPT/keys" >/dev/null 2>&1 &
        typist=$!
        exec 9>"$KEPT/keys"
    }
    seen() { grep -Eq "$1" "$KEPT/$name.screen" 2>/dev/null; }
    when() {
        until seen "$1"; do kill -0 "$typist"; sleep 0.05; done
        sleep 0.1
        printf "$2" >&9
    }
    over() { code=0; wait "$typist" || code=$?; exec 9>&-; echo "$code" >"$KEPT/$name.rc"; }

    typed end; when 'Type yes: ' '\004'; over
    typed interrupt; when 'Type yes: ' '\003'; over
    typed word; when 'Type yes: ' 'y\n'; over
    world untouched
    waves='--waves 1,1,1,1,1 --approve each'
    typed first "$waves"; when 'Type yes: ' 'yes\n'; when 'Begin wave 2 of' 'yes\n'; when 'Begin wave 3 of' '\003'; over
    world first
    typed second "$waves"; when 'Type yes: ' 'yes\n'; when 'Begin wave 2 of' 'maybe\n'; when 'in full' 'no\n'; over
    world second
    typed third "$waves"; when 'Type yes: ' 'yes\n'; when 'Begin wave 2 of' '\004'
    run=$(sed -n 's/.*Begin wave 2 of run \([^?]*\)?.*/\1/p' "$KEPT/third.screen")
    keep approve eg approve "$run"
    over
    world third
"#;

#[test]
fn a_person_at_the_terminal_decides_about_the_plan_and_every_wave() {
    let stage = Stage::new(User::Same);
    stage.run(&["--hosts", "9", "--flavour", "rhel"], SCRIPT);
    let migrated = |tag: &str| {
        let state = stage.json(&format!("{tag}.state"));
        let number = |n: &u32| !secondary_enis(&state, &format!("i-lab000001{n:04}")).is_empty();
        [2, 3, 7, 8, 9].iter().filter(|n| number(n)).count()
    };
    let ended = |name: &str, code: &str, part: &str| {
        let screen = stage.read(&format!("{name}.screen"));
        assert_eq!(stage.read(&format!("{name}.rc")).trim(), code, "{name}\n{screen}");
        assert!(screen.contains(part), "{name}: no {part}\n{screen}");
    };
    ended("end", "1", "not confirmed; nothing was changed");
    ended("interrupt", "130", "Type yes: ");
    ended("word", "1", "not confirmed; nothing was changed");
    assert_eq!((stage.writes("untouched"), migrated("untouched")), (0, 0));
    ended("first", "130", "interrupted: finishing what is begun");
    assert_eq!(migrated("first"), 2);
    ended("second", "8", "Type yes or no in full");
    assert_eq!(migrated("second"), 3);
    ended("third", "0", "Begin wave 2 of run");
    stage.ended("approve", 0);
    assert_eq!(migrated("third"), 5);
}
