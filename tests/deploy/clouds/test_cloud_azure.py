"""The template for Azure: what tools find in it, and what must be so whatever is changed."""

from __future__ import annotations

import base64
import copy
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cloud_machine import FOLDER, script, settings_of_nodes
from cloud_tools import checkov, names_of_checks

from rillcast.contracts.words import NodeKind
from rillcast.runtime.settings import NodeSettings
from scripts.clouds.azure.parameters import is_share, name_of
from scripts.clouds.azure.template import PATH, render
from scripts.clouds.groups import GROUPS, HOOK_S, NATS_SERVERS

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / PATH
TYPES = json.loads(Path(__file__).with_name("azure_types.json").read_text())
ENVELOPE = {"type", "apiVersion", "name", "dependsOn", "condition", "scope", "metadata"}
"""What every resource of a template may have besides what is in the types."""
WORLD = {"*", "Internet", "0.0.0.0/0", "Any"}
Json = dict[str, Any]


@cache
def template() -> Json:
    loaded: Json = json.loads(TEMPLATE.read_text())
    return loaded


def of_type(kind: str) -> list[Json]:
    return [one for one in template()["resources"] if one["type"] == f"Microsoft.{kind}"]


def profiles(resource: Json) -> dict[str, list[Json]]:
    """Those of a setting for scaling, by the variables that it chooses from."""
    named = re.findall(r"variables\('(\w+)'\)", resource["properties"]["profiles"])
    return {name: template()["variables"][name] for name in named}


def variants(resource: Json) -> list[Json]:
    """A resource with each of the values that its parts may have."""
    if resource["type"] != "Microsoft.Insights/autoscalesettings":
        return [resource]
    properties = resource["properties"]
    return [resource | {"properties": properties | {"profiles": one}} for one in profiles(resource).values()]


@cache
def validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(TYPES["roots"][kind] | {"$defs": TYPES["$defs"]})


def faults(resource: Json) -> list[str]:
    """What in a resource is not as Azure's own libraries have it."""
    body = {name: value for name, value in resource.items() if name not in ENVELOPE}
    root = TYPES["roots"][resource["type"]]["$ref"].rpartition("/")[2]
    if "location" not in TYPES["$defs"][root]["properties"]:
        body.pop("location", None)
    found = validator(resource["type"]).iter_errors(body)
    return [f"{'/'.join(map(str, one.instance_path))}: {one.message[:300]}" for one in found]


def test_the_file_is_what_the_scripts_write() -> None:
    assert TEMPLATE.read_text() == render(), "run: make clouds"


# ---------------------------------------------------------------- tools


def test_every_resource_is_as_the_libraries_of_azure_have_it() -> None:
    every = [variant for one in template()["resources"] for variant in variants(one)]
    wrong = {f"{one['type']} {one['name']}": found for one in every if (found := faults(one))}

    assert len(template()["resources"]) > 70
    assert wrong == {}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every name in an object."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, number))


@pytest.mark.parametrize("kind", sorted(TYPES["roots"]))
def test_a_misspelling_is_found_wherever_it_is_planted(kind: str) -> None:
    resource = variants(next(one for one in template()["resources"] if one["type"] == kind))[-1]
    body = resource.get("properties", {})
    # Names that somebody chose freely, such as those of tags, are right whatever they are.
    paths = [path for path in leaves(body) if isinstance(path[-1], str) and not path[-1].startswith("[")]
    overlooked = []
    for path in paths:
        planted = copy.deepcopy(resource)
        place = planted["properties"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1] + "x"] = place.pop(path[-1])
        if not faults(planted):
            overlooked.append(path)

    assert overlooked == []


