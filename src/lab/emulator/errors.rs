//! The vendor's error codes that the emulator can answer with, each with its documented HTTP status.
//!
//! Must never hold a code that the vendor does not use (misspellings included): clients decide on them. Codes and statuses
//! are those of the vendor's error tables, except the few general ones under "not in the tables of the actions".

use std::time::Duration;

/// A documented error: what the vendor's error tables say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    status: u16,
    code: &'static str,
    message: &'static str,
}

impl Fault {
    const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }

    /// This error with the free text that the service fills in.
    #[must_use]
    pub(crate) fn because(self, text: impl Into<String>) -> ApiError {
        ApiError { status: self.status, code: self.code, message: text.into(), retry_after: None }
    }
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `Code`.
    pub code: &'static str,
    /// `Message`.
    pub message: String,
    /// `x-acs-retry-after`.
    pub retry_after: Option<Duration>,
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        fault.because(fault.message)
    }
}

macro_rules! faults {
    ($($name:ident = $status:literal $code:literal $message:literal;)*) => {
        $(#[doc = concat!("`", $code, "`, HTTP ", stringify!($status), ".")]
        pub(crate) const $name: Fault = Fault::new($status, $code, $message);)*

        /// Every fault above, for tests.
        #[cfg(test)]
        pub(super) const ALL: &[Fault] = &[$($name),*];
    };
}

