"""Groups of nodes that grow and shrink, and the NATS servers."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.clouds.aws.keys import may_leave, may_pull, may_read, role, secret_of
from scripts.clouds.aws.network import PRIVATE, PUBLIC, ZONES
from scripts.clouds.aws.terms import Json, got, ref, resource, sub, tags, zone
from scripts.clouds.groups import (
    AHEAD_MINUTES,
    CPU_PERCENT,
    GROUPS,
    HOOK_S,
    NAMESPACE,
    NATS_SERVERS,
    SPIKE_SHARE,
    Group,
    Target,
)
from scripts.clouds.start import script

DIMENSION = "AutoScalingGroupName"
HOOK = "drain"
NAMES = "rillcast.internal"
LOGIN = (
    'case "$image" in *.dkr.ecr.*) aws ecr get-login-password --region ${AWS::Region} |'
    ' docker login --username AWS --password-stdin "$(echo "$image" | cut -d/ -f1)" ;; esac'
)
PUBLIC_ON_PURPOSE = {
    "CKV_AWS_88": "Media goes by UDP straight between clients and this machine; its security group opens nothing else."
}


def machine_env(kind: str, secret: str, more: Mapping[str, str]) -> dict[str, str]:
    """What every machine is told."""
    return {
        "CLOUD": "aws",
        "KIND": kind,
        "IMAGE": "${Image}",
        "REGION": "${AWS::Region}",
        "SECRET": f"${{{secret}}}",
        "NATS_SERVERS": ",".join(f"{server}.{NAMES}" for server in NATS_SERVERS),
        "DRAIN_S": "${DrainSeconds}",
        "LOG_GROUP": "${NodesLog}",
        **more,
    }


def template(
    name: str, said: Mapping[str, str], machine: str, walls: list[str], *, agent: bool, public: bool = False
) -> Json:
    """How a machine of a group begins."""
    packages = "docker amazon-cloudwatch-agent" if agent else "docker"
    install = [f"again dnf install --quiet --assumeyes {packages}"]
    data = {
        "ImageId": ref("MachineImage"),
        "InstanceType": ref(machine),
        "IamInstanceProfile": {"Arn": got(f"{name}Profile", "Arn")},
        "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "Monitoring": {"Enabled": True},
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {"VolumeSize": 16, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
            }
        ],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": public,
                "DeleteOnTermination": True,
                "Groups": [got(wall, "GroupId") for wall in walls],
            }
        ],
        "TagSpecifications": [{"ResourceType": "volume", "Tags": tags(said["KIND"])}],
        "UserData": {"Fn::Base64": sub(script(said, install, LOGIN))},
    }
    return {
        f"{name}Start": resource(
            "EC2::LaunchTemplate", {"LaunchTemplateData": data}, skip=PUBLIC_ON_PURPOSE if public else None
        )
    }


def launched(name: str) -> Json:
    """The newest version of a launch template."""
    return {"LaunchTemplateId": ref(f"{name}Start"), "Version": got(f"{name}Start", "LatestVersionNumber")}


def groups() -> Json:
    """All groups of nodes."""
    found = may_pull([*(group.title for group in GROUPS), *(f"Nats{number}" for number in ZONES)])
    for group in GROUPS:
        found |= role(group.title, [*may_read(group.kind), may_leave(group)])
        found |= members(group)
        found |= scaling(group)
        found |= by_the_clock(group)
    return found


def members(group: Group) -> Json:
    """The machines of a group, and how one of them leaves."""
    walls = ["NodeWall"]
    if group.public:
        walls.append("MediaWall")
    if group.kind == "signaling":
        walls.append("SignalingWall")
    said = {"HOOK": HOOK, "GROUP": f"${{AWS::StackName}}-{group.kind}"}
    if group.metrics:
        said |= {"METRICS": ",".join(group.metrics), "FIGURES_GROUP": "${FiguresLog}"}
    if group.kind == "signaling":
        said |= {"PROXIES": "${NetworkPrefix}.0.0/16", "OPERATORS": "${OperatorCidr}"}
    properties: Json = {
        "AutoScalingGroupName": sub(f"${{AWS::StackName}}-{group.kind}"),
        "LaunchTemplate": launched(group.title),
        "VPCZoneIdentifier": PUBLIC if group.public else PRIVATE,
        "MinSize": ref(f"{group.title}Least"),
        "MaxSize": ref(f"{group.title}Most"),
        "DefaultInstanceWarmup": 120,
        "HealthCheckGracePeriod": 300,
        "MetricsCollection": [{"Granularity": "1Minute"}],
        # The hook is a part of the group, so that no machine is ever ended before it is there.
        "LifecycleHookSpecificationList": [
            {
                "LifecycleHookName": HOOK,
                "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
                "HeartbeatTimeout": {"Fn::FindInMap": ["Drains", ref("DrainSeconds"), "Hook"]},
                "DefaultResult": "CONTINUE",
            }
        ],
        "Tags": [{**tag, "PropagateAtLaunch": True} for tag in tags(group.kind)],
    }
    if group.kind == "signaling":
        properties |= {"HealthCheckType": "ELB", "TargetGroupARNs": [ref("PublishDoor"), ref("PlayDoor")]}
    replaced = {
        "AutoScalingRollingUpdate": {
            "MaxBatchSize": 1,
            "MinInstancesInService": 1,
            "PauseTime": "PT5M",
            "SuspendProcesses": ["AlarmNotification", "AZRebalance"],
        }
    }
    return {
        **template(
            group.title,
            machine_env(group.kind, secret_of(group.kind), said),
            f"{group.title}InstanceType",
            walls,
            agent=bool(group.metrics),
            public=group.public,
        ),
        f"{group.title}Group": resource(
            "AutoScaling::AutoScalingGroup",
            properties,
            UpdatePolicy=replaced,
            DependsOn=["PublicRoute"] if group.public else [f"PrivateRoute{number}" for number in ZONES],
        ),
    }


def scaling(group: Group) -> Json:
    """Growing and shrinking. Each policy does both; one alone makes the group grow, and all must agree that it
    shrinks."""
    name = f"{group.title}Group"
    cpu = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": CPU_PERCENT,
    }
    found: Json = {f"{group.title}ByCpu": policy(name, cpu)}
    for target in group.targets:
        figure = {
            "CustomizedMetricSpecification": {
                "Namespace": NAMESPACE,
                "MetricName": target.metric,
                "Dimensions": [{"Name": DIMENSION, "Value": ref(name)}],
                "Statistic": "Average",
            },
            "TargetValue": ref(target.parameter),
        }
        found[f"{group.title}By{target.parameter}"] = policy(name, figure)
    if group.targets:
        found |= spike(group, group.targets[0])
    return found


def policy(name: str, configuration: Json) -> Json:
    """A policy that keeps a figure near its target."""
    return resource(
        "AutoScaling::ScalingPolicy",
        {
            "AutoScalingGroupName": ref(name),
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingConfiguration": {**configuration, "DisableScaleIn": False},
        },
    )


def by_the_clock(group: Group) -> Json:
    """More machines at least, from a time that is known beforehand until another one."""
    if not group.targets:
        return {}

    def action(when: str, least: str) -> Json:
        properties = {
            "AutoScalingGroupName": ref(f"{group.title}Group"),
            "Recurrence": ref(when),
            "TimeZone": ref("ScheduleTimeZone"),
            "MinSize": ref(least),
        }
        return resource("AutoScaling::ScheduledAction", properties, Condition=f"Has{when}")

    return {
        f"{group.title}Raised": action("ScheduleFrom", f"{group.title}LeastScheduled"),
        f"{group.title}Lowered": action("ScheduleUntil", f"{group.title}Least"),
    }


def spike(group: Group, target: Target) -> Json:
    """Half as many machines again, when the growth of the last minute would go on to far above the target."""
    figure = {
        "Namespace": NAMESPACE,
        "MetricName": target.metric,
        "Dimensions": [{"Name": DIMENSION, "Value": ref(f"{group.title}Group")}],
    }
    ahead = sub(f"(now + {AHEAD_MINUTES} * DIFF(now)) / ${{{target.parameter}}}")
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 50}
    return {
        f"{group.title}Jump": resource(
            "AutoScaling::ScalingPolicy",
            {
                "AutoScalingGroupName": ref(f"{group.title}Group"),
                "PolicyType": "StepScaling",
                "AdjustmentType": "PercentChangeInCapacity",
                "MinAdjustmentMagnitude": 1,
                "StepAdjustments": [step],
            },
        ),
        f"{group.title}Spike": resource(
            "CloudWatch::Alarm",
            {
                "AlarmDescription": f"{target.words} In {AHEAD_MINUTES} minutes there would be too many.",
                "Metrics": [
                    {
                        "Id": "now",
                        "ReturnData": False,
                        "MetricStat": {"Metric": figure, "Period": 60, "Stat": "Average"},
                    },
                    {"Id": "ahead", "Expression": ahead, "Label": "share of the target", "ReturnData": True},
                ],
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": SPIKE_SHARE,
                "EvaluationPeriods": 1,
                "TreatMissingData": "notBreaching",
                "AlarmActions": [ref(f"{group.title}Jump")],
            },
        ),
    }


def nats() -> Json:
    """Three servers, each in its zone with a disk of its own. A group of one machine replaces a machine that fails. An
    update of the stack leaves them alone: end one machine at a time, and its successor is of the new version."""
    found: Json = {
        "Names": resource(
            "Route53::HostedZone",
            {"Name": NAMES, "VPCs": [{"VPCId": ref("Network"), "VPCRegion": ref("AWS::Region")}]},
        )
    }
    for number, server in zip(ZONES, NATS_SERVERS, strict=True):
        name = f"Nats{number}"
        host = f"{server}.{NAMES}"
        said = machine_env(
            "nats",
            secret_of(server),
            {"NATS_NAME": server, "NATS_HOST": host, "VOLUME": f"${{{name}Disk}}", "NAMES": "${Names}"},
        )
        found |= role(name, [*may_read(server), *may_be(name, server, host)])
        found |= template(name, said, "NatsInstanceType", ["NatsWall"], agent=False)
        found[f"{name}Disk"] = resource(
            "EC2::Volume",
            {
                "AvailabilityZone": zone(number),
                "Size": ref("NatsDiskGiB"),
                "VolumeType": "gp3",
                "Encrypted": True,
                "Tags": tags(server),
            },
            DeletionPolicy="Snapshot",
            UpdateReplacePolicy="Snapshot",
        )
        found[f"{name}Group"] = resource(
            "AutoScaling::AutoScalingGroup",
            {
                "AutoScalingGroupName": sub(f"${{AWS::StackName}}-{server}"),
                "LaunchTemplate": launched(name),
                "VPCZoneIdentifier": [PRIVATE[number - 1]],
                "MinSize": "1",
                "MaxSize": "1",
                "HealthCheckGracePeriod": 300,
                "Tags": [{**tag, "PropagateAtLaunch": True} for tag in tags(server)],
            },
            DependsOn=f"PrivateRoute{number}",
        )
    return found


def may_be(name: str, server: str, host: str) -> list[Json]:
    """To take the disk of its server, and to be found under its name."""
    machine = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}"
    return [
        {
            "Sid": "Disk",
            "Effect": "Allow",
            "Action": "ec2:AttachVolume",
            "Resource": sub(f"{machine}:volume/${{{name}Disk}}"),
        },
        {
            "Sid": "ToMachinesOfItsGroup",
            "Effect": "Allow",
            "Action": "ec2:AttachVolume",
            "Resource": sub(f"{machine}:instance/*"),
            "Condition": {"StringEquals": {"aws:ResourceTag/Name": sub(f"${{AWS::StackName}}-{server}")}},
        },
        {
            "Sid": "Name",
            "Effect": "Allow",
            "Action": "route53:ChangeResourceRecordSets",
            "Resource": sub("arn:${AWS::Partition}:route53:::hostedzone/${Names}"),
            "Condition": {
                "ForAllValues:StringEquals": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": [host],
                    "route53:ChangeResourceRecordSetsRecordTypes": ["A"],
                }
            },
        },
    ]


def mappings() -> Json:
    """What follows from the time for a drain."""
    return {"Drains": {str(drain): {"Hook": hook} for drain, hook in HOOK_S.items()}}
