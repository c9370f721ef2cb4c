"""Machines to choose from and what they cost: a table that the operator edits."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path

import msgspec

from rillcast.cli.capacity.costs import Costs, Media
from rillcast.cli.faults import CannotGoOn

EXAMPLE = Path(__file__).with_name("example.toml")
LARGEST = 1_000_000


class Use(StrEnum):
    """What a machine is for."""

    SIGNALING = "signaling"
    ORIGIN = "origin"
    EDGE = "edge"
    TRANSCODER = "transcoder"
    SERVICES = "services"
    """NATS, Consul and license, which share it."""


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of machine."""

    name: str
    cores: float
    """As a virtual CPU that clouds rent: the figures were measured on two of those."""
    memory_gib: float
    network_gbps: float
    """What it can send for hours, and not what it may for minutes."""
    per_hour: float


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator's file has in it."""

    currency: str
    egress_per_gb: float
    """Of what viewers are sent, by the internet."""
    between_zones_per_gb: float = 0.0
    between_regions_per_gb: float = 0.0
    machines: dict[Use, Machine]
    """One for each use."""
    costs: Costs = Costs()
    media: Media = Media()


def read(path: Path) -> Table:
    """The table in a file of TOML. Raises CannotGoOn, which names what is wrong."""
    try:
        table = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Table)
    except OSError as error:
        raise CannotGoOn(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeError, msgspec.ValidationError) as error:
        raise CannotGoOn(f"{path}: {error}") from None
    if faults := _faults(table):
        raise CannotGoOn(f"{path} cannot be used", faults)
    return table


def _faults(table: Table) -> list[str]:
    faults = [f"there is no machine for {use}: [machines.{use}]" for use in Use if use not in table.machines]
    for kind, machine in table.machines.items():
        for name in ("cores", "memory_gib", "network_gbps"):
            if not 0 < getattr(machine, name) <= LARGEST:
                faults.append(f"machines.{kind}.{name} must be more than 0")
        faults += _negative(f"machines.{kind}", machine)
    for name, struct in (("", table), ("costs", table.costs), ("media", table.media)):
        faults += _negative(name, struct)
    if table.media.video_bytes_per_packet < 1:
        faults.append("media.video_bytes_per_packet must be at least 1")
    return faults


def _negative(name: str, struct: msgspec.Struct) -> list[str]:
    values = {key: getattr(struct, key) for key in struct.__struct_fields__}
    numbers = {key: value for key, value in values.items() if isinstance(value, float | int)}
    return [
        f"{name}{'.' if name else ''}{key} must be from 0 to {LARGEST}"
        for key, value in numbers.items()
        if not 0 <= value <= LARGEST
    ]
