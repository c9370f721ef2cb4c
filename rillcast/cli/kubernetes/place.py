"""Where a pod runs, and under which addresses clients reach it: only the API server knows, so it is asked once."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rillcast.cli.faults import CannotGoOn, writing
from rillcast.cli.kubernetes.api import Json

REGION_LABEL, ZONE_LABEL = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
REGION, ZONE, MEDIA_ADDRESSES = "region", "zone", "media-addresses"
"""The files that are written. Settings are read from them: `RILLCAST_REGION_FILE` and so on."""
PATIENCE_S = 300.0
"""How long a load balancer may take to get an address. Clouds need one to three minutes."""
_LOOK_EVERY_S = 2.0


class Places(Protocol):
    """Who is asked; see `ClusterApi`."""

    def node(self, name: str) -> Json:
        """The Node object of a machine."""
        ...

    def service(self, name: str) -> Json:
        """A Service of the namespace."""
        ...


@dataclass(frozen=True)
class Wish:
    """What is to be found out."""

    node: str
    """The machine of this pod."""
    external: bool = False
    """Whether clients reach it by the external addresses of the machine."""
    service: str = ""
    """The Service with a load balancer of its own by which clients reach it."""
    region: str = ""
    """Instead of that of the machine."""
    zone: str = ""
    """Instead of that of the machine."""


def find_place(
    api: Places,
    wish: Wish,
    folder: Path,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """Write the files into `folder` and return what is in them. Raises CannotGoOn when clients cannot reach this pod:
    a pod whose init container fails is never ready, and its log says why."""
    machine = api.node(wish.node)
    labels = machine.get("metadata", {}).get("labels") or {}
    addresses = _external(machine, wish.node) if wish.external else []
    if wish.service:
        addresses = _of_balancer(api, wish.service, clock, pause)
    found = {
        REGION: wish.region or labels.get(REGION_LABEL, ""),
        ZONE: wish.zone or labels.get(ZONE_LABEL, ""),
        MEDIA_ADDRESSES: ",".join(addresses),
    }
    with writing(folder):
        for name, text in found.items():
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
    return found


def _external(machine: Json, name: str) -> list[str]:
    listed = machine.get("status", {}).get("addresses") or []
    found = [str(one["address"]) for one in listed if one.get("type") == "ExternalIP" and _is_ip(str(one["address"]))]
    if not found:
        raise CannotGoOn(
            f"the machine {name} has no address of type ExternalIP, so no client outside can reach this pod; "
            "give it one, or set `advertise` in the values of the chart to internal or addresses"
        )
    return found


def _of_balancer(api: Places, service: str, clock: Callable[[], float], pause: Callable[[float], None]) -> list[str]:
    until = clock() + PATIENCE_S
    while True:
        listed = (api.service(service).get("status", {}).get("loadBalancer") or {}).get("ingress") or []
        found = [address for one in listed for address in _addresses(one)]
        if found:
            return found
        if clock() >= until:
            raise CannotGoOn(
                f"the Service {service} has got no address of a load balancer within {PATIENCE_S:.0f} s, so no client "
                f"can reach this pod; kubectl describe service {service} says what it waits for"
            )
        pause(_LOOK_EVERY_S)


def _addresses(ingress: Json) -> list[str]:
    """ICE candidates are IP addresses, and some clouds name a balancer by a host name only."""
    if ip := ingress.get("ip"):
        return [str(ip)]
    try:
        found = socket.getaddrinfo(str(ingress.get("hostname", "")), None, type=socket.SOCK_DGRAM)
    except OSError:
        return []  # the name is not known yet
    return sorted({str(entry[4][0]) for entry in found})


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
