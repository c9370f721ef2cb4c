"""Where a node's media workers are reached: by clients (candidates) and by other nodes (relays)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Protocol

from rillcast.media.sdp import LocalTransport, new_transport_credentials


class Ports(Protocol):
    """The UDP ports of one worker, as `rillcast.media.plane.WorkerPorts`."""

    @property
    def media_port(self) -> int: ...

    @property
    def relay_port(self) -> int: ...


class MediaAddresses:
    """The addresses under which the plane of one node is reached."""

    def __init__(
        self,
        fingerprint: str,
        workers: Sequence[Ports],
        media_addresses: tuple[str, ...],
        relay_address: str,
        *,
        tcp: bool = False,
    ) -> None:
        """`tcp`: clients may connect by TCP to the media ports as well."""
        self._fingerprint = fingerprint
        self._workers = tuple(workers)
        self._media_addresses = media_addresses
        self._relay_address = relay_address
        self._tcp = tcp

    def transport(self, worker: int) -> LocalTransport:
        """New ICE credentials for one session on this worker, or for its ICE restart, with the worker's addresses."""
        ufrag, pwd = new_transport_credentials()
        return LocalTransport(
            ufrag=ufrag,
            pwd=pwd,
            fingerprint=self._fingerprint,
            addresses=self._media_addresses,
            port=self._workers[worker].media_port,
            tcp=self._tcp,
        )

    def relay(self, worker: int) -> str:
        """The relay socket of this worker, as ``ip:port``."""
        version = ipaddress.ip_address(self._relay_address).version
        host = f"[{self._relay_address}]" if version == 6 else self._relay_address
        return f"{host}:{self._workers[worker].relay_port}"
