"""What whoever makes the stack may say."""

from __future__ import annotations

from scripts.clouds.aws.terms import Json, ref
from scripts.clouds.groups import DRAIN_S, GROUPS, HOOK_S

NAME = r"^$|^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$"
CIDR = r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$"
CRON = r"^$|^[0-9*,/-]+ [0-9*,/-]+ [0-9*,/-]+ [0-9A-Za-z*,/-]+ [0-9A-Za-z*,/-]+$"
AMI = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def parameters() -> Json:
    """All of them, in the order of the console."""
    found: Json = {
        "Image": text(
            "The image of Rillcast, with its tag or digest, in a registry of AWS (ECR) or a public one.",
            pattern=r"^[A-Za-z0-9._:/@-]+$",
        ),
        "DomainName": text("The name under which people reach the cluster.", pattern=NAME.removeprefix("^$|")),
        "OriginDomainName": text("Another name, for publishers. May be empty.", "", NAME),
        "EdgeDomainName": text("Another name, for viewers. May be empty.", "", NAME),
        "HostedZoneId": text("The zone in Route 53 in which the names and the certificate's proof are written.", ""),
        "CertificateArn": text("A certificate of ACM for the names, if there is no HostedZoneId.", ""),
        "OperatorCidr": text(
            "From where operators may ask REST and the panel; an account is needed besides.", pattern=CIDR
        ),
        "ImageRepositoryArn": text("The ARN of the repository, if the image lies in ECR.", ""),
        "NetworkPrefix": text(
            "The first two numbers of the network's addresses, a /16.", "10.30", r"^\d{1,3}\.\d{1,3}$"
        ),
        "GatewayPerZone": choice("One NAT gateway for all zones (no), or one for each (yes).", "no", ["no", "yes"]),
        "MachineImage": {
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": AMI,
            "Description": "Amazon Linux 2023 for x86-64.",
        },
        "NatsInstanceType": text("The machines of NATS.", "t3.small"),
        "NatsDiskGiB": number("The disk of each NATS server.", 8, 4, 1_000),
        "DrainSeconds": choice(
            "How long a machine that is taken away may move its viewers and publishers.",
            str(DRAIN_S),
            [str(seconds) for seconds in HOOK_S],
        ),
        "MonthlyBudget": number("Dollars a month at which AlarmEmail is warned; 0: nobody is.", 200, 0, 1_000_000),
        "AlarmEmail": text("Who is warned of the budget. May be empty.", ""),
    }
    found |= {
        "ScheduleFrom": text(
            "When more viewers are expected, as cron: 45 19 * * *. Empty: there is no such time.", "", CRON
        ),
        "ScheduleUntil": text("When they have gone, as cron: 0 23 * * *.", "", CRON),
        "ScheduleTimeZone": text("The zone of these times, such as Europe/Berlin.", "Etc/UTC", r"^[A-Za-z0-9_+/-]+$"),
    }
    for group in GROUPS:
        found[f"{group.title}InstanceType"] = text(f"The machines of {group.kind}.", group.aws_type)
        found[f"{group.title}Least"] = number(f"Machines of {group.kind} at least.", group.least, 1, 100)
        found[f"{group.title}Most"] = number(f"Machines of {group.kind} at most.", group.most, 1, 100)
        if group.targets:
            words = f"The same in the time of the schedule; not more than {group.title}Most."
            found[f"{group.title}LeastScheduled"] = number(words, group.least, 1, 100)
        for target in group.targets:
            found[target.parameter] = number(target.words, target.value)
    return found


def text(words: str, default: str | None = None, pattern: str = "") -> Json:
    """A parameter; without a default it must be given."""
    found: Json = {"Type": "String", "Description": words}
    if default is None:
        found["MinLength"] = 1
    else:
        found["Default"] = default
    return {**found, **({"AllowedPattern": pattern} if pattern else {})}


def choice(words: str, default: str, values: list[str]) -> Json:
    """One of a few words."""
    return {"Type": "String", "Default": default, "AllowedValues": values, "Description": words}


def number(words: str, default: float, least: float | None = None, most: float | None = None) -> Json:
    """A number between two others."""
    bounds = {"MinValue": least, "MaxValue": most}
    return {
        "Type": "Number",
        "Default": default,
        **{name: value for name, value in bounds.items() if value is not None},
        "Description": words,
    }


def rules() -> Json:
    """What contradicts itself is refused before anything is made."""
    names = ("HostedZoneId", "CertificateArn", "ScheduleFrom", "ScheduleUntil")
    no_zone, no_certificate, no_start, no_end = ({"Fn::Equals": [ref(name), ""]} for name in names)
    return {
        "Certificate": {
            "Assertions": [
                {
                    "Assert": {"Fn::Not": [{"Fn::And": [no_zone, no_certificate]}]},
                    "AssertDescription": "Give HostedZoneId, so that a certificate is made, or CertificateArn.",
                }
            ]
        },
        "Schedule": {
            "Assertions": [
                {
                    "Assert": {
                        "Fn::Or": [{"Fn::And": [no_start, no_end]}, {"Fn::Not": [{"Fn::Or": [no_start, no_end]}]}]
                    },
                    "AssertDescription": "Give both ScheduleFrom and ScheduleUntil, or neither.",
                }
            ]
        },
    }


def conditions() -> Json:
    """When resources exist that not everybody wants."""

    def given(name: str) -> Json:
        return {"Fn::Not": [{"Fn::Equals": [ref(name), ""]}]}

    return {
        "HasZone": given("HostedZoneId"),
        "MakesCertificate": {"Fn::And": [{"Condition": "HasZone"}, {"Fn::Equals": [ref("CertificateArn"), ""]}]},
        "HasOriginName": given("OriginDomainName"),
        "HasEdgeName": given("EdgeDomainName"),
        "HasOriginRecord": {"Fn::And": [{"Condition": "HasZone"}, {"Condition": "HasOriginName"}]},
        "HasEdgeRecord": {"Fn::And": [{"Condition": "HasZone"}, {"Condition": "HasEdgeName"}]},
        "HasScheduleFrom": given("ScheduleFrom"),
        "HasScheduleUntil": given("ScheduleUntil"),
        "HasRepository": given("ImageRepositoryArn"),
        "HasGatewayPerZone": {"Fn::Equals": [ref("GatewayPerZone"), "yes"]},
        "HasBudget": {"Fn::And": [given("AlarmEmail"), {"Fn::Not": [{"Fn::Equals": [ref("MonthlyBudget"), 0]}]}]},
    }
