"""A machine of a cloud, as its scripts see it: a metadata service on loopback, and the commands that they call."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rillcast.contracts.words import NodeKind
from rillcast.runtime.settings import NodeSettings

FOLDER = Path(__file__).resolve().parents[3] / "deploy/clouds"


def script(name: str) -> Any:
    """A module of deploy/clouds, which are no package: they lie side by side at the machine."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    return importlib.import_module(name)


def settings_of_nodes(
    told: Mapping[str, Mapping[str, str]], place: Any, settings: Mapping[NodeKind, type[NodeSettings]], folder: Path
) -> dict[NodeKind, NodeSettings]:
    """What each kind of node reads when a machine at this place was `told` so, by kind. Raises for a setting that none
    takes. `folder` stands for the one with the secrets."""
    for name in ("nats.nkey", "ca.pem", "admin-password", "tools.nkey"):
        (folder / name).write_text("a-text-of-some-length")
    found = {}
    for kind in NodeKind:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in script("prepare").settings(told[kind], place, 2).items():
                patch.setenv(name, value.replace("/run/rillcast", str(folder)))
            found[kind] = settings[kind]()
    return found


class Metadata:
    """What the service answers, and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        """Path, with its query → text. What is not here is a 404."""
        self.broken = False
        self.posts: list[tuple[str, Any]] = []
        self.tokens = 0
        self.base = ""


@contextmanager
def metadata_service() -> Iterator[Metadata]:
    """As AWS has it (a token is asked for) and Azure (a header is)."""
    said = Metadata()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            said.tokens += 1
            self._answer(200 if self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") else 400, "a-token")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said.posts.append((self.path, body))
            self._answer(503 if said.broken else 200, "")

        def do_GET(self) -> None:
            if said.broken:
                self._answer(503, "out of order")
            elif self.headers.get("Metadata") != "true" and self.headers.get("X-aws-ec2-metadata-token") != "a-token":
                self._answer(401, "")
            elif self.path in said.answers:
                self._answer(200, said.answers[self.path])
            else:
                self._answer(404, "")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    said.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield said
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def aws_answers(public: str = "203.0.113.7") -> dict[str, str]:
    """What AWS says of a machine in Frankfurt."""
    root = "/latest/meta-data"
    found = {
        f"{root}/instance-id": "i-0abc",
        f"{root}/placement/availability-zone": "eu-central-1b",
        f"{root}/placement/region": "eu-central-1",
        f"{root}/local-ipv4": "10.30.17.4",
    }
    return found | ({f"{root}/public-ipv4": public} if public else {})


def azure_answers(public: str = "203.0.113.7") -> dict[str, str]:
    """What Azure says of a machine in the Netherlands. Addresses of the SKU Standard are in the balancer's part."""
    group = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/rillcast-edge"
    compute = {
        "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
        "name": "rillcast-edge_3",
        "location": "westeurope",
        "zone": "2",
        "resourceId": f"{group}/virtualMachines/3",
    }
    addresses = {"privateIpAddress": "10.30.17.4", "publicIpAddress": ""}
    pairs = [{"frontendIpAddress": public, "privateIpAddress": "10.30.17.4"}] if public else []
    return {
        "/metadata/instance/compute?api-version=2021-02-01": json.dumps(compute),
        "/metadata/instance/network/interface/0/ipv4/ipAddress/0?api-version=2021-02-01": json.dumps(addresses),
        "/metadata/loadbalancer?api-version=2020-10-01": json.dumps({"loadbalancer": {"publicIpAddresses": pairs}}),
        SCHEDULED: json.dumps({"Events": []}),
    }


SCHEDULED = "/metadata/scheduledevents?api-version=2020-07-01"
STATE = "/latest/meta-data/autoscaling/target-lifecycle-state"


def put_command(folder: Path, name: str, text: str) -> None:
    """A command that the scripts call."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
