"""The template for AWS: what tools find in it, what moto makes of it, and what must be so whatever is changed."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloud_machine import FOLDER, script, settings_of_nodes
from cloud_tools import checkov, names_of_checks, run, tool

from rillcast.contracts.words import NodeKind
from rillcast.runtime.settings import NodeSettings
from scripts.clouds.aws.template import PATH, render
from scripts.clouds.groups import DRAIN_S, GROUPS, HOOK_S, NATS_SERVERS

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / PATH
TO_CLIENTS = {("tcp", 80, 80), ("tcp", 443, 443), ("tcp", 5443, 5443), ("udp", 50_000, 50_063)}
WORLD = {"0.0.0.0/0", "::/0"}
Json = dict[str, Any]


@cache
def template() -> Json:
    loaded: Json = yaml.safe_load(TEMPLATE.read_text())
    return loaded


def of_type(kind: str) -> dict[str, Json]:
    return {name: one["Properties"] for name, one in template()["Resources"].items() if one["Type"] == f"AWS::{kind}"}


@pytest.fixture(scope="module")
def made() -> Json:
    """What there is after moto has made the stack."""
    done = run("python", Path(__file__).with_name("moto_stack.py"), TEMPLATE)
    assert done.returncode == 0, done.stderr[-2_000:]
    found: Json = json.loads(done.stdout)
    return found


def machine_env(start: str) -> dict[str, str]:
    """What a machine is told, out of its user data."""
    lines = start.partition("<<'END'\n")[2].partition("\nEND\n")[0].splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_file_is_what_the_scripts_write() -> None:
    assert TEMPLATE.read_text() == render(), "run: make clouds"


# ---------------------------------------------------------------- tools


def test_cfn_lint_finds_nothing_and_a_misspelling_that_was_planted(tmp_path: Path) -> None:
    planted = tmp_path / "planted.yaml"
    planted.write_text(
        "Resources:\n  Group:\n    Type: AWS::AutoScaling::AutoScalingGroup\n    Properties:\n"
        "      MinSize: '1'\n      MaxSise: '2'\n"
    )

    clean, found = run("cfn-lint", TEMPLATE), run("cfn-lint", planted)

    assert (clean.returncode, clean.stdout) == (0, "")
    assert "MaxSise" in found.stdout


def test_checkov_finds_nothing_and_no_skip_is_stale() -> None:
    found = checkov("cloudformation")

    skips = {
        (skip["id"], name): skip["comment"]
        for name, one in template()["Resources"].items()
        for skip in one.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }
    assert names_of_checks(found, "failed") == []
    assert names_of_checks(found, "skipped") == sorted(skips)
    assert len(names_of_checks(found, "passed")) > 100
    assert all(len(words) > 30 for words in skips.values())


def test_moto_makes_groups_over_three_zones_behind_their_doors(made: Json) -> None:
    assert made["status"] == "CREATE_COMPLETE"
    for group in GROUPS:
        there = made["groups"][f"rillcast-{group.kind}"]
        assert (there["least"], there["most"], there["running"]) == (group.least, group.most, group.least)
        assert len(there["zones"]) == 3
        assert there["doors"] == (2 if group.kind == "signaling" else 0)
    zones = [made["groups"][f"rillcast-{server}"]["zones"] for server in NATS_SERVERS]
    assert len({zone for (zone,) in zones}) == 3
    assert made["listeners"] == [["HTTP", 80], ["HTTPS", 443], ["HTTPS", 5443]]
    assert made["rules"] == {"80": 1, "443": 6, "5443": 6}
    assert made["names"] == ["live.example.org", "play.example.org", "publish.example.org"]
    assert [[zone] for zone in made["disks"]] == zones


def test_user_data_that_moto_has_filled_in_makes_nodes_with_settings_that_exist(
    made: Json, tmp_path: Path, settings: dict[NodeKind, type[NodeSettings]]
) -> None:
    told = {env["KIND"]: env for env in map(machine_env, made["starts"])}
    place = script("metadata").Place("i-0abc", "us-east-1", "us-east-1a", "10.30.0.4", "203.0.113.7")

    assert set(told) == {*NodeKind, "nats"}
    for kind, taken in settings_of_nodes(told, place, settings, tmp_path).items():
        assert taken.drain_timeout_s == DRAIN_S
        if "METRICS" in told[kind]:
            assert script("agent").agent(told[kind], tmp_path)
    nats = next(env for env in map(machine_env, made["starts"]) if env["KIND"] == "nats")
    assert "tls://nats-3.rillcast.internal:6222" in script("prepare").nats_config(
        nats, (FOLDER / "nats.conf").read_text()
    )
    assert {"NATS_NAME", "NATS_HOST", "NAMES", "VOLUME"} <= set(nats)


def test_user_data_is_short_enough_and_has_no_fault_that_shellcheck_knows(made: Json, tmp_path: Path) -> None:
    for number, start in enumerate(made["starts"]):
        (tmp_path / f"{number}.sh").write_text(start)
        assert len(start) < 16_384

    done = subprocess.run(["shellcheck", *tmp_path.glob("*.sh")], capture_output=True, text=True, check=False)

    assert len(made["starts"]) == 8
    assert done.returncode == 0, done.stdout


def test_a_tool_that_is_missing_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RILLCAST_REQUIRE_ALL", "1")

    with pytest.raises(pytest.fail.Exception, match="make setup-dev"):
        tool("no-such-tool")


# ---------------------------------------------------------------- growing, shrinking, leaving


def test_every_metric_of_the_scaling_is_documented() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text()
    used = {
        spec["MetricName"]
        for policy in of_type("AutoScaling::ScalingPolicy").values()
        if (spec := policy.get("TargetTrackingConfiguration", {}).get("CustomizedMetricSpecification"))
    }

    assert used == {metric for group in GROUPS for metric in group.metrics}
    assert all(f"\n### {name}\n" in page for name in used)
    agents = {env["METRICS"] for env in map(machine_env, user_data()) if "METRICS" in env}
    assert used == {name for names in agents for name in names.split(",")}


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.kind)
def test_every_group_grows_and_shrinks_and_those_with_media_look_ahead(group: Any) -> None:
    mine = [
        policy
        for policy in of_type("AutoScaling::ScalingPolicy").values()
        if policy["AutoScalingGroupName"] == {"Ref": f"{group.title}Group"}
    ]
    tracking = [one["TargetTrackingConfiguration"] for one in mine if one["PolicyType"] == "TargetTrackingScaling"]
    steps = [one for one in mine if one["PolicyType"] == "StepScaling"]

    assert len(tracking) == 1 + len(group.targets)
    assert not any(one["DisableScaleIn"] for one in tracking)
    assert len(steps) == (1 if group.targets else 0)
    assert group.kind == "license" or group.targets
    assert f"{group.title}Spike" in of_type("CloudWatch::Alarm") or not group.targets


def test_a_time_that_is_known_beforehand_raises_what_is_there_at_least(made: Json) -> None:
    scaled = {group.title: group for group in GROUPS if group.targets}
    actions = of_type("AutoScaling::ScheduledAction")
    assert set(actions) == {f"{title}{what}" for title in scaled for what in ("Raised", "Lowered")}
    conditions = {template()["Resources"][name]["Condition"] for name in actions}
    assert conditions == {"HasScheduleFrom", "HasScheduleUntil"}  # a rule asks for both or neither
    assert made["scheduled"] == {
        f"rillcast-{group.kind}": [["0 23 * * 1-5", group.least], ["45 19 * * 1-5", group.least + 3]]
        for group in scaled.values()
    }


def test_groups_are_bounded_and_small_by_default() -> None:
    parameters = template()["Parameters"]
    for group in GROUPS:
        least, most = (parameters[f"{group.title}{end}"] for end in ("Least", "Most"))
        assert 1 <= least["Default"] <= 2
        assert least["Default"] < most["Default"] <= 6
        assert most["MaxValue"] <= 100


def test_a_machine_that_leaves_waits_for_its_drain_at_a_hook_that_lasts_longer() -> None:
    drains = {int(drain): int(one["Hook"]) for drain, one in template()["Mappings"]["Drains"].items()}
    boot = (FOLDER / "boot").read_text()
    unit_s = int(re.findall(r"@TIMEOUT_S@/\$\(\(DRAIN_S \+ (\d+)\)\)", boot)[0])

    assert drains == HOOK_S
    assert [int(value) for value in template()["Parameters"]["DrainSeconds"]["AllowedValues"]] == list(drains)
    assert all(hook > drain + unit_s + 2 * script("leave").LOOK_EVERY_S for drain, hook in drains.items())
    groups = {name: one for name, one in of_type("AutoScaling::AutoScalingGroup").items() if "Nats" not in name}
    assert len(groups) == len(GROUPS)
    for one in groups.values():
        (hook,) = one["LifecycleHookSpecificationList"]
        assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
        assert hook["HeartbeatTimeout"] == {"Fn::FindInMap": ["Drains", {"Ref": "DrainSeconds"}, "Hook"]}
        assert {env["HOOK"] for env in map(machine_env, user_data()) if "HOOK" in env} == {hook["LifecycleHookName"]}


# ---------------------------------------------------------------- security


def test_the_world_reaches_the_ports_that_clients_need_and_no_other() -> None:
    open_ports = {
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"])
        for wall in of_type("EC2::SecurityGroup").values()
        for rule in wall.get("SecurityGroupIngress", [])
        if rule.get("CidrIp") in WORLD or rule.get("CidrIpv6") in WORLD
    }
    inside = of_type("EC2::SecurityGroupIngress").values()

    assert open_ports == TO_CLIENTS
    assert all("CidrIp" not in rule and "SourceSecurityGroupId" in rule for rule in inside)
    assert {rule["FromPort"] for rule in inside} == {4_222, 5_080, 6_222, 9_100, 51_000}
    for wall in of_type("EC2::SecurityGroup").values():
        for rule in wall.get("SecurityGroupIngress", []):
            assert rule["CidrIp"] in WORLD


def test_only_machines_that_clients_send_media_to_have_a_public_address() -> None:
    public = {
        name
        for name, one in of_type("EC2::LaunchTemplate").items()
        if one["LaunchTemplateData"]["NetworkInterfaces"][0]["AssociatePublicIpAddress"]
    }

    assert public == {"OriginStart", "EdgeStart"}


def test_machines_have_the_newer_metadata_service_and_encrypted_disks() -> None:
    for one in of_type("EC2::LaunchTemplate").values():
        data = one["LaunchTemplateData"]
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])
        assert "KeyName" not in data
    assert all(one["Encrypted"] for one in of_type("EC2::Volume").values())
    assert all(
        one["DeletionPolicy"] == "Snapshot" for name, one in template()["Resources"].items() if name.endswith("Disk")
    )


def test_a_role_reads_its_own_keys_and_nothing_is_allowed_everywhere() -> None:
    for name, one in of_type("IAM::Role").items():
        (policy,) = one["Policies"]
        statements = policy["PolicyDocument"]["Statement"]
        secrets = [said["Resource"] for said in statements if said["Action"] == "secretsmanager:GetSecretValue"]
        assert secrets == [{"Ref": f"{name.removesuffix('Role')}Keys"}]
        assert "ManagedPolicyArns" not in one
        for said in statements:
            actions = said["Action"] if isinstance(said["Action"], list) else [said["Action"]]
            assert not any("*" in action for action in actions)
            assert said["Resource"] != "*"
    (pull,) = of_type("IAM::Policy").values()
    everywhere = [one["Action"] for one in pull["PolicyDocument"]["Statement"] if one["Resource"] == "*"]
    assert everywhere == ["ecr:GetAuthorizationToken"]


def test_no_secret_is_in_user_data_or_in_the_template() -> None:
    told = {name for env in map(machine_env, user_data()) for name in env}

    assert not [name for name in told if re.search("PASSWORD|TOKEN|NKEY|SEED", name)]
    assert all("SecretString" not in one for one in of_type("SecretsManager::Secret").values())
    assert len(of_type("SecretsManager::Secret")) == len(NodeKind) + len(NATS_SERVERS)


def user_data() -> list[str]:
    return [
        one["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
        for one in of_type("EC2::LaunchTemplate").values()
    ]


# ---------------------------------------------------------------- doors


def test_both_listeners_lead_by_target_and_by_name_and_refuse_other_names() -> None:
    rules = of_type("ElasticLoadBalancingV2::ListenerRule")
    for suffix in ("", "5443"):
        mine = {name: one for name, one in rules.items() if one["ListenerArn"] == {"Ref": f"Listener{suffix}"}}
        doors = {
            name.removesuffix(suffix): one["Actions"][0]["TargetGroupArn"]["Ref"]
            for name, one in sorted(mine.items(), key=lambda pair: pair[1]["Priority"])
        }
        assert doors == {
            "TargetOrigin": "PublishDoor",
            "TargetEdge": "PlayDoor",
            "OriginName": "PublishDoor",
            "EdgeName": "PlayDoor",
            "MainName": "PlayDoor",
        }
        listener = of_type("ElasticLoadBalancingV2::Listener")[f"Listener{suffix}"]
        assert listener["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] == "421"
        assert listener["SslPolicy"].startswith("ELBSecurityPolicy-TLS13")


def test_websockets_may_be_silent_for_an_hour_and_health_is_readiness() -> None:
    (balancer,) = of_type("ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {one["Key"]: one["Value"] for one in balancer["LoadBalancerAttributes"]}

    assert int(attributes["idle_timeout.timeout_seconds"]) >= 3_600
    for door in of_type("ElasticLoadBalancingV2::TargetGroup").values():
        assert (door["HealthCheckPath"], door["HealthCheckPort"]) == ("/readyz", "9100")
