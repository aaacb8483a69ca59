//! Alibaba Cloud: ECS 2014-05-26 and VPC 2016-04-28 behind [`Cloud`], with STS 2015-04-01 for credentials.
//!
//! Layers, each on top of the next: `view`, `write`, `wait` say what to ask; `retry` and `page` repeat it;
//! `client` signs and sends it once. Must never read the process environment or the wall clock: both are
//! handed in. (The HTTP library obeys `HTTPS_PROXY` and `NO_PROXY`, for TLS endpoints elsewhere only, and a program that
//! prints credentials inherits the environment.)

#[doc(hidden)]
pub mod bench;
mod checks;
mod checkup;
mod classify;
mod client;
pub mod codes;
mod credentials;
mod endpoints;
mod env;
mod goal;
mod http;
mod page;
mod parse;
mod read;
mod retry;
mod search;
mod settle;
mod sign;
mod throttle;
mod tuning;
mod view;
mod wait;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::client::{Api, error};
use self::credentials::{Credentials, Setup};
use self::endpoints::{Endpoint, Product, Side, endpoint};
use self::http::Http;
use self::retry::{Shared, Young};
use self::throttle::Throttle;
use self::wait::{Kind, Waits, Wish};
use crate::core::inventory::{CredentialSource, Network};
use crate::core::model::{AllocationId, EniId, InstanceId, RegionId};
use crate::core::observed::{CloudView, Eip, EipHolder, Eni, FoundInstance, Instance};
use crate::ports::{
    Clock, Cloud, CloudError, CloudErrorKind, CloudSearch, EipGoal, EniGoal, EniSpec, InstanceGoal, Search,
    ViewScope,
};

pub use self::checkup::checkup;
pub use self::env::Env;
pub use self::tuning::Tuning;

/// Where the account's resources live and how to reach them.
#[derive(Debug, Clone)]
pub struct AliyunConfig {
    /// The region of everything.
    pub region: RegionId,
    /// ECS endpoint as `http(s)://host[:port]`; the region's by `network` if absent.
    pub ecs_endpoint: Option<String>,
    /// VPC endpoint as `http(s)://host[:port]`; the region's by `network` if absent.
    pub vpc_endpoint: Option<String>,
    /// STS endpoint as `http(s)://host[:port]`; the vendor's by `network` if absent.
    pub sts_endpoint: Option<String>,
    /// Which of the region's endpoints are used where none is given.
    pub network: Network,
    /// Where the keys come from.
    pub credentials: CredentialSource,
    /// The profile or section in a file of credentials; else `ALIBABA_CLOUD_PROFILE`, else the file's own choice.
    pub profile: Option<String>,
    /// The metadata service as `http://host[:port]`; `http://100.100.100.200` if absent.
    pub metadata_base: Option<String>,
    /// Limits and patience.
    pub tuning: Tuning,
}

/// The client. Dropping it ends everything it has running.
pub struct Aliyun {
    api: Arc<Api>,
    instances: Waits<Instances>,
    enis: Waits<Enis>,
    eips: Waits<Eips>,
}

impl Aliyun {
    /// Sets up the client. Sends nothing; keys of a RAM role are fetched with the first call.
    ///
    /// # Errors
    /// [`CloudErrorKind::Account`] if the chosen source has no keys, [`CloudErrorKind::Refused`] if an endpoint is
    /// malformed or TLS cannot be set up.
    pub fn new(config: &AliyunConfig, env: &Env, clock: Arc<dyn Clock>) -> Result<Self, CloudError> {
        let refused = |why: String| error(CloudErrorKind::Refused, "configuration", why);
        let AliyunConfig { region, tuning, .. } = config;
        let setup = config.setup(env);
        let [(_, ecs), (_, vpc), (_, sts)] = config.places(&setup)?;
        let credentials = Credentials::new(&setup)?;
        let tls = [&ecs, &vpc].iter().any(|endpoint| endpoint.scheme == "https") || credentials.needs_tls();
        let http = Http::new(tuning, tls).map_err(refused)?;
        let api = Api {
            region: region.clone(),
            ecs,
            vpc,
            sts,
            http,
            credentials,
            clock,
            tuning: *tuning,
            calls: Mutex::default(),
            throttle: Throttle::new(tuning.quota_share),
            young: Young::default(),
            shared: Shared::default(),
        };
        Ok(Self { api: Arc::new(api), instances: Waits::new(), enis: Waits::new(), eips: Waits::new() })
    }
}

impl AliyunConfig {
    fn setup<'a>(&'a self, env: &'a Env) -> Setup<'a> {
        Setup {
            source: self.credentials,
            profile: self.profile.clone().or_else(|| env.get("ALIBABA_CLOUD_PROFILE")),
            env,
            metadata_base: self.metadata_base.as_deref(),
            sts_given: self.sts_endpoint.as_deref(),
            region: self.region.as_str(),
            side: Side::of(self.network, env),
            tuning: &self.tuning,
        }
    }

