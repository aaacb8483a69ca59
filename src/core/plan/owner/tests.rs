//! Targets and effects as older versions wrote them, and files that are taken away again. Must never depend on the order of
//! anything but files.

use super::*;
use crate::core::saga::Effect;

#[test]
fn what_older_versions_wrote_means_the_same() {
    let target = |rest: &str| -> RouteTarget {
        let text = format!(
            "{{\"mac\":null,\"address\":null,\"gateway\":\"172.16.0.253\",\"primary_ip\":\"172.16.0.10\",\"table\":101,\"priority\":4101,{rest}}}"
        );
        let target: RouteTarget = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&target).unwrap(), text, "it is written as it was");
        target
    };
    assert_eq!(target("\"rc_local\":true").owner, Some(Owner::RcLocal));
    assert_eq!(target("\"rc_local\":false").owner, None);
    assert_eq!(target("\"rc_local\":false,\"owner\":\"netplan\"").owner, Some(Owner::Netplan));

    let old = "{\"configured\":{\"before\":{\"path\":\"/etc/rc.local\",\"content\":null,\"mode\":0,\"obstacle\":null},\"after\":\"x\"}}";
    let effect: Effect = serde_json::from_str(old).unwrap();
    let (files, reload) = effect.files().unwrap();
    assert_eq!((files[0].before.as_deref(), files[0].after.as_deref()), (None, Some("x")));
    assert_eq!(reload, [Owner::RcLocal]);
    let new = Effect::Persisted { files, reload, link_was_up: true };
    let text = serde_json::to_string(&new).unwrap();
    assert_eq!(serde_json::from_str::<Effect>(&text).unwrap(), new);
}

#[test]
fn a_marker_within_a_line_of_others_is_not_ours() {
    let (mut facts, target) = crate::core::plan::compat::tests::host();
    facts.rc_local.content = Some("#!/bin/sh\n# by default thi# BEGIN egressctl\nexit 0\n".to_owned());
    assert_eq!(without_ours(&facts, &target), Ok(FileChanges::default()));
}
