//! Whether the world is as a report says.

use egressctl::core::event::HostOutcome;
use egressctl::core::model::RunId;
use egressctl::core::observed::{EipHolder, EipStatus, EniStatus};
use egressctl::core::plan::StepKind;
use egressctl::core::report::HostReport;
use egressctl::core::saga::{Effect, Record, Saga};
use egressctl::ports::RunVerb;

use super::region::Kept;
use super::universe::State;

impl State {
    /// The EIP is on the one interface of ours, and the host's route is there or comes back with the boot.
    pub(crate) fn is_final(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let ours = self.region.ours(&host.instance);
        let [eni] = ours.as_slice() else { return false };
        let eip = self.region.eip_of(host.public);
        eni.status == EniStatus::InUse
            && host.persists(eni.mac, eni.primary_ip)
            && (host.off.is_some() || (host.leads(eni.primary_ip) && host.leaves_by_primary()))
            && eip.is_some_and(|eip| {
                eip.status == EipStatus::InUse && eip.holder == Some(EipHolder::Eni(eni.id.clone()))
            })
    }

    /// What these records began is not so (any more), but for what cannot be taken back, and the host has its inbound
    /// address.
    fn is_back(&self, index: usize, records: &[Record]) -> Result<(), String> {
        let host = &self.hosts[index];
        let ours = self.region.ours(&host.instance);
        let instance = self.region.instances.get(&host.instance).and_then(Kept::now);
        let at_home = instance.is_some_and(|instance| instance.public_ip.is_some())
            || self.region.eip_of(host.public).is_some_and(|eip| {
                eip.status == EipStatus::InUse
                    && eip.holder == Some(EipHolder::Instance(host.instance.clone()))
            });
        let has =
            |step| records.iter().any(|record| matches!(record, Record::Intent(op) if op.kind() == step));
        let made = records.iter().find_map(|record| match record {
            Record::Done(_, Effect::EniAttached { mac, address, .. }) => Some((*mac, *address)),
            _ => None,
        });
        if has(StepKind::CreateEni) && !ours.is_empty() {
            return Err("its interface is still there".to_owned());
        }
        if has(StepKind::AttachEni) && ours.iter().any(|eni| eni.status != EniStatus::Available) {
            return Err("its interface is still attached".to_owned());
        }
        let moves = has(StepKind::Unassociate) || has(StepKind::Associate);
        if moves && !at_home {
            return Err("its EIP is not at home".to_owned());
        }
        let refused = |record: &Record| matches!(record, Record::Refused(StepKind::Configure, _));
        // A refused step has left the host as it was found.
        if has(StepKind::Configure)
            && !records.iter().any(refused)
            && let Some((mac, address)) = made
            && (host.leads(address) || (host.persists(mac, address) && !had_our_lines(records)))
        {
            return Err(format!("the host still has the route of {address}"));
        }
        if host.off.is_none() && !self.inbound(index) && moves {
            return Err("nobody reaches it".to_owned());
        }
        Ok(())
    }

    /// Compares what a verb has reported with what is.
    pub(crate) fn judge(&mut self, run: &RunId, rollback: bool, reports: &[HostReport]) {
        for report in reports {
            let Some(index) = self.hosts.iter().position(|host| host.name == report.name) else { continue };
            if let Err(why) = self.agrees(index, run, rollback, &report.outcome) {
                let name = &report.name;
                self.violate(&format!("report: {name} is said to be {:?}, but {why}", report.outcome));
            }
        }
    }

    fn agrees(&self, index: usize, run: &RunId, rollback: bool, outcome: &HostOutcome) -> Result<(), String> {
        let begun = self.begun(index, run);
        match outcome {
            HostOutcome::Changed if rollback => self.is_back(index, &begun),
            HostOutcome::Changed | HostOutcome::Ok if !rollback => {
                if self.is_final(index) {
                    Ok(())
                } else {
                    Err("it is not".to_owned())
                }
            }
            HostOutcome::Reverted(_) => self.is_back(index, &begun),
            HostOutcome::Unknown(why) if why.is_empty() => Err("why is not said".to_owned()),
            HostOutcome::Unknown(_) | HostOutcome::Ok | HostOutcome::Changed => Ok(()),
            _ if self.did(index, run) => Err("it was begun".to_owned()),
            _ => Ok(()),
        }
    }

    /// This run itself has announced something about the host; a rollback's copy of older records is nothing.
    fn did(&self, index: usize, run: &RunId) -> bool {
        let copied = match self.undoes(run) {
            Some(of) => self.records_of(index, of).len(),
            None => 0,
        };
        let own = self.records_of(index, run);
        let mut own = own.iter().skip(copied);
        own.any(|record| matches!(record, Record::Intent(_) | Record::UndoIntent(_)))
    }

    /// The run that a rollback takes back.
    fn undoes(&self, run: &RunId) -> Option<&RunId> {
        let meta = self.books[self.book].runs.iter().find(|known| known.id == *run)?;
        if let RunVerb::Rollback(of) = &meta.verb { Some(of) } else { None }
    }

    /// What a run has begun on a host, or the run that it takes back, however often that was tried.
    fn begun(&self, index: usize, run: &RunId) -> Vec<Record> {
        let mut first = run;
        while let Some(of) = self.undoes(first) {
            first = of;
        }
        self.records_of(index, first)
    }

    /// What the journal holds of one host's part of a run.
    fn records_of(&self, index: usize, run: &RunId) -> Vec<Record> {
        let name = &self.hosts[index].name;
        let own = self.books[self.book].records(run).filter(|(host, ..)| *host == name);
        own.map(|(_, _, record)| record.clone()).collect()
    }

    /// What the journal holds of a run can be replayed.
    pub(crate) fn replay(&mut self, run: &RunId) {
        let mut wrong = Vec::new();
        for host in &self.hosts {
            let own = self.books[self.book].records(run).filter(|(name, ..)| **name == host.name);
            if let Err(why) = Saga::replay(own.map(|(_, _, record)| record)) {
                wrong.push(format!("journal: run {run}, {}: {why}", host.name));
            }
        }
        wrong.iter().for_each(|what| self.violate(what));
    }
}

/// The run has found our lines in `rc.local`, so taking it back leaves them there.
fn had_our_lines(records: &[Record]) -> bool {
    records.iter().any(|record| match record {
        Record::Done(_, effect @ Effect::Persisted { .. }) => {
            let (files, _) = effect.files().unwrap_or_default();
            // What is there already is left alone.
            files.is_empty()
                || files
                    .into_iter()
                    .any(|file| file.before.is_some_and(|text| super::host::block(&text).is_some()))
        }
        _ => false,
    })
}
