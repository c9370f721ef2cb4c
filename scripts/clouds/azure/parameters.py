"""What whoever deploys the template may say."""

from __future__ import annotations

from scripts.clouds.azure.terms import Json
from scripts.clouds.groups import DRAIN_S, GROUPS, HOOK_S, NATS_SERVERS, Target


def parameters() -> Json:
    """All of them, in the order of the portal."""
    found: Json = {
        "cluster": text("The beginning of every name.", "rillcast", least=2, most=12),
        "location": text("The region; it must have three zones.", "[resourceGroup().location]"),
        "image": text("The image of Rillcast, with its tag or digest, in a registry of Azure (ACR) or a public one."),
        "registryName": text("The registry, if it is one of Azure in the same resource group. May be empty.", ""),
        "domainName": text("The name under which people reach the cluster."),
        "originDomainName": text("Another name, for publishers. May be empty.", ""),
        "edgeDomainName": text("Another name, for viewers. May be empty.", ""),
        "dnsZoneName": text("A zone of Azure in the same resource group that domainName is in. May be empty.", ""),
        "certificate": secret("The certificate for the names with its key: PKCS #12 without a password, in base64."),
        "operatorCidr": text("From where operators may ask REST and the panel; an account is needed besides."),
        "sshPublicKey": text("Azure asks for one. No port for SSH is open."),
        "networkPrefix": text("The first two numbers of the network's addresses, a /16.", "10.30"),
        "natsImage": text(
            "The image of NATS. Azure lets it not be changed: give the first one again when you deploy anew.",
            "[parameters('image')]",
        ),
        "natsSize": text("The machines of NATS.", "Standard_B2s"),
        "drainSeconds": {
            "type": "int",
            "defaultValue": DRAIN_S,
            "allowedValues": list(HOOK_S),
            "metadata": {"description": "How long a machine that is taken away may move its viewers and publishers."},
        },
    }
    found |= {
        "scheduleDays": {
            "type": "array",
            "defaultValue": [],
            "metadata": {"description": 'Days with a time when more viewers are expected: ["Friday"]. Empty: none.'},
        },
        "scheduleFromHour": number("When they are expected.", 19, 0, 23),
        "scheduleFromMinute": number("The minute of that hour.", 45, 0, 59),
        "scheduleUntilHour": number("When they have gone, on the same day.", 23, 0, 23),
        "scheduleUntilMinute": number("The minute of that hour as well.", 0, 0, 59),
        "scheduleTimeZone": text("The zone of these times, as Windows calls it: W. Europe Standard Time.", "UTC"),
    }
    for group in GROUPS:
        found[f"{group.kind}Size"] = text(f"The machines of {group.kind}.", group.azure_type)
        found[f"{group.kind}Least"] = number(f"Machines of {group.kind} at least.", group.least, 1, 100)
        found[f"{group.kind}Most"] = number(f"Machines of {group.kind} at most.", group.most, 1, 100)
        if group.targets:
            words = f"The same in the time of the schedule; not more than {group.kind}Most."
            found[f"{group.kind}LeastScheduled"] = number(words, group.least, 1, 100)
        for target in group.targets:
            found[name_of(target)] = amount(target)
    for reader in readers():
        found[keys_of(reader)] = secret(f"What `rillcast cloud-keys` has written for {reader}.")
    return found


def readers() -> tuple[str, ...]:
    """Who has a secret of its own."""
    return (*(group.kind for group in GROUPS), *NATS_SERVERS)


def keys_of(reader: str) -> str:
    """The parameter with the keys of a reader; `rillcast cloud-keys` writes it so."""
    return f"keys{reader.title().replace('-', '')}"


def is_share(target: Target) -> bool:
    """Whether a target is a share of one. ARM knows whole numbers only, so its parameter is in percent."""
    return target.value < 1


def name_of(target: Target) -> str:
    """The parameter of a target."""
    name = target.parameter[0].lower() + target.parameter[1:]
    return f"{name}Percent" if is_share(target) else name


def amount(target: Target) -> Json:
    """A target as a parameter."""
    if is_share(target):
        return number(f"{target.words} In percent.", round(target.value * 100), 10, 75)
    return number(target.words, int(target.value), 1, 1_000_000)


def text(words: str, default: str | None = None, *, least: int = 0, most: int = 0) -> Json:
    """A parameter; without a default it must be given."""
    found: Json = {"type": "string", "metadata": {"description": words}}
    if default is None:
        found["minLength"] = 1
    else:
        found["defaultValue"] = default
    return found | ({"minLength": least, "maxLength": most} if most else {})


def secret(words: str) -> Json:
    """A parameter that is in no log of the deployment."""
    return {"type": "securestring", "metadata": {"description": words}}


def number(words: str, default: int, least: int, most: int) -> Json:
    """A whole number between two others."""
    return {
        "type": "int",
        "defaultValue": default,
        "minValue": least,
        "maxValue": most,
        "metadata": {"description": words},
    }
