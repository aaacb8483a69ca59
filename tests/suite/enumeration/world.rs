//! A world of one host without time: what each step does, what is seen of it, and what must never happen in between.

use egressctl::core::observed::EipHolder;
use egressctl::core::plan::{Known, Op, Other, RouteTarget, StepKind};
use egressctl::core::saga::{Began, Effect};

/// How the step of a case goes, the first time it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Refused without effect.
    Refused,
    /// No answer, no effect.
    LostBefore,
    /// No answer, but the effect.
    LostAfter,
    /// No answer, the effect, and the look that should settle it sees what was before.
    Stale,
    /// Taking it back fails.
    UndoFails,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Done(Effect),
    Refused,
    Unknown,
}

/// Where the EIP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eip {
    /// It is a static public address still.
    Static,
    Home,
    Nowhere,
    Interface,
}

/// The host's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    None,
    /// Brought about, and taken back by the host unless it is confirmed.
    Armed,
    Confirmed,
}

/// A step of the plan, which has two of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    /// It is about an interface that does not carry the EIP.
    further: bool,
}

impl Step {
    pub(super) fn of(op: &Op) -> Self {
        Self { kind: op.kind(), further: matches!(op, Op::Configure { other: Some(_), .. }) }
    }
}

/// The one host and its cloud.
#[derive(Debug, Clone)]
pub(super) struct World {
    step: Step,
    fault: Fault,
    unproven: bool,
    post_paid: bool,
    interfaces: usize,
    attached: bool,
    /// By the interface that is to carry the EIP.
    route: Route,
    /// By another one, which has always been there.
    further: Route,
    eip: Eip,
    /// What must not have happened and has.
    pub(super) wrongs: Vec<String>,
}

/// The plan: all eight kinds of steps, and a second route.
pub(super) fn began() -> Began {
    let instance: egressctl::core::model::InstanceId = "i-1".parse().unwrap();
    let route = RouteTarget {
        mac: None,
        address: None,
        gateway: "172.16.0.253".parse().unwrap(),
        primary_ip: "172.16.0.10".parse().unwrap(),
        table: 101,
        priority: 4101,
        owner: Some(egressctl::core::model::Owner::RcLocal),
        shim: false,
        form: Default::default(),
    };
    let second = RouteTarget {
        mac: Some("00:16:3e:aa:bb:03".parse().unwrap()),
        address: Some("172.16.0.30".parse().unwrap()),
        table: 102,
        priority: 4102,
        ..route.clone()
    };
    let other = Other { eni: "eni-2".parse().unwrap(), was_there: false };
    let ops = vec![
        Op::MakePostPaid { instance: instance.clone() },
        Op::ConvertPublicIp { instance: instance.clone(), address: "203.0.113.9".parse().unwrap() },
        Op::CreateEni {
            instance: instance.clone(),
            name: "egress-a".to_owned(),
            vswitch: "vsw-1".parse().unwrap(),
            security_groups: Vec::new(),
            primary_ip: None,
            resource_group: None,
        },
        Op::AttachEni { instance: instance.clone() },
        Op::Configure { route, other: None },
        Op::Configure { route: second, other: Some(other) },
        Op::UnassociateEip { from: EipHolder::Instance(instance.clone()), private_ip: None },
        Op::AssociateEip,
        Op::Verify,
    ];
    Began { instance, known: Known::default(), ops }
}

/// What a step brings.
pub(super) fn effect(step: StepKind) -> Effect {
    let (mac, address) = ("00:16:3e:aa:bb:02".parse().unwrap(), "172.16.0.20".parse().unwrap());
    match step {
        StepKind::Convert => Effect::Converted {
            allocation: "eip-1".parse().unwrap(),
            address: "203.0.113.9".parse().unwrap(),
        },
        StepKind::CreateEni => {
            Effect::EniCreated { eni: "eni-1".parse().unwrap(), mac: Some(mac), address: Some(address) }
        }
        StepKind::AttachEni => Effect::EniAttached { eni: "eni-1".parse().unwrap(), mac, address },
        _ => Effect::Nothing,
    }
}