faults! {
    // The gateway: signature, credentials, addressing.
    INCOMPLETE_SIGNATURE = 400 "IncompleteSignature" "The request signature does not conform to Alibaba Cloud standards.";
    SIGNATURE_MISMATCH = 400 "SignatureDoesNotMatch" "Specified signature is not matched with our calculation.";
    TIMESTAMP_EXPIRED = 400 "InvalidTimeStamp.Expired" "Specified time stamp or date value is expired.";
    NONCE_USED = 400 "SignatureNonceUsed" "Specified signature nonce was used already.";
    KEY_UNKNOWN = 404 "InvalidAccessKeyId.NotFound" "Specified access key is not found.";
    REGION_UNKNOWN = 404 "InvalidRegionId.NotFound" "The specified RegionId does not exist.";
    VPC_REGION_UNKNOWN = 404 "Forbidden.RegionNotFound" "Specified region is not found during access authentication.";
    INTERNAL = 500 "InternalError" "The request processing has failed due to some unknown error, exception or failure.";
    // Parameters.
    INVALID_PARAMETER = 400 "InvalidParameter" "The specified parameter is not valid.";
    PARAMETER_CONFLICT = 400 "InvalidParameter.Conflict" "The specified parameters exclude each other.";
    DRY_RUN = 400 "DryRunOperation" "Request validation has been passed with DryRun flag set.";
    TOKEN_REUSED = 400 "IdempotentParameterMismatch" "The request is retried with updated parameters.";
    TOKEN_FAILED = 400 "IdempotentFailed" "The request that this token belongs to failed.";
    TOKEN_RUNNING = 403 "LastTokenProcessing" "The last token request is processing.";
    // Instances.
    CONVERT_UNKNOWN = 403 "InvalidInstanceId.NotFound" "The specified InstanceId does not exist.";
    CONVERT_STATUS = 403 "IncorrectInstanceStatus" "The current status of the instance does not support this operation.";
    NO_PUBLIC_ADDRESS = 404 "InvalidInstance.IpAddressMissing" "The specified instance has no static public IP address.";
    ZERO_BANDWIDTH = 403 "InvalidInstance.ZeroBandwidth" "The public bandwidth of the specified instance is 0.";
    TRAFFIC_CHARGE = 403 "InvalidInternetChargeType.ValueNotSupported" "A subscription instance billed by bandwidth cannot be converted.";
    EXPIRES_SOON = 403 "InvalidEndTime.OperateNotSupport" "The subscription ends within 24 hours.";
    EIP_QUOTA = 403 "MaxEIPQuotaExceeded" "The number of EIP exceeds the limit per region.";
    CHARGE_RUNNING = 400 "InstanceHasProcessingConvertOrder" "A conversion order of the instance is being processed.";
    CHARGE_STATUS = 400 "InvalidStatus.ValueNotSupported" "The current status of the instance does not support this operation.";
    TOO_MANY_INSTANCES = 400 "InstancesIdQuotaExceed" "The maximum number of Instances is exceeded.";
    // Interfaces.
    ENI_UNKNOWN = 404 "InvalidEniId.NotFound" "The specified network interface does not exist.";
    ECS_UNKNOWN = 404 "InvalidEcsId.NotFound" "The specified instance does not exist.";
    ENI_MALFORMED = 400 "InvalidParams.EniId" "The specified network interface id is malformed.";
    ECS_MALFORMED = 400 "InvalidInstanceID.Malformed" "The specified instance id is malformed.";
    ECS_BUSY = 409 "OperationConflict" "Another operation on the instance is under way.";
    ENI_STATE = 400 "InvalidOperation.InvalidEniState" "The network interface is not in the state this operation needs.";
    ECS_STATE = 400 "InvalidOperation.InvalidEcsState" "The instance is not in the state this operation needs.";
    ENI_TYPE = 403 "InvalidOperation.InvalidEniType" "The type of the network interface does not allow this operation.";
    ENI_QUOTA = 403 "MaxEniCountExceeded" "The number of network interfaces exceeds the limit per region.";
    ENI_PER_INSTANCE = 403 "EniPerInstanceLimitExceeded" "The instance type takes no further network interface.";
    ZONE_MISMATCH = 403 "InvalidOperation.AvailabilityZoneMismatch" "Network interface and instance are in different zones.";
    VPC_MISMATCH = 403 "InvalidOperation.VpcMismatch" "Network interface, instance or security group are in different VPCs.";
    HOT_PLUG = 403 "InvalidOperation.HotPlugNotSupport" "The instance type does not support hot plugging; stop the instance first.";
    PRIMARY_DETACH = 400 "InvalidOperation.DetachPrimaryEniNotAllowed" "The primary network interface cannot be detached.";
    ENI_ELSEWHERE = 400 "InvalidParameter.EniNotBelongEcs" "The network interface is not attached to this instance.";
    GROUP_FULL = 403 "SecurityGroupInstanceLimitExceed" "The number of addresses in the security group exceeds its limit.";
    GROUP_UNKNOWN = 404 "InvalidSecurityGroupId.NotFound" "The specified security group does not exist.";
    VSWITCH_UNKNOWN = 404 "InvalidVSwitchId.NotFound" "The specified vSwitch does not exist.";
    VSWITCH_FULL = 403 "InvalidVSwitchId.IpNotEnough" "The specified VSwitch has not enough IpAddress.";
    ADDRESS_OUTSIDE = 403 "InvalidVSwitchId.IpInvalid" "The address is outside the vSwitch or reserved.";
    ADDRESS_TAKEN = 403 "InvalidIp.IpAssigned" "The address is already assigned.";
    // EIPs.
    EIP_UNKNOWN = 404 "InvalidAllocationId.NotFound" "Specified allocation ID is not found";
    EIP_STATUS = 400 "IncorrectEipStatus" "Current elastic IP status does not support this operation";
    TASK_CONFLICT = 400 "TaskConflict" "The eip operate too frequent, TaskConflict.";
    HOLDER_TYPE = 400 "InvalidInstanceType.ValueNotSupported" "The specified value of InstanceType is not supported.";
    HOLDER_UNKNOWN = 404 "InvalidInstanId.NotFound" "Specified instance does not exist.";
    HOLDER_STATUS = 400 "IncorrectInstanceStatus" "Current instance status does not support this operation.";
    ENI_ID_BAD = 400 "InvalidParameter.EniInstanceId" "The specified network interface id is not valid.";
    ENI_TRANSIENT = 400 "InvalidStatus.EniStatusNotSupport" "The network interface is in a transient state.";
    ENI_ATTACHED = 400 "Eni.Attached" "The eni should be detached from ecs when associating with direct eip.";
    DUPLICATE = 400 "InvalidAssociation.Duplicated" "Specified instance already is associated.";
    STATIC_ADDRESS = 400 "EIP_CAN_NOT_ASSOCIATE_WITH_PUBLIC_IP" "instance already bind natpublicip,cannot bind eip.";
    BANDWIDTH_LEFT = 400 "Forbidden.InstanceBandwidthNotZero" "Eip can not bind with instance when it's bandwidth is not zero.";
    PORT_MAPPED = 400 "BIND_INSTANCE_HAVE_PORTMAP_OR_BIND_EIP" "The instance may have portMap or already bind eip.";
    NOT_BOUND_THERE = 404 "InvalidBindInstance.NotFound" "The specified bind instance does not exist.";
    USED_BY_SNAT = 400 "InvalidIpStatus.HasBeenUsedBySnatTable" "The removed ip address has been used by snat table.";
    // Not in the tables of the actions: the vendor's general codes, from common use.
    TOKEN_MISMATCH = 403 "InvalidSecurityToken.MismatchWithAccessKey" "Specified SecurityToken mismatch with the AccessKey.";
    ACTION_UNKNOWN = 404 "InvalidAction.NotFound" "Specified api is not found, please check your url and method.";
    VERSION_UNKNOWN = 400 "InvalidVersion" "Specified parameter Version is not valid.";
    BODY_TOO_LARGE = 413 "RequestEntityTooLarge" "The request body is too large.";
    MISSING_PARAMETER = 400 "MissingParameter" "The input parameter that is mandatory for processing this request is not supplied.";
    RESOURCE_TYPE_UNKNOWN = 404 "InvalidResourceType.NotFound" "The ResourceType provided does not exist in our records.";
    RESOURCE_UNKNOWN = 404 "InvalidResourceId.NotFound" "The specified ResourceIds are not found in our records.";
    INSTANCE_UNKNOWN = 404 "InvalidInstanceId.NotFound" "The specified InstanceId does not exist.";
    VPC_UNKNOWN = 404 "InvalidVpcId.NotFound" "Specified VPC does not exist.";
    ROUTE_TABLE_UNKNOWN = 404 "InvalidRouteTableId.NotFound" "Specified route table does not exist.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_an_error_status_with_a_code_and_a_text() {
        for fault in ALL {
            assert!((400..600).contains(&fault.status), "{}", fault.code);
            assert!(!fault.code.contains(char::is_whitespace) && !fault.message.is_empty(), "{}", fault.code);
        }
    }

    #[test]
    fn status_and_code_together_name_one_fault() {
        let distinct: std::collections::BTreeSet<_> = ALL.iter().map(|f| (f.status, f.code)).collect();
        assert_eq!(distinct.len(), ALL.len());
    }
}
