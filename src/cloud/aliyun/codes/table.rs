//! The rows, one for each code, by class.
//!
//! Must never say more than the vendor's documents and the logs of others do.

use super::super::classify::Then;
use super::{Class, Row};

macro_rules! rows {
    ($($class:ident $then:ident $code:literal $(($action:literal))? $means:literal, $fix:literal;)*) => {
        pub(super) static ROWS: &[Row] = &[$(Row {
            code: $code,
            action: rows!(@ $($action)?),
            class: Class::$class,
            then: Then::$then,
            means: $means,
            fix: $fix,
        }),*];
    };
    (@) => { None };
    (@ $action:literal) => { Some($action) };
}

rows! {
    RetryNow Throttled "Throttling"
        "more calls of this action than the account's quota for a minute allows; other programs and the console count too", "lower cloud.quota_share, or have the quota raised in Quota Center";
    RetryNow Slow "Throttling" ("ModifyInstanceChargeType")
        "orders are throttled by minutes, not by seconds", "";
    RetryNow Throttled "Throttling.User"
        "the gateway limits this user", "lower cloud.quota_share";
    RetryNow Throttled "Throttling.Api"
        "the gateway limits this action", "lower cloud.quota_share";
    RetryNow Throttled "Throttling.DeepPageSkip"
        "pages far behind were asked for too fast", "";
    RetryNow Throttled "Rejected.Throttling"
        "the gateway turned the request away", "lower cloud.quota_share";
    RetryNow Repeat "ServiceUnavailable"
        "the server is out of order for the moment", "";
    RetryNow Repeat "InternalError"
        "the server failed while it was at it", "";
    RetryNow Repeat "LastTokenProcessing"
        "the first request with this token is still being made", "";
    RetryNow Repeat "SignatureNonceUsed"
        "the request was delivered twice", "";
    RetryNow Fresh "IdempotentFailed"
        "the request this token belongs to failed", "";
    RetryNow Renew "InvalidSecurityToken.Expired"
        "the session credentials have expired", "";
    WaitForState Later "TaskConflict"
        "another task on this EIP or its holder is running", "";
    WaitForState Later "OperationConflict"
        "another request changes the same thing", "";
    WaitForState Later "Operation.Conflict"
        "another request changes the same thing", "";
    WaitForState Later "InvalidOperation.Conflict"
        "another request changes the same thing", "";
    WaitForState Later "OperationFailed.SystemBusy"
        "the system is busy", "";
    WaitForState Later "SystemBusy"
        "the system is busy", "";
    WaitForState Later "OperationFailed.EcsMigrating"
        "the instance is being migrated to other hardware", "";
    WaitForState Later "IncorrectEipStatus"
        "the EIP is on its way, or already where it should be", "";
    WaitForState Later "IncorrectInstanceStatus"
        "the instance is neither running nor stopped", "";
    WaitForState Later "IncorrectVSwitchStatus"
        "the vSwitch is being changed", "";
    WaitForState Later "IncorrectStatus"
        "what is named is being changed", "";
    WaitForState Later "IncorrectStatus.NATGW"
        "the NAT gateway is being changed", "";
    WaitForState Later "IncorretSnatEntryStatus"
        "an entry of the SNAT table is pending", "";
    WaitForState Later "InvalidBindingStatus"
        "the EIP's binding is on its way", "";
    WaitForState Later "InvalidStatus.EcsStatusNotSupport"
        "the instance is on its way between two states", "";
    WaitForState Later "InvalidStatus.EniStatusNotSupport"
        "the interface is being attached or detached", "";
    WaitForState Later "InvalidStatus.InstanceHasBandWidth"
        "the instance's own public bandwidth is not gone yet", "";
    WaitForState Later "InvalidStatus.NotAllow"
        "the holder's state does not allow it", "";
    WaitForState Later "InvalidStatus.ValueNotSupported"
        "the instance's state does not allow it", "";
    WaitForState Later "InvalidOperation.InvalidEcsState"
        "the instance is busy", "";
    WaitForState Later "InvalidOperation.InvalidEniState"
        "the interface is in another state than the call needs", "";
    WaitForState Later "InvalidOperation.InvalidEniType"
        "the interface's kind does not allow it; seen for moments", "";
    WaitForState Later "InvalidAction.Denied"
        "a change of the EIP's configuration is not finished", "";
    WaitForState Later "InstanceHasProcessingConvertOrder"
        "an order for this instance is being carried out", "";
    WaitForState Later "EIP_NOT_IN_GATEWAY"
        "the EIP is not on the NAT gateway yet", "";
    WaitForState Later "ReserveIpFail"
        "no address could be reserved", "";
    StopRun Stop "SignatureDoesNotMatch"
        "the secret is wrong, or something on the way changes requests", "check the secret, and proxies";
    StopRun Stop "IncompleteSignature"
        "the signature arrived damaged", "check proxies that rewrite headers";
    StopRun Stop "InvalidTimeStamp.Expired"
        "this machine's clock is off by more than 15 minutes", "set the clock (NTP)";
    StopRun Stop "InvalidAccessKeyId.NotFound"
        "there is no such access key", "check which credentials are used";
    StopRun Stop "InvalidAccessKeyId.Inactive"
        "the access key is switched off", "enable it, or use another";
    StopRun Stop "Forbidden.AccessKeyDisabled"
        "the access key is switched off", "enable it, or use another";
    StopRun Stop "InvalidSecurityToken.Malformed"
        "the security token is damaged", "get new session credentials";
    StopRun Stop "InvalidSecurityToken.MismatchWithAccessKey"
        "the security token belongs to another key", "get new session credentials";
    StopRun Stop "MissingSecurityToken"
        "these are session credentials without their token", "set the security token as well";
    StopRun Stop "Forbidden.RAM"
        "the RAM policy does not allow this action", "allow it in the policy";
    StopRun Stop "Forbidden.SubUser"
        "this RAM user may not do that", "allow it in the policy";
    StopRun Stop "Forbidden.NotSupportRAM"
        "RAM users may not call this action at all", "use a role or account that may";
    StopRun Stop "Forbidden.RiskControl"
        "the vendor's risk control holds the account", "ask the vendor";
    StopRun Stop "Forbidden.RegionId"
        "the service is not in this region", "check cloud.region";
    StopRun Stop "Forbidden.RegionNotFound"
        "there is no such region", "check cloud.region";
    StopRun Stop "InvalidRegionId.NotFound"
        "there is no such region", "check cloud.region";
    StopRun Stop "InvalidUserType.NotSupported"
        "this kind of account may not do that", "ask the vendor";
    StopRun Stop "NoPermission"
        "the RAM policy does not allow this action", "allow it in the policy";
    StopRun Stop "NoPermission.Refund"
        "the RAM user may not ask for refunds", "grant it the refund permission";
    StopRun Stop "Account.Arrearage"
        "the account owes money", "settle the account";
    StopRun Stop "InvalidAccountStatus.NotEnoughBalance"
        "the account's balance is too low", "top up the account";
    StopRun Stop "InsufficientBalance"
        "the account's balance is too low", "top up the account";
    Human Stop "MaxEIPQuotaExceeded"
        "the account has as many EIPs as it may (20 unless raised)", "raise the quota in Quota Center, then go on";
    Human Stop "QuotaExceeded.Eip"
        "the account has as many EIPs as it may", "raise the quota in Quota Center";
    Human Stop "MaxEniCountExceeded"
        "the region has as many interfaces as the account may have", "raise the quota in Quota Center";
    Human Stop "QuotaExceed.RufundVcpu"
        "this month's quota of refunds is used up", "go on next month, or ask the vendor";
    Human Stop "QuotaExceed.AfterpayInstance"
        "the account has as many pay-as-you-go instances as it may", "raise the quota in Quota Center";
    Human Stop "QuotaExceed.ElasticQuota"
        "no quota is left for this instance type, pay as you go", "raise the quota in Quota Center";
    Human Stop "QuotaExceed.PostPaidDisk"
        "the account has as many pay-as-you-go disks as it may", "raise the quota in Quota Center";
    Human Stop "QuotaExceeded.InternetBandwidth"
        "the sum of pay-as-you-go bandwidth is at its limit", "raise the quota in Quota Center";
    Human Stop "InvalidInstance.OverduePayment"
        "the instance is locked because a payment is overdue", "settle the account";
    Human Stop "InvalidInstance.UnpaidOrder"
        "an order for the instance is not paid", "pay or cancel it";
    Human Stop "InvalidEIPStatus.BizDisabled"
        "the EIP is locked, for money or security", "ask the vendor why";
    Human Stop "Forbidden.FinancialLocked"
        "the EIP is locked because a payment is overdue", "settle the account";
    Human Stop "ExpiredInstance"
        "the subscription has expired", "renew it";
    Human Stop "InvalidEndTime.OperateNotSupport"
        "the subscription ends within a day", "renew it, or wait until it is over";
    Human Stop "InvalidInstanceId.PlanedChange"
        "a change of the instance's configuration is pending", "let it happen (restart), or cancel it";
    Human Stop "InvalidInstance.TempBandwidthUpgrade"
        "a temporary upgrade of the bandwidth is active", "wait until it is over";
    Human Stop "Forbidden.ChargeTypeIsPrepaid"
        "the EIP is a subscription", "unsubscribe it first";
    Human Stop "OperationDenied"
        "the vendor denies it without a closer reason", "read the message, ask the vendor with the RequestId";
    RefuseHost Stop "IdempotentParameterMismatch"
        "this token was used with other parameters", "roll the run back and apply again: a new run has new tokens";
    RefuseHost Stop "InvalidIdempotenceParameter.Mismatch"
        "this token was used with other parameters", "roll the run back and apply again: a new run has new tokens";
    RefuseHost Stop "DryRunOperation"
        "a dry run passed every check and changed nothing", "egressctl asks for none: look for who rewrites requests";
    RefuseHost Look "InvalidInstance.IpAddressMissing"
        "the instance has no static public address (any more)", "";
    RefuseHost Look "InvalidAssociation.Duplicated"
        "the holder has an EIP already", "";
    RefuseHost Look "InvalidParameter.EniNotBelongEcs"
        "the interface is not at that instance", "";
    RefuseHost Look "InvalidBindInstance.NotFound"
        "the EIP is not bound there", "";
    RefuseHost Look "InvalidEniId.NotFound"
        "there is no such interface (any more)", "";
    RefuseHost Look "InvalidSnatEntryId.NotFound"
        "there is no such entry (any more)", "";
    RefuseHost Look "InvalidAllocationId.NotFound" ("ReleaseEipAddress")
        "the EIP is gone already", "";
    RefuseHost Stop "InvalidAllocationId.NotFound"
        "there is no such EIP", "plan again: somebody released it";
    RefuseHost Stop "InvalidInstanceId.NotFound"
        "there is no such instance", "check the inventory";
    RefuseHost Stop "InvalidInstanId.NotFound"
        "there is no such instance", "check the inventory";
    RefuseHost Stop "InvalidEcsId.NotFound"
        "there is no such instance", "check the inventory";
    RefuseHost Stop "InvalidNicOrVm.NotFound"
        "what the EIP should be bound to does not exist", "plan again";
    RefuseHost Stop "InvalidVSwitchId.NotFound"
        "there is no such vSwitch", "check eni.vswitch";
    RefuseHost Stop "InvalidSecurityGroupId.NotFound"
        "there is no such security group", "check eni.security_groups";
    RefuseHost Stop "InvalidSnatTableId.NotFound"
        "there is no such SNAT table", "plan again";
    RefuseHost Stop "InvalidInstanceStatus.Released"
        "the instance has been released", "take it out of the inventory";
    RefuseHost Stop "InvalidInstance.ZeroBandwidth"
        "the instance's public bandwidth is 0", "give it 1 Mbit/s or more";
    RefuseHost Stop "Forbidden.InvalidPublicBandwidth"
        "the instance's public bandwidth is below 1 Mbit/s", "give it 1 Mbit/s or more";
    RefuseHost Stop "InvalidInternetChargeType.ValueNotSupported"
        "a subscription that pays for bandwidth cannot be converted", "allow the change of the charge type, or let it pay by traffic";
    RefuseHost Stop "EIPMaxBandwidthExceeded"
        "the instance's bandwidth is above what an EIP may have here", "lower it";
    RefuseHost Stop "UnsupportedPublicIpWithIsp"
        "the address belongs to a single carrier's line", "leave this host out";
    RefuseHost Stop "OperationDenied.CloudboxNotSupport"
        "instances in a CloudBox have no EIPs", "leave this host out";
    RefuseHost Stop "OperationDenied.Ipv4GatewayExist"
        "the VPC's IPv4 gateway does not allow this mode", "put the interface into a vSwitch that is routed to it";
    RefuseHost Stop "InstancesIdQuotaExceed"
        "too many instances in one call", "report it: egressctl sends one";
    RefuseHost Stop "InvalidOperation.NotSupport"
        "the instance is on a dedicated host", "leave this host out";
    RefuseHost Stop "InvalidParams.EniId"
        "the interface's id is malformed", "report it";
    RefuseHost Stop "InvalidInstanceID.Malformed"
        "the instance's id is malformed", "check the inventory";
    RefuseHost Stop "EniPerInstanceLimitExceeded"
        "the instance type takes no further interface", "detach one, or change the type";
    RefuseHost Stop "InvalidOperation.AvailabilityZoneMismatch"
        "the vSwitch is in another zone than the instance", "set eni.vswitch to one of its zone";
    RefuseHost Stop "InvalidOperation.VpcMismatch"
        "interface, instance or group are in different VPCs", "check eni.vswitch and eni.security_groups";
    RefuseHost Stop "SecurityGroupInstanceLimitExceed"
        "the security group is full", "use another in eni.security_groups";
    RefuseHost Stop "InvalidSecurityGroupId.NotVpc"
        "the security group is none of a VPC", "use another in eni.security_groups";
    RefuseHost Stop "InvalidOperation.EniServiceManaged"
        "the interface belongs to a service of the cloud", "leave it alone";
    RefuseHost Stop "InvalidVSwitchId.IpNotEnough"
        "the vSwitch has no free address", "set eni.vswitch to another of the zone";
    RefuseHost Stop "InvalidVSwitchId.IpInvalid"
        "the address is outside the vSwitch, or reserved", "check eni.primary_ip";
    RefuseHost Stop "InvalidIp.IpAssigned"
        "the address is taken", "check eni.primary_ip";
    RefuseHost Stop "InvalidParameter.Conflict"
        "parameters exclude each other", "report it";
    RefuseHost Stop "InvalidOperation.HotPlugNotSupport"
        "this instance type takes interfaces only while it is stopped", "stop it, attach, start it; or leave it out";
    RefuseHost Stop "InvalidOperation.EniHotPlugNotSupported"
        "this instance type takes interfaces only while it is stopped", "stop it, attach, start it; or leave it out";
    RefuseHost Stop "InvalidOperation.InvalidGeneration"
        "the instance type is too old for further interfaces", "change the type, or leave it out";
    RefuseHost Stop "InvalidOperation.Ipv4CountExceeded"
        "the type takes fewer private addresses than the interface has", "use an interface with one address";
    RefuseHost Stop "InvalidOperation.Ipv6NotSupport"
        "the type takes no IPv6 addresses, the interface has some", "use an interface without";
    RefuseHost Stop "InvalidOperation.DetachPrimaryEniNotAllowed"
        "the primary interface cannot be detached", "report it: egressctl never means it";
    RefuseHost Stop "InvalidOperation.HasSlaveEniBonded"
        "a subordinate interface hangs on it", "detach that first";
    RefuseHost Stop "InvalidInstanceType.ValueNotSupported"
        "the kind of holder is not supported", "report it";
    RefuseHost Stop "InvalidParameter"
        "a parameter is not valid", "read the message";
    RefuseHost Stop "InvalidParameter.EniInstanceId"
        "the interface's id is not valid here", "plan again";
    RefuseHost Stop "InvalidParameter.Mismatch"
        "EIP and holder are in different regions", "check cloud.region";
    RefuseHost Stop "Eni.Attached"
        "a cut-through EIP needs a detached interface", "use NAT mode";
    RefuseHost Stop "Forbidden"
        "the EIP belongs to another account", "check the inventory";
    RefuseHost Stop "EIP_CAN_NOT_ASSOCIATE_WITH_PUBLIC_IP"
        "the instance has a static public address", "convert it first";
    RefuseHost Stop "Forbidden.InstanceBandwidthNotZero"
        "the instance has public bandwidth of its own", "set it to 0, then go back";
    RefuseHost Stop "BIND_INSTANCE_HAVE_PORTMAP_OR_BIND_EIP"
        "a DNAT entry points at the holder, or it has an EIP", "remove the entry";
    RefuseHost Stop "InvalidEip.EipQuotaExceeded"
        "the interface has more EIPs than private addresses", "take one off";
    RefuseHost Stop "OperationFailed.EipBindModeConflict"
        "EIPs of another mode are on the interface", "take them off";
    RefuseHost Stop "Mode.Conflict"
        "EIPs of another mode are on the interface", "take them off";
    RefuseHost Stop "InvalidIpStatus.HasBeenUsedBySnatTable"
        "a SNAT entry uses the EIP", "take it out of the entry";
    RefuseHost Stop "InvalidIpStatus.HasBeenUsedByForwardEntry"
        "a DNAT entry uses the EIP", "take it out of the entry";
}
