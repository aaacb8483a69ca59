"""Drives the emulator through the whole procedure and its rollback with the vendor's unmodified SDK.

Arguments: ENDPOINT KEY_ID KEY_SECRET INSTANCE. Prints one JSON object: what it saw, and with which versions.
"""

import json
import sys
import time
from importlib.metadata import version

from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models as vpc_models
from alibabacloud_vpc20160428.client import Client as VpcClient

REGION = "cn-lab-1"
DEADLINE_SECONDS = 60

endpoint, key_id, key_secret, instance_id = sys.argv[1:]


def config(secret, algorithm=None):
    return Config(
        access_key_id=key_id,
        access_key_secret=secret,
        endpoint=endpoint,
        protocol="http",
        region_id=REGION,
        signature_algorithm=algorithm,
    )


ecs = EcsClient(config(key_secret))
vpc = VpcClient(config(key_secret))


def until(what, read, done):
    """Repeats a read until it is done; the last value read."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        value = read()
        if done(value):
            return value
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {DEADLINE_SECONDS} s")


def instance():
    request = ecs_models.DescribeInstancesRequest(
        region_id=REGION, instance_ids=json.dumps([instance_id]), max_results=10
    )
    (found,) = ecs.describe_instances(request).body.instances.instance
    return found


def enis(eni_id):
    request = ecs_models.DescribeNetworkInterfacesRequest(region_id=REGION, network_interface_id=[eni_id])
    return ecs.describe_network_interfaces(request).body.network_interface_sets.network_interface_set


def eip(allocation_id):
    request = vpc_models.DescribeEipAddressesRequest(region_id=REGION, allocation_id=allocation_id)
    (found,) = vpc.describe_eip_addresses(request).body.eip_addresses.eip_address
    return found


def unassociate(allocation_id, kind, holder, token):
    request = vpc_models.UnassociateEipAddressRequest(
        region_id=REGION, allocation_id=allocation_id, instance_type=kind, instance_id=holder, client_token=token
    )
    vpc.unassociate_eip_address(request)
    until("unassociate", lambda: eip(allocation_id), lambda found: found.status == "Available")


def associate(allocation_id, kind, holder, private, token):
    request = vpc_models.AssociateEipAddressRequest(
        region_id=REGION,
        allocation_id=allocation_id,
        instance_type=kind,
        instance_id=holder,
        private_ip_address=private,
        mode="NAT" if private else None,
        client_token=token,
    )
    vpc.associate_eip_address(request)
    found = until("associate", lambda: eip(allocation_id), lambda found: found.status == "InUse")
    assert (found.instance_type, found.instance_id) == (kind, holder), found
    return found


def refusal(call):
    """The code of the error that the call ends with."""
    try:
        call()
    except Exception as error:  # each generation of the SDK has its own class
        return error.code
    raise SystemExit("a call that must be refused was accepted")


before = instance()
public = before.public_ip_address.ip_address[0]
assert before.status == "Running" and before.eip_address.allocation_id == ""
primary = before.network_interfaces.network_interface[0]
assert primary.type == "Primary"

types = ecs.describe_instance_types(
    ecs_models.DescribeInstanceTypesRequest(instance_types=[before.instance_type])
).body.instance_types.instance_type
assert types[0].eni_quantity > 1

gateway = vpc.describe_nat_gateways(
    vpc_models.DescribeNatGatewaysRequest(region_id=REGION, vpc_id=before.vpc_attributes.vpc_id)
).body.nat_gateways.nat_gateway[0]
snat = vpc.describe_snat_table_entries(
    vpc_models.DescribeSnatTableEntriesRequest(
        region_id=REGION, snat_table_id=gateway.snat_table_ids.snat_table_id[0], page_size=50
    )
).body.snat_table_entries.snat_table_entry
assert vpc.describe_forward_table_entries(
    vpc_models.DescribeForwardTableEntriesRequest(
        region_id=REGION, forward_table_id=gateway.forward_table_ids.forward_table_id[0]
    )
).body.forward_table_entries.forward_table_entry == []
vswitch = vpc.describe_vswitch_attributes(
    vpc_models.DescribeVSwitchAttributesRequest(region_id=REGION, v_switch_id=before.vpc_attributes.v_switch_id)
).body
assert vswitch.cidr_block in [entry.source_cidr for entry in snat]
routes = vpc.describe_route_entry_list(
    vpc_models.DescribeRouteEntryListRequest(
        region_id=REGION, route_table_id=vswitch.route_table.route_table_id, destination_cidr_block="0.0.0.0/0"
    )
).body.route_entrys.route_entry
assert routes[0].next_hops.next_hop[0].next_hop_id == gateway.nat_gateway_id
groups = ecs.describe_security_groups(
    ecs_models.DescribeSecurityGroupsRequest(
        region_id=REGION, security_group_ids=json.dumps(before.security_group_ids.security_group_id)
    )
).body.security_groups.security_group
assert groups[0].vpc_id == before.vpc_attributes.vpc_id

ecs.convert_nat_public_ip_to_eip(
    ecs_models.ConvertNatPublicIpToEipRequest(region_id=REGION, instance_id=instance_id)
)
converted = until("convert", instance, lambda found: found.eip_address.allocation_id != "")
allocation = converted.eip_address.allocation_id
assert converted.eip_address.ip_address == public and converted.public_ip_address.ip_address == []
repeated = refusal(
    lambda: ecs.convert_nat_public_ip_to_eip(
        ecs_models.ConvertNatPublicIpToEipRequest(region_id=REGION, instance_id=instance_id)
    )
)

create = ecs_models.CreateNetworkInterfaceRequest(
    region_id=REGION,
    v_switch_id=before.vpc_attributes.v_switch_id,
    security_group_ids=before.security_group_ids.security_group_id,
    network_interface_name="出口 eth1 *~+",
    delete_on_release=False,
    client_token="interop-create",
    tag=[ecs_models.CreateNetworkInterfaceRequestTag(key="egressctl:instance", value=instance_id)],
)
eni = ecs.create_network_interface(create).body
assert ecs.create_network_interface(create).body.network_interface_id == eni.network_interface_id
assert eni.network_interface_name == "出口 eth1 *~+"
ecs.attach_network_interface(
    ecs_models.AttachNetworkInterfaceRequest(
        region_id=REGION, network_interface_id=eni.network_interface_id, instance_id=instance_id
    )
)
until("attach", lambda: enis(eni.network_interface_id), lambda found: found[0].status == "InUse")

unassociate(allocation, "EcsInstance", instance_id, "interop-off-1")
bound = associate(
    allocation, "NetworkInterface", eni.network_interface_id, eni.private_ip_address, "interop-on-1"
)
assert bound.private_ip_address == eni.private_ip_address
assert instance().eip_address.allocation_id == ""
assert enis(eni.network_interface_id)[0].associated_public_ip.public_ip_address == public

unassociate(allocation, "NetworkInterface", eni.network_interface_id, "interop-off-2")
associate(allocation, "EcsInstance", instance_id, None, "interop-on-2")
ecs.detach_network_interface(
    ecs_models.DetachNetworkInterfaceRequest(
        region_id=REGION, network_interface_id=eni.network_interface_id, instance_id=instance_id
    )
)
until("detach", lambda: enis(eni.network_interface_id), lambda found: found[0].status == "Available")
ecs.delete_network_interface(
    ecs_models.DeleteNetworkInterfaceRequest(region_id=REGION, network_interface_id=eni.network_interface_id)
)
until("delete", lambda: enis(eni.network_interface_id), lambda found: found == [])

older = EcsClient(config(key_secret, "v2"))
regions = older.describe_regions(ecs_models.DescribeRegionsRequest()).body.regions.region
wrong = EcsClient(config("wrong secret"))
wrong_older = EcsClient(config("wrong secret", "v2"))

print(
    json.dumps(
        {
            "public": public,
            "eip": allocation,
            "finally_at": eip(allocation).instance_id,
            "repeated_conversion": repeated,
            "regions_by_older_signature": [region.region_id for region in regions],
            "wrong_secret": refusal(lambda: wrong.describe_regions(ecs_models.DescribeRegionsRequest())),
            "wrong_secret_older": refusal(
                lambda: wrong_older.describe_regions(ecs_models.DescribeRegionsRequest())
            ),
            "versions": {
                name: version(name)
                for name in ("alibabacloud_ecs20140526", "alibabacloud_vpc20160428", "alibabacloud_tea_openapi")
            },
        }
    )
)
