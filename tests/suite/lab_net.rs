//! Real labs: what hosts, bastion and internet see of each other, reboots, and the commands inside a lab.

use serde_json::Value;

use crate::support::lab::{Lab, User, as_user, is_root, users};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn everybody_leaves_with_the_right_address() {
    for user in users() {
        let out = Lab::stdout_of(
            user,
            &[],
            r##"
            for host in done-1 web-1 web-2 prepaid-1 dark-1 api-1 bastion; do
                echo "$host $(on $host bash -c 'fetch 198.51.100.20') $(on $host bash -c 'fetch 198.51.100.21')"
            done
            echo "client $("$EGRESSCTL" lab internet -- bash -c 'fetch 198.51.100.20')"
            "##,
        );
        // The done host's own address is on its second interface; it leaves by the shared one.
        for (host, address) in [
            ("done-1", "203.0.113.250"),
            ("web-1", "203.0.113.11"),
            ("web-2", "203.0.113.12"),
            ("prepaid-1", "203.0.113.13"),
            ("dark-1", "203.0.113.14"),
            ("api-1", "203.0.113.15"),
            ("bastion", "203.0.113.2"),
        ] {
            let line = format!("{host} ip: {address} {{\"ip\":\"{address}\"}}");
            assert!(out.lines().any(|found| found == line), "{user:?} {line}\n{out}");
        }
        assert!(out.contains("client ip: 198.51.100.10"), "{out}");
    }
}

#[test]
fn public_addresses_lead_to_their_hosts_with_the_caller_seen_from_the_internet() {
    for user in users() {
        let out = Lab::stdout_of(
            user,
            &["--hosts", "2"],
            r##"
            log_in 172.16.0.11 172.16.0.11 'echo private $(hostname) $SSH_CONNECTION'
            log_in 203.0.113.10 172.16.0.10 'echo public $(hostname) $SSH_CONNECTION'
            log_in 203.0.113.11 172.16.0.11 'echo public $(hostname) $SSH_CONNECTION'
            if log_in 203.0.113.11 172.16.0.10 true; then echo "another host's key was accepted"; fi
            "##,
        );
        let seen: Vec<Vec<&str>> = out.lines().map(|line| line.split(' ').collect()).collect();
        let seen: Vec<_> = seen.iter().map(|words| (words[0], words[1], words[2], words[4])).collect();
        assert_eq!(
            seen,
            [
                ("private", "web-1", "172.16.9.10", "172.16.0.11"),
                ("public", "done-1", "203.0.113.2", "172.16.1.0"),
                ("public", "web-1", "203.0.113.2", "172.16.0.11"),
            ],
            "{user:?}"
        );
    }
}

#[test]
fn a_spoofed_source_does_not_leave_the_host() {
    for user in users() {
        let out = Lab::stdout_of(
            user,
            &["--hosts", "2"],
            r##"
            # An address of the same subnet that nobody has, and a neighbour's.
            for address in 172.16.0.99 172.16.0.11; do
                on done-1 ip address add $address/32 dev lo
                on done-1 ip route add 198.51.100.20/32 via 172.16.3.253 src $address
                on done-1 timeout 1 bash -c 'fetch 198.51.100.20' && echo "$address passed" || echo "$address dropped"
                on done-1 ip route del 198.51.100.20/32
                on done-1 ip address del $address/32 dev lo
            done
            on done-1 bash -c 'fetch 198.51.100.20'
            "##,
        );
        assert_eq!(out, "172.16.0.99 dropped\n172.16.0.11 dropped\nip: 203.0.113.250\n", "{user:?}");
    }
}

