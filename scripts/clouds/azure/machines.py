"""Groups of nodes that grow and shrink, and the NATS servers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from scripts.clouds.azure.keys import SCALE_SET, identity, secret_url
from scripts.clouds.azure.network import NAMES, ZONES, addresses, nats_address, subnet
from scripts.clouds.azure.parameters import is_share, name_of
from scripts.clouds.azure.terms import Json, bracketed, identifier, own, parameter, resource
from scripts.clouds.groups import (
    CPU_PERCENT,
    GROUPS,
    NAMESPACE,
    NATS_SERVERS,
    NEED_NOT_FEEL_IT,
    SPIKE_SHARE,
    Group,
    Target,
)
from scripts.clouds.start import script

INSTALL = [
    "export DEBIAN_FRONTEND=noninteractive",
    "again apt-get update --quiet",
    "again apt-get install --quiet --yes --no-install-recommends docker.io",
]
LOGIN = """\
case "$image" in *.azurecr.io/*)
  registry=$(echo "$image" | cut -d/ -f1)
  part() { python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
  who=$(again curl --fail --silent --header Metadata:true \
'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/' |
    part access_token)
  again curl --fail --silent --data-urlencode "access_token=$who" \
    --data "grant_type=access_token&service=$registry" "https://$registry/oauth2/exchange" |
    part refresh_token |
    docker login --username 00000000-0000-0000-0000-000000000000 --password-stdin "$registry" ;;
esac"""
UBUNTU = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}
USER = "rillcast"


def machine_env(kind: str, more: Mapping[str, str]) -> dict[str, str]:
    """What every machine is told."""
    return {
        "CLOUD": "azure",
        "KIND": kind,
        "IMAGE": "{0}",
        "SECRET": "{1}",
        "NATS_SERVERS": ",".join(f"{server}.{NAMES}" for server in NATS_SERVERS),
        **more,
    }


def custom_data(said: Mapping[str, str], reader: str, *more: str, image: str = "image") -> str:
    """The expression for what a machine does first. `more`: expressions for `{2}` and so on in `said`. `image`: the
    parameter with its image."""
    marked = {name: value.replace("{", "\0").replace("}", "\1") for name, value in said.items()}
    text = script(marked, INSTALL, LOGIN).replace("{", "{{").replace("}", "}}")
    text = text.replace("\0", "{").replace("\1", "}").replace("'", "''")
    values = [f"parameters('{image}')", secret_url(reader), *more]
    return f"base64(format('{text}', {', '.join(values)}))"


def system(name: str, data: str) -> Json:
    """The user of a machine, whom nobody can be from outside, and what it does first."""
    key = {"path": f"/home/{USER}/.ssh/authorized_keys", "keyData": parameter("sshPublicKey")}
    return {
        name: USER,
        "adminUsername": USER,
        "customData": bracketed(data),
        "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
    }


def disk() -> Json:
    """The disk of the system."""
    return {"createOption": "FromImage", "managedDisk": {"storageAccountType": "StandardSSD_LRS"}}


SECURITY = {
    "encryptionAtHost": True,
    "securityType": "TrustedLaunch",
    "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
}


def as_somebody(reader: str) -> Json:
    """The identity of a machine."""
    return {"type": "UserAssigned", "userAssignedIdentities": {bracketed(identity(reader)): {}}}


def groups() -> list[Json]:
    """All groups of nodes."""
    return [one for group in GROUPS for one in (members(group), scaling(group))]


def members(group: Group) -> Json:
    """The machines of a group, and how one of them leaves."""
    said, more = {"DRAIN_S": "{2}"}, ["parameters('drainSeconds')"]
    if group.metrics:
        said["METRICS"] = ",".join(group.metrics)
    if group.kind == "signaling":
        said |= {"PROXIES": "{3}", "OPERATORS": "{4}"}
        more += [addresses("gateway"), "parameters('operatorCidr')"]
    inside: Json = {"subnet": {"id": bracketed(subnet("media" if group.public else "inside"))}}
    after = [identifier("Microsoft.Network/virtualNetworks", own("net")), identity(group.kind)]
    after.append(identifier("Microsoft.KeyVault/vaults/secrets", "variables('vault')", f"'{group.kind}'"))
    if group.public:
        inside["publicIPAddressConfiguration"] = {
            "name": "public",
            "sku": {"name": "Standard"},
            "properties": {"publicIPAddressVersion": "IPv4", "idleTimeoutInMinutes": 4},
        }
    if group.kind == "signaling":
        gateway = identifier("Microsoft.Network/applicationGateways", own("gateway"))
        pool = identifier("Microsoft.Network/applicationGateways/backendAddressPools", own("gateway"), "'signaling'")
        inside["applicationGatewayBackendAddressPools"] = [{"id": bracketed(pool)}]
        after.append(gateway)
    card = {
        "name": "card",
        "properties": {"primary": True, "ipConfigurations": [{"name": "address", "properties": inside}]},
    }
    profile = {
        "osProfile": system("computerNamePrefix", custom_data(machine_env(group.kind, said), group.kind, *more)),
        "storageProfile": {"imageReference": UBUNTU, "osDisk": disk()},
        "securityProfile": SECURITY,
        "networkProfile": {"networkInterfaceConfigurations": [card]},
        "scheduledEventsProfile": {
            "terminateNotificationProfile": {"enable": True, "notBeforeTimeout": bracketed(notice())}
        },
    }
    return resource(
        SCALE_SET,
        own(group.kind),
        {
            "orchestrationMode": "Uniform",
            "upgradePolicy": {"mode": "Manual"},
            "overprovision": False,
            "singlePlacementGroup": False,
            "virtualMachineProfile": profile,
        },
        skip={"CKV_AZURE_95": "It would start machines anew under viewers. New machines have the newest system."},
        sku={"name": parameter(f"{group.kind}Size"), "tier": "Standard", "capacity": parameter(f"{group.kind}Least")},
        identity=as_somebody(group.kind),
        zones=ZONES,
        after=after,
    )


def notice() -> str:
    """An expression for how long Azure waits for a drain: from 5 to 15 minutes."""
    return "if(greater(parameters('drainSeconds'), 120), 'PT15M', 'PT5M')"


def rules(group: Group) -> list[Json]:
    """Growing and shrinking. One rule alone makes the group grow, and all must agree that it shrinks."""
    found = [
        when("Percentage CPU", group, "GreaterThan", CPU_PERCENT, "1"),
        when("Percentage CPU", group, "LessThan", round(CPU_PERCENT * NEED_NOT_FEEL_IT), "-1"),
    ]
    for target in group.targets:
        found += [
            when(target.metric, group, "GreaterThan", share_of(target, 1), "1"),
            when(target.metric, group, "LessThan", share_of(target, NEED_NOT_FEEL_IT), "-1"),
        ]
    if group.targets:
        first = group.targets[0]
        found.append(when(first.metric, group, "GreaterThan", share_of(first, SPIKE_SHARE), "50%"))
    return found


def profile(name: str, group: Group, least: str, at: str = "") -> Json:
    """How many machines there may be. `at`: the parameters of the time from which it holds on the days of the
    schedule, by their beginning; always without."""
    amount = f"[string(parameters('{least}'))]"
    capacity = {"minimum": amount, "maximum": f"[string(parameters('{group.kind}Most'))]", "default": amount}
    found: Json = {"name": name, "capacity": capacity, "rules": rules(group)}
    if at:
        found["recurrence"] = {
            "frequency": "Week",
            "schedule": {
                "timeZone": parameter("scheduleTimeZone"),
                "days": parameter("scheduleDays"),
                "hours": [parameter(f"{at}Hour")],
                "minutes": [parameter(f"{at}Minute")],
            },
        }
    return found


def profiles() -> dict[str, list[Json]]:
    """The variables with the profiles of each group: those without a schedule, and those with one. The end of a time is
    a profile as well, whose name says of which one."""
    found = {}
    for group in GROUPS:
        least = f"{group.kind}Least"
        found[f"{group.kind}Always"] = [profile("always", group, least)]
        if group.targets:
            back = json.dumps({"name": "always", "for": "expected"})
            found[f"{group.kind}ByTheClock"] = [
                profile("expected", group, f"{least}Scheduled", "scheduleFrom"),
                profile(back, group, least, "scheduleUntil"),
            ]
    return found


def scaling(group: Group) -> Json:
    """Which profiles hold."""
    always, clocked = f"variables('{group.kind}Always')", f"variables('{group.kind}ByTheClock')"
    chosen = f"if(empty(parameters('scheduleDays')), {always}, {clocked})" if group.targets else always
    return resource(
        "Microsoft.Insights/autoscalesettings",
        own(group.kind),
        {
            "enabled": True,
            "targetResourceUri": bracketed(identifier(SCALE_SET, own(group.kind))),
            "profiles": bracketed(chosen),
        },
        after=[identifier(SCALE_SET, own(group.kind))],
    )


def share_of(target: Target, share: float) -> str:
    """The expression for a share of a target. ARM has whole numbers only, so what is below one is written as text."""
    name = f"parameters('{name_of(target)}')"
    amount = name if share == 1 else f"div(mul({name}, {round(share * 100)}), 100)"
    return bracketed(f"json(format('0.{{0}}', padLeft(string({amount}), 2, '0')))" if is_share(target) else amount)


def when(metric: str, group: Group, operator: str, threshold: object, change: str) -> Json:
    """A rule. `change`: by how many machines; with a %, by which share of them, looking at one minute only."""
    grows, at_once = not change.startswith("-"), change.endswith("%")
    own_metric = metric.startswith("rillcast_")
    return {
        "metricTrigger": {
            "metricName": metric,
            "metricNamespace": NAMESPACE if own_metric else "Microsoft.Compute/virtualMachineScaleSets",
            "metricResourceUri": bracketed(identifier(SCALE_SET, own(group.kind))),
            "timeGrain": "PT1M",
            "statistic": "Average",
            "timeWindow": "PT1M" if at_once else ("PT3M" if grows else "PT10M"),
            "timeAggregation": "Average",
            "operator": operator,
            "threshold": threshold,
        },
        "scaleAction": {
            "direction": "Increase" if grows else "Decrease",
            "type": "PercentChangeCount" if at_once else "ChangeCount",
            "value": change.strip("-%"),
            "cooldown": "PT2M" if grows else "PT10M",
        },
    }


def nats() -> list[Json]:
    """Three servers, each in its zone with a disk of its own and an address that stays."""
    found = []
    card = "Microsoft.Network/networkInterfaces"
    machine = "Microsoft.Compute/virtualMachines"
    for number, server in enumerate(NATS_SERVERS, 1):
        inside = {
            "subnet": {"id": bracketed(subnet("nats"))},
            "privateIPAllocationMethod": "Static",
            "privateIPAddress": bracketed(nats_address(number)),
        }
        net = identifier("Microsoft.Network/virtualNetworks", own("net"))
        found.append(
            resource(card, own(server), {"ipConfigurations": [{"name": "address", "properties": inside}]}, after=[net])
        )
        # Azure refuses a deployment that changes this text, so nothing is in it that changes.
        said = machine_env("nats", {"NATS_NAME": server, "DRAIN_S": "60"})
        secret = identifier("Microsoft.KeyVault/vaults/secrets", "variables('vault')", f"'{server}'")
        data = {"lun": 0, "createOption": "Empty", "diskSizeGB": 8, "deleteOption": "Detach"}
        found.append(
            resource(
                machine,
                own(server),
                {
                    "hardwareProfile": {"vmSize": parameter("natsSize")},
                    "osProfile": system("computerName", custom_data(said, server, image="natsImage"))
                    | {"allowExtensionOperations": False},
                    "storageProfile": {
                        "imageReference": UBUNTU,
                        "osDisk": disk(),
                        "dataDisks": [data | {"managedDisk": {"storageAccountType": "StandardSSD_LRS"}}],
                    },
                    "securityProfile": SECURITY,
                    "networkProfile": {"networkInterfaces": [{"id": bracketed(identifier(card, own(server)))}]},
                },
                skip={
                    "CKV_AZURE_45": "What looks like one is the name of whoever shows a token to a registry, all zeros."
                },
                identity=as_somebody(server),
                zones=[ZONES[number - 1]],
                after=[identifier(card, own(server)), identity(server), secret],
            )
        )
    return found
