//! The scripts by name: which values each one takes, and the text that comes out.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::context::RouteContext;
use super::guard::{GuardParams, Phase};
use super::lease::{LeaseParams, LeaseVerb};
use super::{TemplateError, Templates};
use crate::core::model::{MacAddr, Owner};
use crate::core::plan::rc_local::is_mark;
use crate::core::plan::route::{Documented, FileChange};
use crate::core::plan::{RouteForm, RouteTarget};

/// How long the apply script waits for a hot-plugged device, in seconds; give the execution more than that.
pub const APPLY_WAIT_SECONDS: u32 = 60;

/// The destination that stands for "the internet" when the kernel is asked for a route. No packet is sent to it.
pub const PUBLIC_DESTINATION: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);

/// Where a host keeps the answers of steps: gone after a boot, as is what a step was about to do.
pub const ONCE_FOLDER: &str = "/run/egressctl/steps";

/// What stands for a value that only applying can tell.
pub(super) const UNKNOWN: &str = "(known after apply)";

/// Values of the apply script.
#[derive(Debug, Clone, Copy)]
pub struct ApplyParams<'a> {
    /// What the host should have, everything known.
    pub route: &'a RouteTarget,
    /// The files to change, as [`host_changes`](crate::core::plan::route::host_changes) made them for the same target.
    pub files: &'a [FileChange],
    /// Who has to hear of them.
    pub reload: &'a [Owner],
    /// How long to wait for the device; [`APPLY_WAIT_SECONDS`] unless a test knows better.
    pub wait_seconds: u32,
    /// The host's guard over the change.
    pub guard: GuardParams<'a>,
    /// What to do now.
    pub phase: Phase,
}

/// Values of the stage script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StageParams {
    /// Hardware address of the interface that will be plugged in.
    pub mac: MacAddr,
    /// Primary private address of the instance.
    pub primary_ip: Ipv4Addr,
    /// Metric of a default route by that interface in the main table that is left alone; 0 if none is.
    pub metric: u32,
    /// How long the watcher stays, in seconds.
    pub seconds: u32,
}

/// Values of the revert script; the second and third are what the journal keeps.
#[derive(Debug, Clone, Copy)]
pub struct RevertParams<'a> {
    /// What was applied, everything known.
    pub route: &'a RouteTarget,
    /// The files that were changed, in the order in which they were.
    pub files: &'a [FileChange],
    /// Who has to hear of them.
    pub reload: &'a [Owner],
    /// The link was up before anything was changed, and stays so.
    pub link_was_up: bool,
}

/// Values of the probe script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeParams {
    /// Echo services, `http(s)://…`.
    pub echo: Vec<String>,
    /// The secondary interface's address; `None` asks by default only.
    pub address: Option<Ipv4Addr>,
    /// Limit for one question, in seconds. The script takes at most this and 2 s more for each URL and source, and 10 s.
    pub seconds: u32,
}

/// Values of the script around a step that is to be done once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OnceParams<'a> {
    /// Where answers are kept; [`ONCE_FOLDER`] unless a test knows better.
    pub folder: &'a str,
    /// What stands for this step and no other: letters and digits.
    pub key: &'a str,
    /// The step's script.
    pub step: &'a str,
}

/// Values of the push script. An empty text is "not asked for".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushParams {
    /// The file: an absolute path without `.` and `..`.
    pub dest: String,
    /// Bytes of the content.
    pub size: u64,
    /// The content's SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Permission bits in octal digits; those of the old file if empty.
    pub mode: String,
    /// Permission bits in octal digits where there is no old file and `mode` is empty.
    pub mode_if_new: String,
    /// Name or number of the owner; the old file's if empty.
    pub owner: String,
    /// Name or number of the group; the old file's if empty.
    pub group: String,
    /// What is put behind the name of the old file to keep it; it is not kept if empty.
    pub backup: String,
    /// `yes`: only look.
    pub check: &'static str,
}

/// What runs the lines that keep a route, and what of it they keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A boot, once: they wait for a late device.
    Once,
    /// A timer, again and again.
    Again,
    /// The same, and the shim's table alone: the route is somebody else's.
    Shim,
}

#[derive(Serialize)]
struct FactsContext {
    public: Ipv4Addr,
}

#[derive(Serialize)]
struct ProbeContext<'a> {
    seconds: u32,
    asks: Vec<Ask<'a>>,
}

#[derive(Serialize)]
struct Ask<'a> {
    label: String,
    source: String,
    url: &'a str,
}

