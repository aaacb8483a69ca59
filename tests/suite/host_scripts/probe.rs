//! The probe on a real kernel: what each of the two addresses is seen as, by curl and by wget.

use std::fs;

use egressctl::core::observed::applied::ApplyEnd;
use egressctl::core::observed::facts::HttpClient;
use egressctl::core::observed::probed::parse_probe;
use egressctl::core::template::ProbeParams;

use super::host::{debian, target, templates};
use super::on_every_shell;

#[test]
fn the_probe_asks_from_both_addresses() {
    on_every_shell(|shell| {
        let host = debian(shell);
        let file = host.changes();
        assert_eq!(host.apply(&target(), &file).end, ApplyEnd::Ok);
        let site = tempfile::tempdir().unwrap();
        let root = site.path();
        fs::create_dir_all(root.join("cgi-bin")).unwrap();
        fs::create_dir_all(root.join("latest/meta-data")).unwrap();
        fs::write(root.join("latest/meta-data/instance-id"), "i-lab0001").unwrap();
        let script =
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nip: %s\\n' \"${REMOTE_ADDR#::ffff:}\"\n";
        fs::write(root.join("cgi-bin/ip"), script).unwrap();
        let root = root.to_str().unwrap();
        host.router(&format!(
            "chmod -R a+rX '{root}'; chmod a+x '{root}/cgi-bin/ip'; busybox httpd -p 0.0.0.0:80 -h '{root}'"
        ));
        let params = ProbeParams {
            echo: vec!["http://1.1.1.1/cgi-bin/ip".to_owned(), "http://1.1.1.1:9/none".to_owned()],
            address: target().address,
            seconds: 5,
        };
        let output = host.run(&templates().probe_script(&params).unwrap());
        let report = parse_probe(&output.stdout, &params).unwrap();
        assert_eq!(report.instance.unwrap().as_str(), "i-lab0001", "{shell:?}");
        assert_eq!(report.default[0].1, Ok(target().primary_ip));
        assert_eq!(report.from_eni[0].1.as_ref().ok(), target().address.as_ref());
        assert!(report.default[1].1.is_err() && report.from_eni[1].1.is_err());
        assert_eq!(host.facts().instance.unwrap().as_str(), "i-lab0001");

        // The same with wget alone.
        host.ok("mount --bind /dev/null \"$(command -v curl)\"");
        assert_eq!(host.facts().http_client, Some(HttpClient::Wget), "{shell:?}");
        let output = host.run(&templates().probe_script(&params).unwrap());
        assert_eq!(
            parse_probe(&output.stdout, &params).unwrap().from_eni[0],
            report.from_eni[0],
            "{shell:?}"
        );
        assert_eq!(host.facts().instance.unwrap().as_str(), "i-lab0001", "{shell:?}");
    });
}
