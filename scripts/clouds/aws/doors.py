"""Where clients come in: names, certificates, the load balancer, and where it leads whom."""

from __future__ import annotations

from typing import Any

from scripts.clouds.aws.network import PUBLIC
from scripts.clouds.aws.terms import Json, either, got, ref, resource, sub, tags
from scripts.clouds.groups import ADMIN_PORT, HTTP_PORT

TLS = "ELBSecurityPolicy-TLS13-1-2-2021-06"
IDLE_S = 3_600
LISTENERS = {"": 443, "5443": 5443}
"""Ant Media's templates have viewers at 5443, publishers at 443; here both are at either."""
NAMES = [
    ref("DomainName"),
    either("HasOriginName", ref("OriginDomainName")),
    either("HasEdgeName", ref("EdgeDomainName")),
]


def doors() -> Json:
    """The load balancer. Signaling behind it answers publishers and viewers alike; the two target groups have the same
    machines, and make it count them apart."""
    found: Json = {
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            {
                "Type": "application",
                "Scheme": "internet-facing",
                "SecurityGroups": [got("DoorWall", "GroupId")],
                "Subnets": PUBLIC,
                "LoadBalancerAttributes": [
                    {"Key": "idle_timeout.timeout_seconds", "Value": str(IDLE_S)},
                    {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"},
                    {"Key": "routing.http.preserve_host_header.enabled", "Value": "true"},
                    {"Key": "routing.http.xff_header_processing.mode", "Value": "append"},
                ],
                "Tags": tags("balancer"),
            },
            skip={
                "CKV_AWS_91": "Addresses of requests hold tokens, so they are written nowhere (docs/tls.md).",
            },
            DependsOn="InternetAttached",
        ),
        "PlainListener": resource(
            "ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("Balancer"),
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": [
                    {
                        "Type": "redirect",
                        "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
                    }
                ],
            },
        ),
    }
    for title in ("Publish", "Play"):
        found[f"{title}Door"] = resource(
            "ElasticLoadBalancingV2::TargetGroup",
            {
                "VpcId": ref("Network"),
                "TargetType": "instance",
                "Protocol": "HTTP",
                "Port": HTTP_PORT,
                "HealthCheckPort": str(ADMIN_PORT),
                "HealthCheckPath": "/readyz",
                "HealthCheckIntervalSeconds": 10,
                "HealthCheckTimeoutSeconds": 5,
                "HealthyThresholdCount": 2,
                "UnhealthyThresholdCount": 3,
                "TargetGroupAttributes": [
                    {"Key": "deregistration_delay.timeout_seconds", "Value": ref("DrainSeconds")},
                    {"Key": "load_balancing.algorithm.type", "Value": "least_outstanding_requests"},
                ],
                "Tags": tags(title.lower()),
            },
        )
    for suffix, port in LISTENERS.items():
        found |= listener(suffix, port)
    return {**found, **names()}


def listener(suffix: str, port: int) -> Json:
    """A listener with TLS, and its rules. Requests for other names than the cluster's are refused."""
    name = f"Listener{suffix}"
    refused = {
        "StatusCode": "421",
        "ContentType": "text/plain",
        "MessageBody": "This cluster has other names.\n",
    }
    found: Json = {
        name: resource(
            "ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("Balancer"),
                "Port": port,
                "Protocol": "HTTPS",
                "SslPolicy": TLS,
                "Certificates": [
                    {"CertificateArn": either("MakesCertificate", ref("Certificate"), ref("CertificateArn"))}
                ],
                "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": refused}],
            },
        )
    }

    def rule(title: str, priority: int, door: str, conditions: list[Json], **more: Any) -> None:
        found[f"{title}{suffix}"] = resource(
            "ElasticLoadBalancingV2::ListenerRule",
            {
                "ListenerArn": ref(name),
                "Priority": priority,
                "Conditions": conditions,
                "Actions": [{"Type": "forward", "TargetGroupArn": ref(door)}],
            },
            **more,
        )

    def host(values: list[Any]) -> Json:
        return {"Field": "host-header", "HostHeaderConfig": {"Values": values}}

    def target(value: str) -> Json:
        return {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "target", "Value": value}]}}

    rule("TargetOrigin", 10, "PublishDoor", [host(NAMES), target("origin")])
    rule("TargetEdge", 20, "PlayDoor", [host(NAMES), target("edge")])
    rule("OriginName", 30, "PublishDoor", [host([ref("OriginDomainName")])], Condition="HasOriginName")
    rule("EdgeName", 40, "PlayDoor", [host([ref("EdgeDomainName")])], Condition="HasEdgeName")
    rule("MainName", 50, "PlayDoor", [host([ref("DomainName")])])
    return found


def names() -> Json:
    """The certificate and the records, if the zone is ours."""
    proof = [
        {"DomainName": ref("DomainName"), "HostedZoneId": ref("HostedZoneId")},
        *(
            either(f"Has{which}Name", {"DomainName": ref(f"{which}DomainName"), "HostedZoneId": ref("HostedZoneId")})
            for which in ("Origin", "Edge")
        ),
    ]
    found: Json = {
        "Certificate": resource(
            "CertificateManager::Certificate",
            {
                "DomainName": ref("DomainName"),
                "SubjectAlternativeNames": NAMES,
                "ValidationMethod": "DNS",
                "DomainValidationOptions": proof,
                "Tags": tags("certificate"),
            },
            Condition="MakesCertificate",
        )
    }
    for which, condition in (("", "HasZone"), ("Origin", "HasOriginRecord"), ("Edge", "HasEdgeRecord")):
        found[f"{which}Record"] = resource(
            "Route53::RecordSet",
            {
                "HostedZoneId": ref("HostedZoneId"),
                "Name": ref(f"{which}DomainName"),
                "Type": "A",
                "AliasTarget": {
                    "DNSName": got("Balancer", "DNSName"),
                    "HostedZoneId": got("Balancer", "CanonicalHostedZoneID"),
                },
            },
            Condition=condition,
        )
    return found


def budget() -> Json:
    """A warning before it gets expensive. It stops nothing."""
    warning = {
        "Notification": {"NotificationType": "FORECASTED", "ComparisonOperator": "GREATER_THAN", "Threshold": 100},
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": ref("AlarmEmail")}],
    }
    return {
        "Budget": resource(
            "Budgets::Budget",
            {
                "Budget": {
                    "BudgetName": sub("${AWS::StackName}-account"),
                    "BudgetType": "COST",
                    "TimeUnit": "MONTHLY",
                    "BudgetLimit": {"Amount": ref("MonthlyBudget"), "Unit": "USD"},
                },
                "NotificationsWithSubscribers": [warning],
            },
            Condition="HasBudget",
        )
    }