impl World {
    pub(super) fn new(step: Step, fault: Fault, unproven: bool) -> Self {
        Self {
            step,
            fault,
            unproven,
            post_paid: false,
            interfaces: 0,
            attached: false,
            route: Route::None,
            further: Route::None,
            eip: Eip::Static,
            wrongs: Vec::new(),
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&mut self) {
        (self.fault, self.unproven) = (Fault::None, false);
    }

    pub(super) fn is_final(&self) -> bool {
        self.interfaces == 1
            && self.attached
            && self.route == Route::Confirmed
            && self.further == Route::Confirmed
            && self.eip == Eip::Interface
            && self.post_paid
    }

    /// As it was, but for what cannot be taken back.
    pub(super) fn is_back(&self) -> bool {
        let home = matches!(self.eip, Eip::Static | Eip::Home);
        let routes = [self.route, self.further] != [Route::None; 2];
        self.interfaces == 0 && !self.attached && !routes && home
    }

    /// Whether a look shows that the step is done.
    fn shows(&self, step: Step) -> bool {
        match step.kind {
            StepKind::ChargeType => self.post_paid,
            StepKind::Convert => self.eip != Eip::Static,
            StepKind::CreateEni => self.interfaces > 0,
            StepKind::AttachEni => self.attached,
            StepKind::Configure if step.further => self.further == Route::Confirmed,
            StepKind::Configure => self.route == Route::Confirmed,
            StepKind::Unassociate => self.eip == Eip::Nowhere || self.eip == Eip::Interface,
            StepKind::Associate => self.eip == Eip::Interface,
            StepKind::Verify => false,
        }
    }

    /// Does a step as the engine does it: looks first, and settles an answer that got lost by looking again. `announced` is
    /// the step whose intent the journal's last record is.
    pub(super) fn perform(&mut self, op: &Op, known: &Known, announced: Option<StepKind>) -> Answer {
        let step = Step::of(op);
        self.expect(announced == Some(step.kind), || format!("{} without an intent", step.kind.label()));
        if step.kind == StepKind::Verify {
            return if self.unproven { Answer::Refused } else { Answer::Done(Effect::Nothing) };
        }
        if self.shows(step) {
            return Answer::Done(effect(step.kind));
        }
        let fault = if step == self.step { self.fault } else { Fault::None };
        // A fault of the step itself comes once; one of its undo stays until it is met.
        if fault != Fault::UndoFails && step == self.step {
            self.fault = Fault::None;
        }
        match fault {
            Fault::Refused => return Answer::Refused,
            Fault::LostBefore => return Answer::Unknown,
            Fault::None | Fault::LostAfter | Fault::Stale | Fault::UndoFails => self.take_effect(step, known),
        }
        if fault == Fault::Stale { Answer::Unknown } else { Answer::Done(effect(step.kind)) }
    }

    /// The first half of the host's part: its change is there, and the host waits for somebody to confirm it.
    pub(super) fn arm(&mut self, step: Step) {
        if step.further && self.further == Route::None {
            self.further = Route::Armed;
        }
        if !step.further && self.attached && self.route == Route::None {
            self.route = Route::Armed;
        }
    }

    /// Whether the step will have no effect.
    pub(super) fn refuses(&self, step: Step) -> bool {
        step == self.step && matches!(self.fault, Fault::Refused | Fault::LostBefore)
    }

    /// So much time passes that nobody confirms any more.
    pub(super) fn late(&mut self) {
        for route in [&mut self.route, &mut self.further] {
            if *route == Route::Armed {
                *route = Route::None;
            }
        }
    }

    fn take_effect(&mut self, step: Step, known: &Known) {
        match step.kind {
            StepKind::ChargeType => self.post_paid = true,
            StepKind::Convert => self.eip = Eip::Home,
            StepKind::CreateEni => {
                self.interfaces += 1;
                self.expect(self.interfaces == 1, || "two interfaces".to_owned());
            }
            StepKind::AttachEni => {
                self.expect(known.eni.is_some(), || {
                    "it attaches an interface that it does not know".to_owned()
                });
                self.expect(self.interfaces == 1, || "it attaches what is not there".to_owned());
                self.attached = true;
            }
            StepKind::Configure if step.further => self.further = Route::Confirmed,
            StepKind::Configure => {
                self.expect(self.attached, || "it configures a device that is not there".to_owned());
                self.route = Route::Confirmed;
            }
            StepKind::Unassociate => {
                self.expect(known.eip.is_some(), || "it unbinds an EIP that it does not know".to_owned());
                self.expect(self.route == Route::Confirmed, || {
                    "it unbinds before the host's part is done".to_owned()
                });
                self.eip = Eip::Nowhere;
            }
            StepKind::Associate => {
                self.expect(known.eni.is_some(), || "it binds to an interface it does not know".to_owned());
                self.expect(self.eip == Eip::Nowhere, || "it binds what is bound".to_owned());
                self.eip = Eip::Interface;
            }
            StepKind::Verify => {}
        }
    }

    /// Takes a step back as the engine does it: looks first, so that doing it again does no harm.
    pub(super) fn undo(&mut self, op: &Op, announced: Option<StepKind>) -> Result<Option<String>, String> {
        let step = Step::of(op);
        self.expect(announced == Some(step.kind), || format!("undo {} without an intent", step.kind.label()));
        if step.kind.irreversible() {
            return Ok(Some("it stays".to_owned()));
        }
        if step == self.step && self.fault == Fault::UndoFails {
            self.fault = Fault::None;
            return Err("it cannot be taken back".to_owned());
        }
        let on_it = self.eip == Eip::Interface;
        match step.kind {
            StepKind::CreateEni if self.attached => return Err("the interface is attached".to_owned()),
            StepKind::CreateEni => self.interfaces = 0,
            StepKind::AttachEni => {
                self.expect(!on_it, || "it detaches an interface that holds the EIP".to_owned());
                self.attached = false;
            }
            StepKind::Configure if step.further => self.further = Route::None,
            StepKind::Configure => {
                self.expect(!on_it, || "it takes the route away from under the EIP".to_owned());
                self.route = Route::None;
            }
            StepKind::Unassociate if on_it => return Err("the EIP is bound to the interface".to_owned()),
            StepKind::Unassociate => self.eip = Eip::Home,
            StepKind::Associate if on_it => self.eip = Eip::Nowhere,
            _ => {}
        }
        Ok(None)
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrongs.push(what());
        }
    }
}
