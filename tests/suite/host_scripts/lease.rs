//! The lease script: one holder at a time, whoever races for it, under three shells; and nothing is left behind.

use std::fmt::Write as _;

use egressctl::core::observed::lease::{LeaseEnd, LeaseReport, parse_lease};
use egressctl::core::template::{LeaseParams, LeaseVerb};

use super::host::{Host, SHELLS, templates};
use super::on_every_shell;

fn host(shell: &'static [&'static str]) -> Host {
    let host = Host::new(shell);
    host.ok("mount -t tmpfs -o mode=755 run /run");
    host
}

fn script(verb: LeaseVerb, who: usize, seconds: u32) -> String {
    let (run, owner) = (format!("run-{who}").parse().unwrap(), format!("op{who}@bastion").parse().unwrap());
    let nonce = format!("{who:016x}");
    let params = LeaseParams { verb, run: &run, owner: &owner, nonce: &nonce, seconds };
    templates().lease_script(&params).unwrap()
}

fn run(host: &Host, script: &str) -> LeaseReport {
    let output = host.run(script);
    parse_lease(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"))
}

fn nothing_is_left(host: &Host) {
    assert_eq!(host.ok("find /run -mindepth 1"), "", "{:?}", host.shell);
}

#[test]
fn it_is_taken_renewed_shown_and_given_back_without_a_trace() {
    on_every_shell(|shell| {
        let host = host(shell);
        let does = |verb, who| run(&host, &script(verb, who, 600));
        assert_eq!(does(LeaseVerb::Show, 1).end, LeaseEnd::Free);
        nothing_is_left(&host);
        let taken = does(LeaseVerb::Acquire, 1);
        assert_eq!((taken.end, taken.holder), (LeaseEnd::Taken, None), "{shell:?}");
        let refused = does(LeaseVerb::Acquire, 2);
        assert_eq!(refused.end, LeaseEnd::Held);
        let holder = refused.holder.unwrap();
        assert_eq!((holder.run.as_str(), holder.owner.as_str()), ("run-1", "op1@bastion"));
        assert!((590..=600).contains(&holder.left) && holder.nonce.ends_with('1'), "{holder:?}");
        assert_eq!(does(LeaseVerb::Renew, 1).end, LeaseEnd::Renewed);
        assert_eq!(does(LeaseVerb::Renew, 2).end, LeaseEnd::Lost);
        assert_eq!(does(LeaseVerb::Release, 2).end, LeaseEnd::Lost, "only by its own nonce");
        let shown = does(LeaseVerb::Show, 2);
        assert_eq!((shown.end, shown.holder.unwrap().run.as_str()), (LeaseEnd::Held, "run-1"));
        assert_eq!(does(LeaseVerb::Release, 1).end, LeaseEnd::Released);
        assert_eq!(does(LeaseVerb::Release, 1).end, LeaseEnd::Released, "safe to repeat");
        assert_eq!(does(LeaseVerb::Renew, 1).end, LeaseEnd::Lost);
        nothing_is_left(&host);
    });
}

#[test]
fn an_expired_one_and_one_of_the_same_run_are_taken_over() {
    on_every_shell(|shell| {
        let host = host(shell);
        assert_eq!(run(&host, &script(LeaseVerb::Acquire, 1, 0)).end, LeaseEnd::Taken);
        let shown = run(&host, &script(LeaseVerb::Show, 1, 0)).holder.unwrap();
        assert_eq!(shown.left, 0);
        let over = run(&host, &script(LeaseVerb::Acquire, 2, 600));
        assert_eq!((over.end, over.holder.unwrap().run.as_str()), (LeaseEnd::Taken, "run-1"), "{shell:?}");
        assert_eq!(run(&host, &script(LeaseVerb::Renew, 1, 600)).end, LeaseEnd::Lost);
        // The same run in another process: another nonce.
        let again = script(LeaseVerb::Acquire, 2, 600).replace("0000000000000002", "00000000000000ff");
        assert_eq!(run(&host, &again).end, LeaseEnd::Taken);
        assert_eq!(run(&host, &script(LeaseVerb::Renew, 2, 600)).end, LeaseEnd::Lost);
        // A boot that is over holds nothing, however long it was meant to be.
        host.ok("cd /run/egressctl/lease; mv held,* $(ls | sed 's/,[^,]*$/,0000-00/')");
        assert_eq!(run(&host, &script(LeaseVerb::Acquire, 3, 600)).end, LeaseEnd::Taken);
        assert_eq!(run(&host, &script(LeaseVerb::Release, 3, 600)).end, LeaseEnd::Released);
        nothing_is_left(&host);
    });
}

#[test]
fn a_host_that_cannot_keep_one_says_so_and_a_killed_attempt_is_no_obstacle() {
    on_every_shell(|shell| {
        let host = host(shell);
        for killed in
            ["mkdir -p /run/egressctl/lease", "mkdir -p /run/egressctl/lease/new.x /run/egressctl/new.y"]
        {
            host.ok(killed);
            assert_eq!(run(&host, &script(LeaseVerb::Acquire, 1, 600)).end, LeaseEnd::Taken, "{killed}");
            assert_eq!(run(&host, &script(LeaseVerb::Release, 1, 600)).end, LeaseEnd::Released);
            nothing_is_left(&host);
        }
        // The answer of a step that is over goes with the lease; a step that is not over stays.
        assert_eq!(run(&host, &script(LeaseVerb::Acquire, 1, 600)).end, LeaseEnd::Taken);
        host.ok(
            "mkdir -p /run/egressctl/steps/a /run/egressctl/steps/b; echo 0 >/run/egressctl/steps/a/status",
        );
        assert_eq!(run(&host, &script(LeaseVerb::Release, 1, 600)).end, LeaseEnd::Released);
        assert_eq!(host.ok("find /run -mindepth 3"), "/run/egressctl/steps/b\n", "{shell:?}");
        host.ok("mount -o remount,bind,ro /run");
        let end = run(&host, &script(LeaseVerb::Acquire, 1, 600)).end;
        assert_eq!(end, LeaseEnd::Refused("/run/egressctl/lease cannot be written".to_owned()), "{shell:?}");
    });
}

#[test]
fn of_those_who_race_exactly_one_wins_a_thousand_times() {
    const RACES: usize = 334;
    const TAKERS: usize = 2;
    on_every_shell(|shell| {
        let host = host(shell);
        let files: Vec<(String, String)> = (1..=TAKERS)
            .map(|who| (format!("take{who}"), script(LeaseVerb::Acquire, who, 600)))
            .chain((1..=TAKERS).map(|who| (format!("drop{who}"), script(LeaseVerb::Release, who, 600))))
            .chain([("stale".to_owned(), script(LeaseVerb::Acquire, 9, 0))])
            .collect();
        for (name, text) in files {
            host.write(&name, &text, 0o644);
        }
        // Every other race is for an expired lease. The loser must name the winner.
        let mut race = format!("takers={TAKERS}; shell='{}'; race=0\n", shell.join(" "));
        let _ = write!(
            race,
            r#"
            while [ $race -lt {RACES} ]; do
                race=$((race + 1))
                if [ $((race % 2)) = 0 ]; then $shell /etc/stale >/dev/null; fi
                pids=
                for n in $(seq $takers); do $shell /etc/take$n >/etc/out$n & pids="$pids $!"; done
                wait $pids
                winner=$(grep -l '^result taken' /etc/out*)
                n=${{winner#/etc/out}}
                echo "$(echo $winner | wc -w) $(grep -l '^result held' /etc/out* | wc -l) $(grep -h -c "^holder .* run-$n " /etc/out* | grep -c 1)"
                $shell /etc/drop$n >/dev/null
            done | sort | uniq -c"#
        );
        let seen = host.ok(&race);
        assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["334", "1", "1", "1"], "{shell:?}\n{seen}");
        nothing_is_left(&host);
    });
    assert!(RACES * SHELLS.len() >= 1000);
}
