"""Makes the stack in moto's imitation of AWS, and prints as JSON what is there then.

Runs in the environment of the tools for clouds, not in that of the project: python moto_stack.py TEMPLATE
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

REGION = "us-east-1"
"""moto takes the zones of that region for every one."""
NATS_GIB = "11"
"""So that these disks can be told from others."""
GIVEN = {
    "Image": "registry.example/rillcast:1",
    "DomainName": "live.example.org",
    "OriginDomainName": "publish.example.org",
    "EdgeDomainName": "play.example.org",
    "OperatorCidr": "198.51.100.0/24",
    "NatsDiskGiB": NATS_GIB,
    "ScheduleFrom": "45 19 * * 1-5",
    "ScheduleUntil": "0 23 * * 1-5",
    "SignalingLeastScheduled": "5",
    "OriginLeastScheduled": "5",
    "EdgeLeastScheduled": "5",
    "TranscoderLeastScheduled": "4",
}


def parameters(zone: str, **more: str) -> list[dict[str, str]]:
    """As create_stack takes them."""
    values = GIVEN | {"HostedZoneId": zone} | more
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def found(client: Any, scaling: Any, doors: Any, *, names: Any, zone: str) -> dict[str, Any]:
    """What there is, as the services themselves tell it."""
    groups = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    balancers = doors.describe_load_balancers()["LoadBalancers"]
    listeners = [
        one
        for balancer in balancers
        for one in doors.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    ]
    data = {}
    for one in client.describe_launch_templates()["LaunchTemplates"]:
        versions = client.describe_launch_template_versions(LaunchTemplateId=one["LaunchTemplateId"])
        data[one["LaunchTemplateName"]] = versions["LaunchTemplateVersions"][-1]["LaunchTemplateData"]
    scheduled: dict[str, list[Any]] = {}
    for one in scaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"]:
        scheduled.setdefault(one["AutoScalingGroupName"], []).append([one["Recurrence"], one["MinSize"]])
    return {
        "scheduled": {group: sorted(actions) for group, actions in scheduled.items()},
        "groups": {
            group["AutoScalingGroupName"]: {
                "least": group["MinSize"],
                "most": group["MaxSize"],
                "running": len(group["Instances"]),
                "zones": sorted(group["AvailabilityZones"]),
                "doors": len(group["TargetGroupARNs"]),
            }
            for group in groups
        },
        "listeners": sorted([one["Protocol"], one["Port"]] for one in listeners),
        "rules": {one["Port"]: len(doors.describe_rules(ListenerArn=one["ListenerArn"])["Rules"]) for one in listeners},
        "names": sorted(
            one["Name"]
            for one in names.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
            if one["Type"] == "A"
        ),
        "starts": [base64.b64decode(one["UserData"]).decode() for one in data.values()],
        "disks": sorted(
            one["AvailabilityZone"] for one in client.describe_volumes()["Volumes"] if str(one["Size"]) == NATS_GIB
        ),
    }


def main() -> None:
    """One JSON object on standard output."""
    template = Path(sys.argv[1]).read_text(encoding="utf-8")
    with mock_aws():
        names = boto3.client("route53", REGION)
        zone = names.create_hosted_zone(Name="example.org", CallerReference="1")["HostedZone"]["Id"].rpartition("/")[2]
        stacks = boto3.client("cloudformation", REGION)
        # moto makes no certificates by CloudFormation.
        mine = boto3.client("acm", REGION).request_certificate(DomainName="live.example.org")["CertificateArn"]
        said = parameters(zone, CertificateArn=mine)
        stacks.create_stack(StackName="rillcast", TemplateBody=template, Parameters=said)
        clients = [boto3.client(name, REGION) for name in ("ec2", "autoscaling", "elbv2")]
        resources = stacks.describe_stack_resources(StackName="rillcast")["StackResources"]
        told = {
            "status": stacks.describe_stacks(StackName="rillcast")["Stacks"][0]["StackStatus"],
            "resources": sorted({one["ResourceType"] for one in resources if "ResourceType" in one}),
            **found(*clients, names=names, zone=zone),
        }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
