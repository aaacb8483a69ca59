//! What happens after an accepted call: the wait, the effect on the network, the state's last step.
//!
//! An effect that fails lets the resource fall back to where it was, and is kept in the log. So does one that the lab's faults
//! let fail, which touches the network in no way.

use std::sync::Arc;
use std::time::Duration;

use super::Emulator;
use super::actions::Task;
use super::faults::{Course, Span};
use crate::core::model::{AllocationId, EniId};

impl Emulator {
    /// Carries a task out to its end.
    pub(super) async fn carry_out(self: Arc<Self>, task: Task, course: Course) {
        let (tuning, delays) = (&self.tuning, self.faults().file.delays);
        match task {
            Task::Attach(eni) => {
                self.lasts(eni.as_str(), tuning.attach, delays.attach, &course).await;
                let plugged = !course.fails && self.plug(&eni).await;
                self.change(|cloud| cloud.finish_attach(&eni, plugged));
            }
            Task::Detach(eni) => {
                self.lasts(eni.as_str(), tuning.detach, delays.detach, &course).await;
                let unplugged = !course.fails && self.unplug(&eni).await;
                self.change(|cloud| cloud.finish_detach(&eni, unplugged));
            }
            Task::DeleteEni(eni) => {
                self.lasts(eni.as_str(), tuning.delete, delays.delete, &course).await;
                self.change(|cloud| cloud.finish_delete(&eni, !course.fails));
            }
            Task::Associate(eip) => {
                self.lasts(eip.as_str(), tuning.associate, delays.associate, &course).await;
                let bound = !course.fails && self.bind(&eip).await;
                self.change(|cloud| cloud.finish_associate(&eip, bound));
            }
            Task::Unassociate(eip) => {
                let unbound = !course.fails && self.unbind(&eip).await;
                self.lasts(eip.as_str(), tuning.unassociate, delays.unassociate, &course).await;
                self.change(|cloud| cloud.finish_unassociate(&eip, unbound));
            }
            Task::Convert(instance) => {
                self.lasts(instance.as_str(), tuning.convert, delays.convert, &course).await;
                self.change(|cloud| cloud.finish_convert(&instance, !course.fails));
            }
            Task::PostPaid(instances) => {
                let first = instances.first().map_or("", |id| id.as_str());
                self.lasts(first, tuning.charge, delays.charge, &course).await;
                self.change(|cloud| cloud.finish_post_paid(&instances, !course.fails));
            }
            Task::Created => self.lasts("", tuning.create, delays.create, &course).await,
        }
    }

    async fn plug(&self, eni: &EniId) -> bool {
        let port = self.cloud().port(eni, self.tuning.source_check);
        let plugged = match port {
            Some((instance, port)) => self.fabric.plug(&instance, &port).await,
            None => Err("not on its way to an instance".to_owned()),
        };
        self.kept(&format!("plug {eni}"), plugged)
    }

    async fn unplug(&self, eni: &EniId) -> bool {
        let port = self.cloud().port(eni, self.tuning.source_check);
        let unplugged = match port {
            Some((instance, port)) => self.fabric.unplug(&instance, port.mac).await,
            None => Err("not on its way from an instance".to_owned()),
        };
        self.kept(&format!("unplug {eni}"), unplugged)
    }

    async fn bind(&self, eip: &AllocationId) -> bool {
        let pair = self.cloud().eips.get(eip).and_then(|eip| Some((eip.address, eip.private?)));
        let bound = match pair {
            Some((public, private)) => self.fabric.bind(public, private).await,
            None => Err("not on its way to a holder".to_owned()),
        };
        self.kept(&format!("bind {eip}"), bound)
    }

    async fn unbind(&self, eip: &AllocationId) -> bool {
        let public = self.cloud().eips.get(eip).map(|eip| eip.address);
        let unbound = match public {
            Some(public) => self.fabric.unbind(public).await,
            None => Err("no such EIP".to_owned()),
        };
        self.kept(&format!("unbind {eip}"), unbound)
    }

    /// Waits as long as the transition of `id` lasts.
    async fn lasts(&self, id: &str, usual: Duration, delay: Option<Span>, course: &Course) {
        let roll = self.roll();
        let time = course.takes.or(delay.map(|span| span.draw(roll)));
        if let Some(hold) = course.stuck {
            self.stuck.begin(id, hold);
        }
        tokio::time::sleep(time.unwrap_or_else(|| self.tuning.jittered(usual, roll))).await;
        if let Some(hold) = course.stuck {
            self.stuck.end(id, hold).await;
        }
    }

    /// Did it work? If not, the log keeps why.
    fn kept(&self, what: &str, result: Result<(), String>) -> bool {
        result.map_err(|error| self.log.add_failure(format!("{what}: {error}"))).is_ok()
    }
}