    /// Where the products answer.
    fn places(&self, setup: &Setup<'_>) -> Result<[(Product, Endpoint); 3], CloudError> {
        let refused = |why: String| error(CloudErrorKind::Refused, "configuration", why);
        let place = |product, given: &Option<String>| {
            let found = endpoint(product, self.region.as_str(), setup.side, given.as_deref());
            found.map(|found| (product, found)).map_err(refused)
        };
        let sts = setup.sts(None, false).map_err(refused)?;
        Ok([
            place(Product::Ecs, &self.ecs_endpoint)?,
            place(Product::Vpc, &self.vpc_endpoint)?,
            (Product::Sts, sts),
        ])
    }
}

impl fmt::Debug for Aliyun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aliyun")
            .field("region", &self.api.region)
            .field("ecs", &self.api.ecs)
            .field("vpc", &self.api.vpc)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Cloud for Aliyun {
    async fn view(&self, scope: &ViewScope) -> Result<CloudView, CloudError> {
        self.api.view(scope).await
    }

    async fn make_post_paid(&self, instance: &InstanceId, token: &str) -> Result<(), CloudError> {
        self.api.make_post_paid(instance, token).await
    }

    async fn convert_public_ip(&self, instance: &InstanceId) -> Result<(), CloudError> {
        self.api.convert_public_ip(instance).await
    }

    async fn create_eni(&self, spec: &EniSpec, token: &str) -> Result<EniId, CloudError> {
        self.api.create_eni(spec, token).await
    }

    async fn delete_eni(&self, eni: &EniId) -> Result<(), CloudError> {
        self.api.delete_eni(eni).await
    }

    async fn attach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        self.api.attach_eni(eni, instance).await
    }

    async fn detach_eni(&self, eni: &EniId, instance: &InstanceId) -> Result<(), CloudError> {
        self.api.detach_eni(eni, instance).await
    }

    async fn associate_eip(
        &self,
        eip: &AllocationId,
        to: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        self.api.associate_eip(eip, to, private_ip, token).await
    }

    async fn unassociate_eip(
        &self,
        eip: &AllocationId,
        from: &EipHolder,
        private_ip: Option<Ipv4Addr>,
        token: &str,
    ) -> Result<(), CloudError> {
        self.api.unassociate_eip(eip, from, private_ip, token).await
    }

    async fn await_instance(
        &self,
        id: &InstanceId,
        goal: &InstanceGoal,
        within: Duration,
    ) -> Result<Instance, CloudError> {
        // Neither is ever taken back.
        let wish = Wish { within, recurs: false, outage: false };
        let seen = self.instances.until(&self.api, id, wish, |it, _, _| goal::instance(goal, it)).await?;
        if let Some(eip) = &seen.eip {
            self.api.young.add(eip.id.as_str());
        }
        Ok(seen)
    }

    async fn await_eni(&self, id: &EniId, goal: &EniGoal, within: Duration) -> Result<Eni, CloudError> {
        let grace = self.api.tuning.attach_grace;
        let judge = |it: &Eni, memory: &mut _, waited| goal::eni(goal, it, memory, waited, grace);
        self.enis.until(&self.api, id, Wish { within, recurs: true, outage: false }, judge).await
    }

    async fn await_eip(
        &self,
        id: &AllocationId,
        goal: &EipGoal,
        within: Duration,
    ) -> Result<Eip, CloudError> {
        // To be unbound wrongly costs a refusal of what follows; a look more would cost everybody on the way to this address.
        let unbound = matches!(goal, EipGoal::Available);
        // What is bound works when the cloud says so to the network; an outage waits only for what must come before.
        let wish = Wish { within, recurs: !unbound, outage: unbound };
        self.eips.until(&self.api, id, wish, |it, memory, _| goal::eip(goal, it, memory)).await
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.api.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl CloudSearch for Aliyun {
    async fn search(&self, search: &Search) -> Result<Vec<FoundInstance>, CloudError> {
        self.api.search(search).await
    }

    async fn denied_reads(&self) -> Vec<(String, String)> {
        self.api.denied_reads().await
    }
}

macro_rules! kind {
    ($kind:ident, $id:ty, $record:ty, $action:literal, $patience:literal, $batch:expr, $list:ident, $pick:expr, $state:expr) => {
        struct $kind;

        impl Kind for $kind {
            type Id = $id;
            type Record = $record;
            const ACTION: &'static str = $action;
            const PATIENCE: u32 = $patience;
            const BATCH: usize = $batch;

            fn describe(api: Arc<Api>, ids: BTreeSet<$id>) -> wait::Described<Self> {
                Box::pin(async move {
                    let records = api.$list(&ids).await?.into_iter().map($pick);
                    Ok(records.map(|record| (record.id.clone(), record)).collect())
                })
            }

            fn state(record: &$record) -> String {
                $state(record)
            }
        }
    };
}

kind!(
    Instances,
    InstanceId,
    Instance,
    "DescribeInstances",
    8,
    read::INSTANCE_BATCH,
    instances,
    |record| record.instance,
    |it: &Instance| format!("{:?}, {:?}", it.status, it.charge_type)
);
kind!(
    Enis,
    EniId,
    Eni,
    "DescribeNetworkInterfaces",
    8,
    read::ENI_BATCH,
    enis,
    |record| record.eni,
    |it: &Eni| format!("{:?}", it.status)
);
kind!(
    Eips,
    AllocationId,
    Eip,
    "DescribeEipAddresses",
    4,
    read::EIP_BATCH,
    eips,
    |record| record,
    |it: &Eip| format!("{:?}", it.status)
);