impl Templates {
    /// The script that prints everything [`parse_facts`](crate::core::observed::facts::parse_facts) reads. Changes nothing.
    ///
    /// # Errors
    /// A template that cannot be rendered.
    pub fn facts_script(&self) -> Result<String, TemplateError> {
        self.script("facts.sh", &FactsContext { public: PUBLIC_DESTINATION })
    }

    /// The script that takes, renews, gives back or shows the host's lease.
    ///
    /// # Errors
    /// A template that cannot be rendered.
    pub fn lease_script(&self, params: &LeaseParams<'_>) -> Result<String, TemplateError> {
        self.script("lease.sh", params)
    }

    /// The script that leaves a watcher behind before the interface is plugged in: while it stays, the main table is the
    /// primary's, whatever the host's DHCP client does.
    ///
    /// # Errors
    /// A template that cannot be rendered.
    pub fn stage_script(&self, params: &StageParams) -> Result<String, TemplateError> {
        self.script("stage.sh", params)
    }

    /// The script that a host keeps to take a change back by itself. No value of any host is in it.
    pub(super) fn rollback_script(&self) -> Result<String, TemplateError> {
        self.scripts(&["owners.sh", "rollback.sh"], &())
    }

    /// The script of one phase of making the host's routes and its `rc.local` what they should be. Idempotent.
    ///
    /// # Errors
    /// A target with unknown values, a value with a NUL byte.
    pub fn apply_script(&self, params: &ApplyParams<'_>) -> Result<String, TemplateError> {
        self.known("apply.sh", params.route)?;
        let mut context = RouteContext::new(params.route).with_files(params.files, params.reload);
        context.wait_seconds = params.wait_seconds;
        context.guard_tx = params.guard.tx;
        context.guard_seconds = params.guard.seconds;
        context.guard_rollback = &self.rollback;
        let (phase, generation, again) = params.phase.words();
        (context.phase, context.generation, context.begin_again) = (phase, generation, yes_no(again));
        let parts =
            ["files.sh", "owners.sh", "guard.sh", "shim.sh", "main_table.sh", "apply.sh", "phases.sh"];
        self.scripts(&parts, &context)
    }

    /// The script that takes back what the apply script gives. Idempotent, also when the interface is gone.
    ///
    /// # Errors
    /// A target with unknown values, a value with a NUL byte.
    pub fn revert_script(&self, params: &RevertParams<'_>) -> Result<String, TemplateError> {
        self.known("revert.sh", params.route)?;
        let mut context = RouteContext::new(params.route).with_files(params.files, params.reload);
        context.link_was_up = yes_no(params.link_was_up);
        self.scripts(&["files.sh", "owners.sh", "guard.sh", "shim.sh", "revert.sh"], &context)
    }

    /// The script that does a step once, however often it is run with the same key: later runs wait for the first and give
    /// its answer. The first line is `egressctl-once first`, `read` (an earlier run's answer) or `again` (an earlier run was
    /// cut off half-way).
    ///
    /// # Errors
    /// A value with a NUL byte.
    pub fn once_script(&self, params: &OnceParams<'_>) -> Result<String, TemplateError> {
        self.render("once.sh", params)
    }

    /// The script that asks the echo services. Changes nothing.
    ///
    /// # Errors
    /// A value with a NUL byte.
    pub fn probe_script(&self, params: &ProbeParams) -> Result<String, TemplateError> {
        let asks = |kind: &str, source: String| {
            let kind = kind.to_owned();
            params.echo.iter().enumerate().map(move |(index, url)| Ask {
                label: format!("{kind}.{index}"),
                source: source.clone(),
                url,
            })
        };
        let by_default = asks("default", String::new());
        let from_eni = params.address.into_iter().flat_map(|address| asks("eni", address.to_string()));
        let context = ProbeContext { seconds: params.seconds, asks: by_default.chain(from_eni).collect() };
        self.script("probe.sh", &context)
    }

    /// The script that writes its standard input to a file. It is one word of a command line, not fed to a shell.
    ///
    /// # Errors
    /// A value with a NUL byte.
    pub fn push_script(&self, params: &PushParams) -> Result<String, TemplateError> {
        self.render("push.sh", params)
    }

    /// The lines that go between the markers in `rc.local`. Unknown values stand as "(known after apply)": a preview.
    ///
    /// # Errors
    /// An overridden template whose lines cannot stand between the markers.
    pub fn rc_local_block(&self, route: &RouteTarget) -> Result<String, TemplateError> {
        self.block(route, Kept::Once)
    }

