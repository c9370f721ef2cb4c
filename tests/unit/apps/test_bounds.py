"""Whatever can be set has bounds: every field, also one that somebody adds later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from msgspec.inspect import (
    BoolType,
    DictType,
    EnumType,
    FloatType,
    IntType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
)

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.apps.stored import StoredApps, StoredBroadcasts, StoredRefused
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord
from services.signaling.core.domain.app_catalog import changed_settings
from services.signaling.core.domain.broadcast_catalog import changed_broadcast
from services.signaling.core.domain.setting_values import WrongType

APP = AppSettings(app_name=AppName("live"))
BROADCAST = BroadcastRecord(stream_id=StreamId("s1"))
RUNG = {"height": 720, "videoBitrate": 1_000_000}
INTEGERS = (-(10**20), -(10**15), -1_000, 10**15, 10**20)
NOT_POSTED = {"appName", "kept", "updateTime", "appInstallationTime"}
"""What is posted of these counts for nothing."""
FLOATS = (-1e300, -1_000.0, 1e15, 1e300)


def excesses(kind: Type, name: str) -> Iterator[tuple[str, Any]]:
    """The name of what is beyond any sense, and a value of the type that has it. TypeError for a type that no one has
    thought of here."""
    match kind:
        case BoolType() | NoneType():
            pass
        case IntType():
            yield from ((name, value) for value in INTEGERS)
        case FloatType():
            yield from ((name, value) for value in FLOATS)
        case StrType():
            yield name, "x" * 20_000
        case Metadata(type=marked):
            yield from excesses(marked, name)
        case DictType(key_type=key, value_type=value):
            yield from ((name, {text: "x"}) for _, text in excesses(key, name))
            yield from ((name, {"x": text}) for _, text in excesses(value, name))
        case UnionType(types=types):
            for member in types:
                yield from excesses(member, name)
        case VarTupleType():
            yield from excesses_of_list(kind, name)
        case _:
            raise TypeError(f"{name} is of a type whose bounds are not tested: {kind}")


def excesses_of_list(kind: VarTupleType, name: str) -> Iterator[tuple[str, Any]]:
    """The same of a list."""
    match kind:
        case VarTupleType(item_type=StructType() as item):
            yield "encoderSettings", [RUNG | {"height": height} for height in range(100, 200)]
            for field in item.fields:
                for inner, value in excesses(field.type, field.encode_name):
                    yield inner, [RUNG | {field.encode_name: value}]
        case VarTupleType(item_type=EnumType(cls=words), max_length=int() as most):
            yield from ((name, value) for value in (["x"], [*words] * (most + 1)))
        case _:
            raise TypeError(f"{name} is of a type whose bounds are not tested: {kind}")


def all_excesses(record: type[msgspec.Struct]) -> list[Any]:
    kind = msgspec.inspect.type_info(record)
    assert isinstance(kind, StructType)
    return [
        pytest.param(field.encode_name, named, value, id=f"{field.encode_name}-{named}-{str(value)[:12]}-{number}")
        for field in kind.fields
        for number, (named, value) in enumerate(excesses(field.type, field.encode_name))
    ]


def names_what_is_wrong(change: Callable[[], object], named: str) -> bool:
    with pytest.raises((PatchRefused, LadderRefused, WrongType)) as refused:
        change()
    return named in str(refused.value)


@pytest.mark.parametrize(("key", "named", "value"), all_excesses(AppSettings))
def test_no_setting_of_an_app_is_without_bounds(key: str, named: str, value: object) -> None:
    body = json.dumps({key: value}).encode()
    stored = json.dumps({"appName": "live", key: value}).encode()

    if key not in NOT_POSTED:
        assert names_what_is_wrong(lambda: changed_settings(APP, Patch.parse(body), {}), named)
    with pytest.raises(StoredRefused):
        StoredApps().apply("live", stored)


@pytest.mark.parametrize(("key", "named", "value"), all_excesses(BroadcastRecord))
def test_no_setting_of_a_broadcast_is_without_bounds(key: str, named: str, value: object) -> None:
    body = json.dumps({key: value}).encode()
    stored = json.dumps({"streamId": "s1", key: value}).encode()

    if key != "streamId":
        assert names_what_is_wrong(lambda: changed_broadcast(BROADCAST, Patch.parse(body)), named)
    with pytest.raises(StoredRefused):
        StoredBroadcasts(BroadcastRecord).apply("live/s1", stored)


def test_the_defaults_are_within_the_bounds() -> None:
    assert msgspec.json.decode(msgspec.json.encode(APP), type=AppSettings) == APP


@pytest.mark.parametrize("value", [-5, 0, 99, 600_001, 10**15, 10**20])
def test_an_impossible_time_to_start_is_refused_by_its_name(value: int) -> None:
    body = json.dumps({"webRTCClientStartTimeoutMs": value}).encode()

    assert names_what_is_wrong(lambda: changed_settings(APP, Patch.parse(body), {}), "webRTCClientStartTimeoutMs")
