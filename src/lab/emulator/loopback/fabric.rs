//! A fabric that remembers what it was asked for, and fails on demand.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::core::model::{InstanceId, MacAddr};
use crate::lab::fabric::{Fabric, Port};

#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) done: Mutex<Vec<String>>,
    pub(super) broken: AtomicBool,
}

impl Recorder {
    fn note(&self, what: String) -> Result<(), String> {
        if self.broken.load(Ordering::SeqCst) {
            return Err("broken on demand".to_owned());
        }
        self.done.lock().unwrap().push(what);
        Ok(())
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.done.lock().unwrap())
    }
}

#[async_trait]
impl Fabric for Recorder {
    async fn plug(&self, instance: &InstanceId, port: &Port) -> Result<(), String> {
        self.note(format!("plug {instance} {} {} {}", port.address, port.cidr, port.source_check))
    }

    async fn unplug(&self, instance: &InstanceId, _: MacAddr) -> Result<(), String> {
        self.note(format!("unplug {instance}"))
    }

    async fn bind(&self, public: Ipv4Addr, private: Ipv4Addr) -> Result<(), String> {
        self.note(format!("bind {public} {private}"))
    }

    async fn unbind(&self, public: Ipv4Addr) -> Result<(), String> {
        self.note(format!("unbind {public}"))
    }
}
