//! The cloud: the lab's, with an effect on the network that takes its time, and a door that notes when moves of EIPs were
//! accepted.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use egressctl::cloud::aliyun::Aliyun;
use egressctl::core::model::{AllocationId, EniId, InstanceId, MacAddr};
use egressctl::core::observed::{CloudView, Eip, EipHolder, Eni, Instance};
use egressctl::lab::fabric::{Fabric, Port};
use egressctl::ports::{Cloud, CloudError, EipGoal, EniGoal, EniSpec, InstanceGoal, ViewScope};

/// Times by address or by EIP.
type Times<K, V> = Mutex<BTreeMap<K, V>>;

fn put<K: Ord, V>(times: &Times<K, V>, key: K, value: V) {
    times.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
}

/// A network in which binding and unbinding take 2 to 8 s.
#[derive(Default)]
pub(crate) struct Slow {
    /// How long each address took to be unbound.
    pub(crate) took: Times<Ipv4Addr, Duration>,
}

fn a_while() -> Duration {
    Duration::from_millis(fastrand::u64(2_000..=8_000))
}

#[async_trait]
impl Fabric for Slow {
    async fn plug(&self, _: &InstanceId, _: &Port) -> Result<(), String> {
        Ok(())
    }

    async fn unplug(&self, _: &InstanceId, _: MacAddr) -> Result<(), String> {
        Ok(())
    }

    async fn bind(&self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), String> {
        tokio::time::sleep(a_while()).await;
        Ok(())
    }

    async fn unbind(&self, public: Ipv4Addr) -> Result<(), String> {
        let time = a_while();
        put(&self.took, public, time);
        tokio::time::sleep(time).await;
        Ok(())
    }
}

/// The client, and when its moves of EIPs were accepted.
pub(crate) struct Noted {
    pub(crate) cloud: Aliyun,
    pub(crate) off: Times<AllocationId, Instant>,
    pub(crate) on: Times<AllocationId, Instant>,
    pub(crate) addresses: Times<AllocationId, Ipv4Addr>,
}

impl Noted {
    pub(crate) fn new(cloud: Aliyun) -> Arc<Self> {
        Arc::new(Self { cloud, off: Times::default(), on: Times::default(), addresses: Times::default() })
    }
}

#[async_trait]
impl Cloud for Noted {
    async fn view(&self, scope: &ViewScope) -> Result<CloudView, CloudError> {
        self.cloud.view(scope).await
    }

    async fn make_post_paid(&self, instance: &InstanceId, token: &str) -> Result<(), CloudError> {
        self.cloud.make_post_paid(instance, token).await
    }

    async fn convert_public_ip(&self, instance: &InstanceId) -> Result<(), CloudError> {
        self.cloud.convert_public_ip(instance).await
    }

    async fn create_eni(&self, spec: &EniSpec, token: &str) -> Result<EniId, CloudError> {
        self.cloud.create_eni(spec, token).await
    }

    async fn delete_eni(&self, eni: &EniId) -> Result<(), CloudError> {
        self.cloud.delete_eni(eni).await
    }

    async fn attach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        self.cloud.attach_eni(eni, instance).await
    }

    async fn detach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        self.cloud.detach_eni(eni, instance).await
    }

    async fn associate_eip(
        &self,
        eip: &AllocationId,
        to: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        let done = self.cloud.associate_eip(eip, to, private_ip, token).await;
        put(&self.on, eip.clone(), Instant::now());
        done
    }

    async fn unassociate_eip(
        &self,
        eip: &AllocationId,
        from: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        let done = self.cloud.unassociate_eip(eip, from, private_ip, token).await;
        put(&self.off, eip.clone(), Instant::now());
        done
    }

    async fn await_instance(
        &self,
        id: &InstanceId,
        goal: &InstanceGoal,
        within: Duration,
    ) -> Result<Instance, CloudError> {
        self.cloud.await_instance(id, goal, within).await
    }

    async fn await_eni(&self, id: &EniId, goal: &EniGoal, within: Duration) -> Result<Eni, CloudError> {
        self.cloud.await_eni(id, goal, within).await
    }

    async fn await_eip(
        &self,
        id: &AllocationId,
        goal: &EipGoal,
        within: Duration,
    ) -> Result<Eip, CloudError> {
        let seen = self.cloud.await_eip(id, goal, within).await?;
        put(&self.addresses, id.clone(), seen.address);
        Ok(seen)
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.cloud.calls()
    }
}