#[test]
fn a_reboot_keeps_files_and_drops_everything_else() {
    for user in users() {
        let out = Lab::stdout_of(
            user,
            &["--hosts", "3"],
            r##"
            for host in web-1 web-2; do
                on $host sh -e -c 'echo kept > /etc/mine; echo kept > /root/mine; echo kept > /var/mine
                    echo gone > /run/mine; echo gone > /tmp/mine
                    ip rule add from 172.16.0.99 lookup 101 pref 4101; ip link add extra type bridge
                    ip route add default via 172.16.3.253 dev eth0 table 101
                    echo "#!/bin/sh -e" > /etc/rc.local; echo "touch /run/booted; exit 3" >> /etc/rc.local'
            done
            before=$(on web-1 sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/pid')
            "$EGRESSCTL" lab reboot web-1
            "$EGRESSCTL" lab reboot web-2
            after=$(on web-1 sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/pid')
            [ "$before" != "$after" ]
            for host in web-1 web-2; do
                on $host sh -c 'hostname; cat /etc/mine /root/mine /var/mine; ls /run/mine /tmp/mine 2>/dev/null
                    ip -4 rule | wc -l; ip -o link | grep -c extra
                    ip -4 route show table 101 2>/dev/null; ip -4 route | head -1
                    test -e /run/booted && echo booted || echo skipped
                    grep -h rc.local /var/log/boot.log | tail -1'
                on $host bash -c 'fetch 198.51.100.20'
            done
            "##,
        );
        let host = |name: &str, booted: &str, log: &str, public: &str| {
            format!(
                "{name}\nkept\nkept\nkept\n3\n0\ndefault via 172.16.3.253 dev eth0 \n{booted}\n{log}\nip: {public}\n"
            )
        };
        // On web-1 the link's target is what it was: not executable.
        let web_1 = host("web-1", "skipped", "/etc/rc.d/rc.local: not executable, skipped", "203.0.113.11");
        let web_2 = host("web-2", "booted", "/etc/rc.local: ended, exit status: 3", "203.0.113.12");
        assert_eq!(out, web_1 + &web_2, "{user:?}");
    }
}

#[test]
fn boot_scripts_run_only_as_an_init_system_runs_them() {
    let out = Lab::stdout_of(
        User::Same,
        &["--hosts", "2", "--flavour", "debian"],
        r##"
        on web-1 sh -c 'echo "touch /run/booted" > /etc/rc.local'
        "$EGRESSCTL" lab reboot web-1
        on web-1 sh -c 'test -e /run/booted && echo booted || echo skipped; tail -1 /var/log/boot.log'
        on web-1 sh -c 'printf "#!/bin/sh\ntouch /run/booted\n" > /etc/rc.local'
        "$EGRESSCTL" lab reboot web-1
        on web-1 sh -c 'test -e /run/booted && echo booted || echo skipped; tail -1 /var/log/boot.log'
        "##,
    );
    assert_eq!(
        out,
        "skipped\n/etc/rc.local: Exec format error\nbooted\n/etc/rc.local: ended, exit status: 0\n"
    );
}

#[test]
fn a_done_host_is_done_again_after_a_reboot() {
    let out = Lab::stdout_of(
        User::Same,
        &["--hosts", "1"],
        r##"
        "$EGRESSCTL" lab reboot done-1
        on done-1 ip -4 route show table 101
        log_in 203.0.113.10 172.16.0.10 'echo $SSH_CONNECTION' | cut -d' ' -f3
        on done-1 bash -c 'fetch 198.51.100.20'
        "##,
    );
    assert_eq!(out, "default via 172.16.3.253 dev eth1 onlink \n172.16.1.0\nip: 203.0.113.250\n");
}

#[test]
fn flavours_differ_as_real_systems_do() {
    for user in users() {
        let out = Lab::stdout_of(
            user,
            &[],
            r##"
            for host in web-1 web-2 api-1; do
                echo "[$host]"
                on $host bash -c '. /etc/os-release; echo $ID; readlink /etc/rc.local; stat -Lc %a /etc/rc.local'
                on $host bash -c 'command -v route ifconfig arp netstat' && echo "net-tools found" || echo "no net-tools"
                on $host bash -c 'command -v ip >/dev/null; cat /var/lib/cloud/data/instance-id; cat /proc/1/comm'
                on $host sh -c 'stat -c %a /root /root/.ssh/authorized_keys; touch /usr/x 2>/dev/null && echo writable'
            done 2>/dev/null || true
            "##,
        );
        let part = |host: &str| {
            let (_, rest) = out.split_once(&format!("[{host}]\n")).unwrap_or_else(|| panic!("{out}"));
            rest.split('[').next().unwrap().to_owned()
        };
        assert!(part("web-1").starts_with("alinux\nrc.d/rc.local\n644\n"), "{user:?} {out}");
        assert!(part("web-2").starts_with("debian\n755\n"), "{user:?} {out}");
        assert!(
            part("api-1").starts_with("lab-minimal\nno net-tools\ni-lab0000010006\ninit\n"),
            "{user:?} {out}"
        );
        assert!(part("api-1").ends_with("700\n600\n"), "{user:?} {out}");
        assert!(!out.contains("writable"));
    }
}

#[test]
fn the_environment_is_the_promised_one() {
    for user in users() {
        let script = r##"
            pwd; hostname; echo "${HTTPS_PROXY-none}"; echo "$MINE"
            stat -c '%a' "$EGRESSCTL_LAB/key"; head -1 "$EGRESSCTL_LAB/key"
            grep -c '^172\.16\.' "$EGRESSCTL_LAB/known_hosts"; grep -c 203.0.113 "$EGRESSCTL_LAB/known_hosts" || true
            cat "$EGRESSCTL_INVENTORY" >/dev/null
            echo "$EGRESSCTL_ECS_ENDPOINT $EGRESSCTL_VPC_ENDPOINT $EGRESSCTL_ECHO"
            echo "$ALIBABA_CLOUD_REGION_ID ${#ALIBABA_CLOUD_ACCESS_KEY_SECRET} $XDG_STATE_HOME"
            touch "$XDG_STATE_HOME/x"
            "##;
        let mut command = Lab::command(user, &["--hosts", "2"], script);
        let output = command.current_dir("/usr").envs([("HTTPS_PROXY", "http://x"), ("MINE", "kept")]);
        let output = output.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{user:?} {text} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            text,
            "/usr\nbastion\nnone\nkept\n600\n-----BEGIN OPENSSH PRIVATE KEY-----\n2\n0\n\
             http://100.100.0.10:8080 http://100.100.0.10:8081 http://198.51.100.20/,http://198.51.100.21/\n\
             cn-lab-1 32 /run/egressctl-lab/state\n"
        );
    }
}

#[test]
fn status_tells_what_is_plugged_and_bound() {
    let out = Lab::stdout_of(User::Same, &["--hosts", "2"], r##""$EGRESSCTL" lab status --json"##);
    let status = json(&out);
    let done = &status["hosts"][0];
    assert_eq!(done["name"], "done-1");
    assert_eq!(done["ports"][1]["device"], "eth1");
    assert_eq!(done["ports"][1]["public"], "203.0.113.10");
    assert_eq!(done["ports"][0]["public"], Value::Null);
    assert_eq!(status["bindings"]["203.0.113.11"], "172.16.0.11");
    assert!(done["init"].as_u64().unwrap() > 1);
}

#[test]
fn metadata_knows_its_caller() {
    let out = Lab::stdout_of(
        User::Same,
        &["--hosts", "2"],
        r##"
        ask() { on "$1" timeout 5 bash -c 'exec 3<>/dev/tcp/100.100.100.200/80
            printf "%s %s HTTP/1.0\r\n%s\r\n\r\n" "$0" "$1" "$2" >&3; sed "1,/^\r\$/d" <&3' "${@:2}"; }
        for host in web-1 bastion; do
            token=$(ask $host PUT /latest/api/token 'X-aliyun-ecs-metadata-token-ttl-seconds: 60')
            mac=$(ask $host GET /latest/meta-data/mac "X-aliyun-ecs-metadata-token: $token")
            for item in instance-id private-ipv4 eipv4 "network/interfaces/macs/$mac/network-interface-id"; do
                ask $host GET /latest/meta-data/$item "X-aliyun-ecs-metadata-token: $token"; echo
            done
        done
        "##,
    );
    assert_eq!(
        out,
        "i-lab0000010002\n172.16.0.11\n203.0.113.11\neni-labprim0001\n\
         i-lab-bastion\n172.16.9.10\n203.0.113.2\neni-labprim-bastion\n"
    );
}

#[test]
fn the_clouds_api_is_there_for_the_vpc_and_for_nobody_else() {
    let out = Lab::stdout_of(
        User::Same,
        &["--hosts", "2"],
        r##"
        state() { timeout 5 bash -c 'exec 3<>/dev/tcp/100.100.0.10/$0
            printf "GET /_lab/state HTTP/1.0\r\n\r\n" >&3; sed "1,/^\r\$/d" <&3' "$1"; }
        state 8080; echo
        state 8081; echo
        "$EGRESSCTL" lab internet -- timeout 1 bash -c 'exec 3<>/dev/tcp/100.100.0.10/8080' 2>/dev/null || echo closed
        "##,
    );
    let lines: Vec<&str> = out.lines().collect();
    for line in &lines[..2] {
        let state = json(line);
        assert_eq!(state["instances"]["i-lab0000010002"]["public"], "203.0.113.11", "{state}");
    }
    assert_eq!(lines[2..], ["closed"]);
}

#[test]
fn mistakes_are_answered_in_one_line() {
    let output = as_user(User::Same).args(["lab", "status"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("not inside a lab") && text.contains("egressctl lab run"), "{text}");

    let output = as_user(User::Same).args(["lab", "run", "--hosts", "0", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));

    let script = r##""$EGRESSCTL" lab exec nobody -- true || "$EGRESSCTL" lab reboot nobody || exit 9"##;
    let output = Lab::run(&["--hosts", "1"], script);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9));
    assert!(text.contains("no host nobody; it has bastion, done-1"), "{text}");
    assert!(text.contains("the lab has no host nobody\n"), "{text}");
}

#[test]
fn a_command_on_a_host_finds_what_a_login_there_would_find() {
    let script =
        r##"PATH=/usr/bin:/bin "$EGRESSCTL" lab exec done-1 -- sh -c 'nft list ruleset && echo "$PATH"'"##;
    let text = Lab::stdout_of(User::Same, &["--hosts", "1"], script);
    assert_eq!(text.trim_end(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    // Programs are also looked for where systems keep them, so a machine without them is made: an empty /usr for this test.
    let script = r##"mount -t tmpfs none /mnt && cp "$EGRESSCTL" /mnt/egressctl && mkdir /mnt/empty
        for folder in /usr/local/sbin /usr/local/bin; do [ ! -d $folder ] || mount --bind /mnt/empty $folder; done
        for name in nft; do for folder in /usr/sbin /usr/bin; do
            [ ! -e $folder/$name ] || mount --bind /mnt/empty/none $folder/$name 2>/dev/null || mount --bind /dev/null $folder/$name
        done; done
        exec /mnt/egressctl lab run -- true"##;
    let mut command = std::process::Command::new("unshare");
    let user: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
    let program = env!("CARGO_BIN_EXE_egressctl");
    let output = command.args(user).args(["--mount", "sh", "-c", script]).env("EGRESSCTL", program);
    let output = output.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text, "egressctl lab: a lab needs the program nft: install the package nftables\n");
}

#[test]
fn openssh_needs_root_and_serves_like_the_builtin_server() {
    if is_root() {
        let out = Lab::stdout_of(
            User::Same,
            &["--sshd", "openssh"],
            r##"
            for number in 10 11 12 13 15; do log_in 203.0.113.$number 172.16.0.$number hostname; done
            log_in 203.0.113.14 172.16.5.14 hostname
            "$EGRESSCTL" lab reboot web-1
            log_in 172.16.0.11 172.16.0.11 'echo $SSH_CONNECTION' | cut -d' ' -f1,3
            "##,
        );
        assert_eq!(out, "done-1\nweb-1\nweb-2\nprepaid-1\napi-1\ndark-1\n172.16.9.10 172.16.0.11\n");
    }
    let ordinary = if is_root() { User::Nobody } else { User::Same };
    let output = Lab::run_as(ordinary, &["--sshd", "openssh"], "true");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("--sshd openssh needs root; use --sshd builtin"), "{text}");
}
