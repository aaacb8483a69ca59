//! What happens after an accepted call: the wait, the effect on the network, the state's last step.
//!
//! An effect that fails lets the resource fall back to where it was, and is kept in the log.

use std::sync::Arc;

use super::Emulator;
use super::actions::Task;

impl Emulator {
    /// Carries a task out to its end.
    pub(super) async fn carry_out(self: Arc<Self>, task: Task) {
        match task {
            Task::Attach(eni) => {
                self.pause(self.tuning.attach).await;
                let port = self.cloud().port(&eni, self.tuning.source_check);
                let plugged = match port {
                    Some((instance, port)) => self.fabric.plug(&instance, &port).await,
                    None => Err("not on its way to an instance".to_owned()),
                };
                let plugged = self.kept(&format!("plug {eni}"), plugged);
                self.cloud().finish_attach(&eni, plugged);
            }
            Task::Detach(eni) => {
                self.pause(self.tuning.detach).await;
                let port = self.cloud().port(&eni, self.tuning.source_check);
                let unplugged = match port {
                    Some((instance, port)) => self.fabric.unplug(&instance, port.mac).await,
                    None => Err("not on its way from an instance".to_owned()),
                };
                let unplugged = self.kept(&format!("unplug {eni}"), unplugged);
                self.cloud().finish_detach(&eni, unplugged);
            }
            Task::DeleteEni(eni) => {
                self.pause(self.tuning.delete).await;
                self.cloud().finish_delete(&eni);
            }
            Task::Associate(eip) => {
                self.pause(self.tuning.associate).await;
                let pair = self.cloud().eips.get(&eip).and_then(|eip| Some((eip.address, eip.private?)));
                let bound = match pair {
                    Some((public, private)) => self.fabric.bind(public, private).await,
                    None => Err("not on its way to a holder".to_owned()),
                };
                let bound = self.kept(&format!("bind {eip}"), bound);
                self.cloud().finish_associate(&eip, bound);
            }
            Task::Unassociate(eip) => {
                let public = self.cloud().eips.get(&eip).map(|eip| eip.address);
                let unbound = match public {
                    Some(public) => self.fabric.unbind(public).await,
                    None => Err("no such EIP".to_owned()),
                };
                let unbound = self.kept(&format!("unbind {eip}"), unbound);
                self.pause(self.tuning.unassociate).await;
                self.cloud().finish_unassociate(&eip, unbound);
            }
            Task::Convert(instance) => {
                self.pause(self.tuning.convert).await;
                self.cloud().finish_convert(&instance);
            }
            Task::PostPaid(instances) => {
                self.pause(self.tuning.charge).await;
                self.cloud().finish_post_paid(&instances);
            }
            Task::Created => self.pause(self.tuning.create).await,
        }
    }

    async fn pause(&self, base: std::time::Duration) {
        tokio::time::sleep(self.tuning.jittered(base, self.roll())).await;
    }

    /// Did it work? If not, the log keeps why.
    fn kept(&self, what: &str, result: Result<(), String>) -> bool {
        result.map_err(|error| self.log.add_failure(format!("{what}: {error}"))).is_ok()
    }
}
