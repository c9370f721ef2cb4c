"""Whatever text or number another process puts into a field, no handler sees one that cannot be.

Every field of every message, record and status is tried, and of what the license service keeps in the store; also in
the structs, lists and mappings inside it.
"""

from __future__ import annotations

import base64
import importlib
import pkgutil
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Annotated, Any, NewType, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from rillcast import contracts
from rillcast.contracts import ids
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.records import LadderRung
from rillcast.licensing.document import ClockFloor
from services.license.domain.ledger import Ledger
from services.license.domain.usage import DayRecord

MODULES = [importlib.import_module(f"{contracts.__name__}.{m.name}") for m in pkgutil.iter_modules(contracts.__path__)]
CLASSES = sorted(
    {Ledger, DayRecord, ClockFloor}
    | {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
    },
    key=lambda cls: cls.__name__,
)
CHECKED_LATER = {LadderRung}
"""`rillcast.apps.ladder_settings.check_rungs` refuses what these hold, in sentences that clients of REST are shown."""

NO_IDS = {"not ASCII": "é", "a slash": "a/b", "a space": "a b", "nothing": "", "two lines": "a\n", "no end": "a" * 300}
NO_TEXTS = {"no end": "a" * 1_048_577}
NO_BYTES = {"no end": "QUFB" * 300_000, "no base64": "é"}
NO_INTEGERS = {"negative": -3, "65 bits": 2**64, "a hundred digits": 10**99}
NO_FLOATS = {"negative": -1.5, "no end": 1e300}

Path = tuple[str | int, ...]


def sample(kind: inspect.Type) -> Any:  # noqa: PLR0911  one for each type
    """The smallest value of a type that has one element in each list and mapping, as JSON has it."""
    match kind:
        case inspect.Metadata():
            return sample(kind.type)
        case inspect.UnionType():
            return sample(next(one for one in kind.types if not isinstance(one, inspect.NoneType)))
        case inspect.StructType():
            return {field.encode_name: sample(field.type) for field in kind.fields}
        case inspect.VarTupleType() | inspect.ListType():
            return [sample(kind.item_type)]
        case inspect.DictType():
            return {sample(kind.key_type): sample(kind.value_type)}
        case inspect.EnumType():
            return next(iter(kind.cls)).value
        case inspect.StrType():
            return next(text for text in ("a", "10.0.0.1:5000", "a" * 32, "") if re.search(kind.pattern or "", text))
        case inspect.BytesType():
            return "QUFB"
        case inspect.IntType():
            return kind.ge or 0
        case inspect.FloatType():
            return float(kind.ge or 0)
        case inspect.BoolType():
            return True
    raise AssertionError(f"no sample of {kind}")


def impossible(hint: Any) -> dict[str, Any]:
    """Values that no field of this type may hold; empty if it is none of a text or a number."""
    if isinstance(hint, NewType):
        return NO_IDS
    if get_origin(hint) is Annotated:
        return impossible(get_args(hint)[0])
    values: dict[Any, dict[str, Any]] = {str: NO_TEXTS, bytes: NO_BYTES, int: NO_INTEGERS, float: NO_FLOATS}
    return values.get(hint, {})


KEY, VALUE = "a key", "the value of a key"
"""The ways into a mapping: no field of a message is called so."""


def leaves(hint: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every text and number in a value of this type: the way to it, and its type."""
    if impossible(hint):
        yield path, hint
    elif get_origin(hint) is Annotated:
        yield from leaves(get_args(hint)[0], path)
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if hint not in CHECKED_LATER:
            hints = get_type_hints(hint, include_extras=True)
            for field in msgspec.structs.fields(hint):
                yield from leaves(hints[field.name], (*path, field.encode_name))
    elif get_origin(hint) is dict:
        key, value = get_args(hint)
        yield from leaves(key, (*path, KEY))
        yield from leaves(value, (*path, VALUE))
    elif get_origin(hint) is tuple:
        yield from leaves(get_args(hint)[0], (*path, 0))
    else:
        for one in get_args(hint):
            yield from leaves(one, path)


def with_value(whole: Any, path: Path, value: Any) -> Any:
    """A copy of `whole` in which `value` stands at the end of the path."""
    changed = deepcopy(whole)
    if not path:
        return value
    first, *rest = path
    if first == KEY:
        return dict.fromkeys([value], *changed.values())
    if first == VALUE:
        return {key: with_value(one, tuple(rest), value) for key, one in changed.items()}
    changed[first] = with_value(changed[first], tuple(rest), value)
    return changed


CASES = [
    pytest.param(cls, path, value, id=f"{cls.__name__}.{'.'.join(map(str, path))}-{name}")
    for cls in CLASSES
    if cls not in CHECKED_LATER
    for path, hint in leaves(cls)
    for name, value in impossible(hint).items()
]


@pytest.mark.parametrize("cls", CLASSES)
def test_the_samples_are_possible(cls: type[msgspec.Struct]) -> None:
    decode_json(msgspec.json.encode(sample(inspect.type_info(cls))), cls)


@pytest.mark.parametrize(("cls", "path", "value"), CASES)
def test_an_impossible_value_is_refused_by_the_name_of_its_field(
    cls: type[msgspec.Struct], path: Path, value: object
) -> None:
    body = msgspec.json.encode(with_value(sample(inspect.type_info(cls)), path, value))

    with pytest.raises(Undecodable) as refused:
        decode_json(body, cls)

    field = next(step for step in reversed(path) if isinstance(step, str) and step not in {KEY, VALUE})
    assert f".{field}" in str(refused.value)
    assert "regex" not in str(refused.value)


def possible(kind: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911  one for each type
    """Any value of a type, as JSON has it."""
    match kind:
        case inspect.Metadata():
            return possible(kind.type)
        case inspect.UnionType():
            return st.one_of([possible(one) for one in kind.types])
        case inspect.NoneType():
            return st.none()
        case inspect.StructType():
            return st.fixed_dictionaries({field.encode_name: possible(field.type) for field in kind.fields})
        case inspect.VarTupleType() | inspect.ListType():
            return st.lists(possible(kind.item_type), max_size=2)
        case inspect.DictType():
            return st.dictionaries(possible(kind.key_type), possible(kind.value_type), max_size=2)
        case inspect.EnumType():
            return st.sampled_from([one.value for one in kind.cls])
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern)
        case inspect.StrType():
            return st.text(max_size=min(20, kind.max_length or 20))
        case inspect.BytesType():
            return st.binary(max_size=20).map(lambda some: base64.b64encode(some).decode())
        case inspect.IntType():
            return st.integers(kind.ge, kind.le)
        case inspect.FloatType():
            return st.floats(kind.ge, kind.le)
    return st.booleans()


@pytest.mark.parametrize("cls", CLASSES)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_possible_value_comes_back_as_it_was(cls: type[msgspec.Struct], data: st.DataObject) -> None:
    body = msgspec.json.encode(data.draw(possible(inspect.type_info(cls))))
    read = decode_json(body, cls)
    assert decode_json(msgspec.json.encode(read), cls) == read


def test_every_id_has_a_grammar() -> None:
    kinds = {name: value for name, value in vars(ids).items() if isinstance(value, NewType)}
    assert len(kinds) >= 7
    for name, kind in kinds.items():
        assert get_origin(kind.__supertype__) is Annotated, name
        (meta,) = get_args(kind.__supertype__)[1:]
        assert meta.pattern, name