    /// As that, for whatever runs it.
    pub(crate) fn block(&self, route: &RouteTarget, kept: Kept) -> Result<String, TemplateError> {
        let (watch, whole) = (kept == Kept::Once, kept != Kept::Shim);
        let context = RouteContext { watch, route: whole, ..RouteContext::new(route) };
        let block = self.render("rc_local.sh", &context)?;
        let marked = block.lines().any(is_mark);
        if marked || !block.ends_with('\n') {
            return Err(TemplateError {
                path: self.paths.get("rc_local.sh").cloned().unwrap_or_default(),
                line: None,
                problem: "its text does not end with a new line, or has marker lines of its own".to_owned(),
                fix: "write only what stands between the markers; they are added".to_owned(),
            });
        }
        Ok(block)
    }

    /// Renders everything once, so that nothing can fail half-way through a run that could have failed before it.
    pub(super) fn render_samples(&self) -> Result<(), TemplateError> {
        self.render_sample(RouteForm::Slash32)?;
        self.render_sample(RouteForm::Documented(Documented { prefix: 24, metric: 1, connected: 1 }))
    }

    fn render_sample(&self, form: RouteForm) -> Result<(), TemplateError> {
        let route = RouteTarget {
            mac: Some(crate::core::model::MacAddr([0x00, 0x16, 0x3e, 0xaa, 0xbb, 0x02])),
            address: Some(Ipv4Addr::new(172, 16, 0, 20)),
            gateway: Ipv4Addr::new(172, 16, 0, 253),
            primary_ip: Ipv4Addr::new(172, 16, 0, 10),
            table: 101,
            priority: 4101,
            owner: Some(Owner::RcLocal),
            shim: false,
            form,
        };
        let change = FileChange {
            path: "/etc/rc.local".to_owned(),
            before: Some("#!/bin/sh\n".to_owned()),
            after: Some(self.rc_local_block(&route)?),
            mode_before: 0o644,
            mode_after: 0o755,
        };
        for kept in [Kept::Once, Kept::Again, Kept::Shim] {
            for shim in [false, true] {
                self.block(&RouteTarget { shim, ..route.clone() }, kept)?;
            }
        }
        let (files, reload) = (&[change], &[Owner::RcLocal, Owner::Unit]);
        let address = route.address;
        self.facts_script()?;
        self.guards_script()?;
        if let (Ok(run), Ok(owner)) = ("sample".parse(), "sample@bastion".parse()) {
            let nonce = "0123456789abcdef";
            let verb = LeaseVerb::Show;
            self.lease_script(&LeaseParams { verb, run: &run, owner: &owner, nonce, seconds: 1 })?;
        }
        if let Some(mac) = route.mac {
            self.stage_script(&StageParams { mac, primary_ip: route.primary_ip, metric: 0, seconds: 1 })?;
        }
        let guard = GuardParams { tx: "0123456789abcdef", seconds: 60 };
        let phase = Phase::Look;
        self.apply_script(&ApplyParams { route: &route, files, reload, wait_seconds: 1, guard, phase })?;
        self.revert_script(&RevertParams { route: &route, files, reload, link_was_up: false })?;
        self.once_script(&OnceParams { folder: ONCE_FOLDER, key: "k", step: "true" })?;
        self.probe_script(&ProbeParams { echo: vec!["http://192.0.2.1/".to_owned()], address, seconds: 1 })?;
        let (none, mode) = (String::new(), "644".to_owned());
        self.push_script(&PushParams {
            dest: "/etc/motd".to_owned(),
            size: 0,
            sha256: none.clone(),
            mode: none.clone(),
            mode_if_new: mode,
            owner: none.clone(),
            group: none.clone(),
            backup: none,
            check: "no",
        })?;
        Ok(())
    }

    pub(super) fn script<C: Serialize>(
        &self,
        name: &'static str,
        context: &C,
    ) -> Result<String, TemplateError> {
        self.scripts(&[name], context)
    }

    /// Several templates with the same values, one after the other.
    fn scripts<C: Serialize>(&self, names: &[&'static str], context: &C) -> Result<String, TemplateError> {
        let mut text = self.render("common.sh", &())?;
        for name in names {
            text.push_str(&self.render(name, context)?);
        }
        Ok(text)
    }

    fn known(&self, name: &str, route: &RouteTarget) -> Result<(), TemplateError> {
        if route.mac.is_some() && route.address.is_some() {
            return Ok(());
        }
        Err(TemplateError {
            path: self.paths.get(name).cloned().unwrap_or_default(),
            line: None,
            problem: "the interface's hardware address and private address are not known yet".to_owned(),
            fix: "create and attach the interface first".to_owned(),
        })
    }
}

pub(super) const fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
