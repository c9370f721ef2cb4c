"""What a cloud tells a machine about itself, and what it lets the machine do. For the Python (3.9 or newer) of the
machine's own system, hence the standard library only."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

METADATA = "http://169.254.169.254"
"""Where both clouds answer what they know of the machine that asks."""
MACHINE = Path("/etc/rillcast/machine.env")
"""What the template has said of this machine, a line NAME=value each."""
TIMEOUT_S = 10
MOST_BYTES = 1024 * 1024
"""Of an answer; a longer one is not what we asked for."""
COMMAND_TIMEOUT_S = 60

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without a proxy of the environment: nobody else may answer in the place of the metadata service."""


class CloudFault(Exception):
    """The cloud did not do what was asked of it; the text says what and why."""


@dataclass(frozen=True)
class Place:
    """Where this machine is."""

    machine: str
    """Its id in the cloud, unique in the account."""
    region: str
    zone: str
    private: str
    """Its address inside of the network."""
    public: str
    """Its address for everybody else; empty if it has none."""


@dataclass(frozen=True)
class Notice:
    """The cloud is about to take this machine away, or to start it anew."""

    what: str
    """In the words of the cloud."""
    event: str
    """What the cloud calls this notice; empty if it waits for no answer."""


def ask(
    url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> str | None:
    """The answer; None for a 404, which both clouds give where there is nothing. Raises CloudFault."""
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as response:
            read: bytes = response.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                return None
            raise CloudFault(f"{method} {url}: {error.code} {error.read(500).decode(errors='replace')}") from error
    except OSError as error:
        raise CloudFault(f"{method} {url}: {error}") from error
    if len(read) > MOST_BYTES:
        raise CloudFault(f"{method} {url}: the answer has more than {MOST_BYTES} bytes")
    return read.decode(errors="replace")


def needed(text: str | None, what: str) -> str:
    """`text`, which must be there. Raises CloudFault."""
    if not text:
        raise CloudFault(f"the metadata service does not say {what}")
    return text


def parsed(text: str, what: str) -> dict[str, object]:
    """The JSON object in `text`. Raises CloudFault."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CloudFault(f"{what} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise CloudFault(f"{what} is no JSON object")
    return found


def command(*words: str) -> str:
    """What a command prints. Raises CloudFault with what it says when it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CloudFault(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        raise CloudFault(f"{' '.join(words[:3])}: {done.stderr.strip()[:500]}")
    return done.stdout


def machine_env(path: Path = MACHINE) -> dict[str, str]:
    """What the template has said. Raises CloudFault."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CloudFault(f"cannot read what the template said of this machine: {error}") from error
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


class Aws:
    """EC2: the metadata service of version 2, and the command `aws` with the role of the machine."""

    def __init__(self, env: Mapping[str, str], base: str = METADATA) -> None:
        self._env = env
        self._base = base

    def place(self) -> Place:
        """Raises CloudFault."""
        zone = needed(self._get("placement/availability-zone"), "the zone")
        return Place(
            machine=needed(self._get("instance-id"), "the id of the machine"),
            region=needed(self._get("placement/region"), "the region"),
            zone=zone,
            private=needed(self._get("local-ipv4"), "the address of the machine"),
            public=self._get("public-ipv4") or "",
        )

    def secret(self) -> str:
        """The keys of this machine's kind. Raises CloudFault, also as long as nobody has put them there."""
        return self._aws(
            "secretsmanager", "get-secret-value", "--secret-id", self._env["SECRET"],
            "--query", "SecretString", "--output", "text",
        )  # fmt: skip

    def notice(self) -> Notice | None:
        """Whether the group of this machine, or the spot market, takes it away. Raises CloudFault."""
        if (self._get("autoscaling/target-lifecycle-state") or "").strip() == "Terminated":
            return Notice("the group ends this machine", self._env.get("HOOK", ""))
        if self._get("spot/instance-action") is not None:
            return Notice("the spot market ends this machine", "")
        return None

    def done(self, notice: Notice) -> None:
        """The machine may be taken away. Raises CloudFault."""
        if notice.event:
            self._aws(
                "autoscaling", "complete-lifecycle-action", "--lifecycle-hook-name", notice.event,
                "--auto-scaling-group-name", self._env["GROUP"], "--lifecycle-action-result", "CONTINUE",
                "--instance-id", needed(self._get("instance-id"), "the id of the machine"),
            )  # fmt: skip

    def _get(self, path: str) -> str | None:
        token = ask(
            f"{self._base}/latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        return ask(
            f"{self._base}/latest/meta-data/{path}",
            headers={"X-aws-ec2-metadata-token": needed(token, "a token for its questions")},
        )

    def _aws(self, *words: str) -> str:
        return command("aws", *words, "--region", self._env["REGION"])


class Azure:
    """Azure: the metadata service with its scheduled events, and Key Vault with the identity of the machine."""

    def __init__(self, env: Mapping[str, str], base: str = METADATA) -> None:
        self._env = env
        self._base = base

    def place(self) -> Place:
        """Raises CloudFault."""
        compute = self._compute()
        text = self._get("instance/network/interface/0/ipv4/ipAddress/0?api-version=2021-02-01")
        addresses = parsed(needed(text, "the address of the machine"), "the address")
        region = str(compute["location"])
        return Place(
            machine=str(compute["vmId"]),
            region=region,
            zone=f"{region}-{compute['zone']}" if compute.get("zone") else "",
            private=needed(str(addresses.get("privateIpAddress") or ""), "the address of the machine"),
            public=str(addresses.get("publicIpAddress") or "") or self._standard_address(),
        )

    def secret(self) -> str:
        """The keys of this machine's kind. Raises CloudFault."""
        answer = ask(f"{self._env['SECRET']}?api-version=7.4", headers=self.login("https://vault.azure.net"))
        return str(parsed(needed(answer, "the keys"), "the secret")["value"])

    def notice(self) -> Notice | None:
        """Whether Azure takes this machine away, or starts it anew. Raises CloudFault."""
        name = self._compute()["name"]
        text = self._get("scheduledevents?api-version=2020-07-01")
        events = parsed(needed(text, "which events are scheduled"), "the list of events").get("Events") or []
        for event in events if isinstance(events, list) else []:
            ends = event.get("EventType") in {"Terminate", "Preempt", "Reboot", "Redeploy"}
            if ends and name in event.get("Resources", ()):
                return Notice(str(event["EventType"]), str(event["EventId"]))
        return None

    def done(self, notice: Notice) -> None:
        """Azure need not wait until the notice has run out. Raises CloudFault."""
        body = json.dumps({"StartRequests": [{"EventId": notice.event}]}).encode()
        ask(
            f"{self._base}/metadata/scheduledevents?api-version=2020-07-01",
            method="POST",
            headers={"Metadata": "true", "Content-Type": "application/json"},
            body=body,
        )

    def resource(self) -> tuple[str, str]:
        """The region, and the id of the group of machines. Raises CloudFault."""
        compute = self._compute()
        own = str(compute["resourceId"])
        return str(compute["location"]), own.partition("/virtualMachines/")[0]

    def login(self, audience: str) -> dict[str, str]:
        """Headers that prove to a service of Azure who asks. Raises CloudFault."""
        text = self._get(f"identity/oauth2/token?api-version=2018-02-01&resource={audience}")
        token = parsed(needed(text, "who this machine is"), "the token")["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def _standard_address(self) -> str:
        """A public address of the SKU Standard, which is the only one left, is told by another part of the service."""
        text = self._get("loadbalancer?api-version=2020-10-01")
        if text is None:
            return ""
        balancer = parsed(text, "the list of public addresses").get("loadbalancer")
        pairs = balancer.get("publicIpAddresses") or [] if isinstance(balancer, dict) else []
        return next((str(pair["frontendIpAddress"]) for pair in pairs if pair.get("frontendIpAddress")), "")

    def _compute(self) -> dict[str, object]:
        text = self._get("instance/compute?api-version=2021-02-01")
        return parsed(needed(text, "which machine this is"), "the description of the machine")

    def _get(self, path: str) -> str | None:
        return ask(f"{self._base}/metadata/{path}", headers={"Metadata": "true"})


def cloud(env: Mapping[str, str], base: str = METADATA) -> Aws | Azure:
    """The one that this machine is in. Raises CloudFault."""
    name = env.get("CLOUD", "")
    if name == "aws":
        return Aws(env, base)
    if name == "azure":
        return Azure(env, base)
    raise CloudFault(f"CLOUD must be aws or azure, not {name!r}")
