//! Instances: conversion of the static public address, change of the charge type.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::super::errors::{
    ApiError, CHARGE_RUNNING, CHARGE_STATUS, CONVERT_STATUS, CONVERT_UNKNOWN, EIP_QUOTA, EXPIRES_SOON,
    INSTANCE_UNKNOWN, NO_PUBLIC_ADDRESS, TRAFFIC_CHARGE, ZERO_BANDWIDTH,
};
use super::{Cloud, Eip, EipStatus, Holder, words};
use crate::core::model::{AllocationId, EniId, InstanceId, VSwitchId};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

words! {
    /// `InstanceChargeType`.
    ChargeType {
        /// Subscription.
        PrePaid,
        /// Pay as you go.
        PostPaid,
    }
}
words! {
    /// `InternetChargeType`.
    TrafficCharge {
        /// By volume.
        PayByTraffic,
        /// By bandwidth.
        PayByBandwidth,
    }
}
/// A change under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Change {
    /// The static public address is becoming an EIP.
    Converting,
    /// The charge type is being changed.
    Charging,
}

/// An instance. It is always `Running`: the lab does not stop instances by the API.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Instance {
    /// `InstanceId`.
    pub id: InstanceId,
    /// `InstanceName` and `HostName`.
    pub name: String,
    /// `InstanceType`.
    pub instance_type: String,
    /// `ImageId`.
    pub image: String,
    /// `InstanceChargeType`.
    pub charge: ChargeType,
    /// `InternetChargeType`.
    pub traffic: TrafficCharge,
    /// `InternetMaxBandwidthOut`, Mbit/s.
    pub bandwidth: u32,
    /// Days from the lab's beginning to `ExpiredTime`; subscriptions only.
    pub days: Option<u32>,
    /// The static public address.
    pub public: Option<Ipv4Addr>,
    /// Primary private address.
    pub address: Ipv4Addr,
    /// Its primary interface.
    pub primary_eni: EniId,
    /// Its vSwitch.
    pub vswitch: VSwitchId,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What is being changed.
    pub change: Option<Change>,
}

impl Instance {
    /// Nothing is being changed.
    #[must_use]
    pub(crate) fn is_steady(&self) -> bool {
        self.change.is_none()
    }
}

impl Cloud {
    /// Begins `ConvertNatPublicIpToEip`; at most `quota` EIPs may exist after it.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn start_convert(
        &mut self,
        id: &str,
        quota: usize,
        now_ms: i64,
    ) -> Result<InstanceId, ApiError> {
        let converting = self.instances.values().filter(|i| i.change == Some(Change::Converting)).count();
        let eips = self.eips.len() + converting;
        let began = self.began_ms;
        let instance = self.instance_mut(id).ok_or(CONVERT_UNKNOWN)?;
        if !instance.is_steady() {
            return Err(CONVERT_STATUS.into());
        }
        if instance.public.is_none() {
            return Err(NO_PUBLIC_ADDRESS.into());
        }
        if instance.bandwidth == 0 {
            return Err(ZERO_BANDWIDTH.into());
        }
        if instance.charge == ChargeType::PrePaid {
            if instance.traffic == TrafficCharge::PayByBandwidth {
                return Err(TRAFFIC_CHARGE.into());
            }
            if instance.days.is_some_and(|days| began + i64::from(days) * DAY_MS - now_ms < DAY_MS) {
                return Err(EXPIRES_SOON.into());
            }
        }
        if eips >= quota {
            return Err(EIP_QUOTA.into());
        }
        instance.change = Some(Change::Converting);
        Ok(instance.id.clone())
    }

    /// Ends the conversion: the same address, now an EIP on the instance; or all as it was.
    pub(crate) fn finish_convert(&mut self, id: &InstanceId, converted: bool) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.change = None;
        if !converted {
            return;
        }
        let name = format!("eip-{}", id.as_str().trim_start_matches("i-"));
        let (Some(address), Ok(allocation)) = (instance.public.take(), name.parse::<AllocationId>()) else {
            return;
        };
        let eip = Eip {
            id: allocation.clone(),
            address,
            name: String::new(),
            status: EipStatus::InUse,
            holder: Some(Holder::Instance(id.clone())),
            private: Some(instance.address),
            bandwidth: std::mem::take(&mut instance.bandwidth),
            tags: BTreeMap::new(),
        };
        self.eips.insert(allocation, eip);
    }

    /// Begins `ModifyInstanceChargeType` to pay as you go for all of these, or for none.
    ///
    /// # Errors
    /// The refusals documented for the action.
    pub(crate) fn check_post_paid(&self, ids: &[String]) -> Result<Vec<InstanceId>, ApiError> {
        ids.iter()
            .map(|id| {
                let instance = self.instance(id).ok_or(INSTANCE_UNKNOWN)?;
                match instance.change {
                    Some(Change::Charging) => Err(CHARGE_RUNNING.into()),
                    _ if !instance.is_steady() || instance.charge == ChargeType::PostPaid => {
                        Err(CHARGE_STATUS.into())
                    }
                    _ => Ok(instance.id.clone()),
                }
            })
            .collect()
    }

    /// Marks the change of charge type as under way.
    pub(crate) fn start_post_paid(&mut self, ids: &[InstanceId]) {
        for id in ids {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.change = Some(Change::Charging);
            }
        }
    }

    /// Ends it. Traffic is paid by volume afterwards, as pay-as-you-go instances of the lab do; or all is as it was.
    pub(crate) fn finish_post_paid(&mut self, ids: &[InstanceId], changed: bool) {
        for id in ids {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.change = None;
                if !changed {
                    continue;
                }
                instance.charge = ChargeType::PostPaid;
                instance.traffic = TrafficCharge::PayByTraffic;
                instance.days = None;
            }
        }
    }

    pub(super) fn instance_mut(&mut self, id: &str) -> Option<&mut Instance> {
        id.parse().ok().and_then(|id: InstanceId| self.instances.get_mut(&id))
    }
}