def test_checkov_finds_nothing_and_no_skip_is_stale() -> None:
    found = checkov("arm")

    skips = [
        skip for one in template()["resources"] for skip in one.get("metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert names_of_checks(found, "failed") == []
    assert sorted(check for check, _ in names_of_checks(found, "skipped")) == sorted(skip["id"] for skip in skips)
    assert len(names_of_checks(found, "passed")) > 30
    assert all(len(skip["comment"]) > 30 for skip in skips)


def test_every_parameter_is_used_and_every_one_that_is_used_exists() -> None:
    text = json.dumps({name: part for name, part in template().items() if name != "parameters"})
    used = set(re.findall(r"parameters\('(\w+)'\)", text))

    assert used == set(template()["parameters"])


def test_whatever_must_be_there_before_is_in_the_template() -> None:
    def head(expression: str) -> tuple[str, ...]:
        return tuple(re.findall(r"'(Microsoft\.[\w./]+)'", expression))

    kinds = {one["type"] for one in template()["resources"]}
    names = {one["name"][1:-1] for one in template()["resources"]}
    for one in template()["resources"]:
        for after in one.get("dependsOn", []):
            assert head(after)[0] in kinds
            if after.startswith("[resourceId(") and head(after)[0].count("/") == 1:
                name = after.removeprefix(f"[resourceId('{head(after)[0]}', ").removesuffix(")]")
                assert name in names, after


# ---------------------------------------------------------------- machines


def starts() -> list[str]:
    """The user data of all machines, with something in place of what is known only at the deployment."""
    found = []
    for one in [*of_type("Compute/virtualMachineScaleSets"), *of_type("Compute/virtualMachines")]:
        profile = one["properties"].get("virtualMachineProfile", one["properties"])
        text = profile["osProfile"]["customData"]
        literal = re.fullmatch(
            r"\[base64\(format\('(.*)', parameters\('(?:image|natsImage)'\), .*\)\)\]", text, re.DOTALL
        )
        assert literal is not None
        words = literal[1].replace("''", "'")
        found.append(words.format("image:1", "https://vault/secrets/x", 120, "10.30.0.0/20", "198.51.100.0/24"))
    return found


def machine_env(start: str) -> dict[str, str]:
    lines = start.partition("<<'END'\n")[2].partition("\nEND\n")[0].splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_user_data_makes_nodes_with_settings_that_exist(
    tmp_path: Path, settings: dict[NodeKind, type[NodeSettings]]
) -> None:
    told = {env["KIND"]: env for env in map(machine_env, starts())}
    place = script("metadata").Place("vm", "westeurope", "westeurope-1", "10.30.16.4", "203.0.113.7")

    assert set(told) == {*NodeKind, "nats"}
    taken = settings_of_nodes(told, place, settings, tmp_path)
    assert {one.drain_timeout_s for one in taken.values()} == {120}
    config = script("prepare").nats_config(told["nats"], (FOLDER / "nats.conf").read_text())
    assert "tls://nats-3.rillcast.internal:6222" in config


def test_a_later_deployment_does_not_change_the_user_data_of_nats() -> None:
    for one in of_type("Compute/virtualMachines"):
        text = one["properties"]["osProfile"]["customData"]
        assert set(re.findall(r"parameters\('(\w+)'\)", text)) == {"natsImage"}


def test_user_data_has_no_fault_that_shellcheck_knows_and_no_secret(tmp_path: Path) -> None:
    for number, start in enumerate(starts()):
        (tmp_path / f"{number}.sh").write_text(start)
        assert len(base64.b64encode(start.encode())) < 65_536
        assert not [name for name in machine_env(start) if re.search("PASSWORD|TOKEN|NKEY|SEED", name)]

    done = subprocess.run(["shellcheck", *tmp_path.glob("*.sh")], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_machines_lie_in_three_zones_and_their_disks_are_encrypted() -> None:
    sets, servers = of_type("Compute/virtualMachineScaleSets"), of_type("Compute/virtualMachines")

    assert all(one["zones"] == ["1", "2", "3"] for one in sets)
    assert sorted(one["zones"] for one in servers) == [["1"], ["2"], ["3"]]
    for one in [*sets, *servers]:
        profile = one["properties"].get("virtualMachineProfile", one["properties"])
        assert profile["securityProfile"]["encryptionAtHost"]
        assert profile["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"]
    assert all(one["properties"]["storageProfile"]["dataDisks"][0]["deleteOption"] == "Detach" for one in servers)


# ---------------------------------------------------------------- growing, shrinking, leaving


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.kind)
def test_every_group_grows_and_shrinks_by_metrics_that_are_documented(group: Any) -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text()
    chosen = next(
        profiles(one)
        for one in of_type("Insights/autoscalesettings")
        if one["name"] == f"[format('{{0}}-{group.kind}', parameters('cluster'))]"
    )
    (profile,) = chosen.pop(f"{group.kind}Always")
    for clocked in chosen.values():
        expected, after = clocked
        assert [one["rules"] for one in clocked] == [profile["rules"]] * 2
        assert expected["capacity"]["minimum"] == f"[string(parameters('{group.kind}LeastScheduled'))]"
        assert after["capacity"] == profile["capacity"]
        assert json.loads(after["name"]) == {"name": profile["name"], "for": expected["name"]}
    assert bool(chosen) == bool(group.targets)
    rules = [(rule["metricTrigger"]["metricName"], rule["scaleAction"]) for rule in profile["rules"]]
    told = next(env for env in map(machine_env, starts()) if env["KIND"] == group.kind)

    for metric in ("Percentage CPU", *group.metrics):
        ways = [action["direction"] for name, action in rules if name == metric]
        assert {"Increase", "Decrease"} == set(ways)
        assert metric == "Percentage CPU" or f"\n### {metric}\n" in page
    jumps = [action for _, action in rules if action["type"] == "PercentChangeCount"]
    assert len(jumps) == (1 if group.targets else 0)
    assert told.get("METRICS", "") == ",".join(group.metrics)
    bounds = template()["parameters"]
    assert bounds[f"{group.kind}Least"]["defaultValue"] <= 2
    assert bounds[f"{group.kind}Most"]["defaultValue"] <= 6


def test_a_machine_that_leaves_is_given_longer_than_its_drain_takes() -> None:
    boot = (FOLDER / "boot").read_text()
    unit_s = int(re.findall(r"@TIMEOUT_S@/\$\(\(DRAIN_S \+ (\d+)\)\)", boot)[0])
    wait = {"PT5M": 300, "PT15M": 900}
    for one in of_type("Compute/virtualMachineScaleSets"):
        said = one["properties"]["virtualMachineProfile"]["scheduledEventsProfile"]["terminateNotificationProfile"]
        long, short = re.findall(r"'(PT\d+M)'", said["notBeforeTimeout"])
        limit = int(re.findall(r"greater\(parameters\('drainSeconds'\), (\d+)\)", said["notBeforeTimeout"])[0])
        assert said["enable"]
        for drain in template()["parameters"]["drainSeconds"]["allowedValues"]:
            assert wait[long if drain > limit else short] > drain + unit_s + 2 * script("leave").LOOK_EVERY_S
    assert template()["parameters"]["drainSeconds"]["allowedValues"] == list(HOOK_S)


def test_targets_below_one_are_written_in_percent() -> None:
    for group in GROUPS:
        for target in group.targets:
            said = template()["parameters"][name_of(target)]
            assert said["defaultValue"] == (target.value * 100 if is_share(target) else target.value)
            assert not is_share(target) or said["maxValue"] * 1.25 < 100


# ---------------------------------------------------------------- security


def test_the_world_reaches_the_ports_that_clients_need_and_no_other() -> None:
    opened = set()
    for wall in of_type("Network/networkSecurityGroups"):
        rules = [one["properties"] for one in wall["properties"]["securityRules"]]
        assert (rules[-1]["access"], rules[-1]["sourceAddressPrefix"], rules[-1]["priority"]) == ("Deny", "*", 4_096)
        for rule in rules[:-1]:
            ports = rule.get("destinationPortRanges") or [rule["destinationPortRange"]]
            if rule.get("sourceAddressPrefix") in WORLD:
                opened |= {(rule["protocol"], port) for port in ports}

    assert opened == {("Tcp", "80"), ("Tcp", "443"), ("Tcp", "5443"), ("Udp", "50000-50063")}


def test_only_machines_that_clients_send_media_to_have_a_public_address() -> None:
    public = [
        one["name"]
        for one in [*of_type("Compute/virtualMachineScaleSets"), *of_type("Network/networkInterfaces")]
        if "publicIPAddressConfiguration" in json.dumps(one)
    ]

    assert public == [f"[format('{{0}}-{kind}', parameters('cluster'))]" for kind in ("origin", "edge")]


def test_each_kind_of_machine_reads_its_own_secret_in_a_vault_that_is_shut() -> None:
    (vault,) = of_type("KeyVault/vaults")
    acls = vault["properties"]["networkAcls"]
    reads = [
        (
            re.findall(r"secrets/([\w-]+)'", one["scope"])[0],
            re.findall(r"\{0\}-([\w-]+)'", one["properties"]["principalId"])[0],
        )
        for one in of_type("Authorization/roleAssignments")
        if "secrets/" in one["scope"]
    ]

    assert acls["defaultAction"] == "Deny"
    assert vault["properties"]["enablePurgeProtection"] and vault["properties"]["enableRbacAuthorization"]
    assert sorted(reads) == sorted([("certificate", "gateway"), *((who, who) for who in [*NodeKind, *NATS_SERVERS])])
    for name, said in template()["parameters"].items():
        if name.startswith("keys") or name == "certificate":
            assert said["type"] == "securestring" and "defaultValue" not in said


# ---------------------------------------------------------------- doors


def test_clients_come_in_by_tls_under_the_names_that_were_given() -> None:
    (gateway,) = of_type("Network/applicationGateways")
    listeners = {one["name"]: one["properties"] for one in gateway["properties"]["httpListeners"]}
    (settings,) = gateway["properties"]["backendHttpSettingsCollection"]
    (probe,) = gateway["properties"]["probes"]

    assert {name: one["protocol"] for name, one in listeners.items()} == {
        "tls-443": "Https",
        "tls-5443": "Https",
        "plain": "Http",
    }
    assert all("parameters('edgeDomainName')" in one["hostNames"] for one in listeners.values())
    assert settings["properties"]["cookieBasedAffinity"] == "Disabled"
    assert settings["properties"]["requestTimeout"] >= 3_600
    assert (probe["properties"]["path"], probe["properties"]["port"]) == ("/readyz", 9_100)
