"""Names of the wire in Python and back, and every shape of the document in the client."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rillcast.client import shapes
from rillcast.client.api import Api
from rillcast.contracts.status import AppStatus, ClusterStatus
from scripts.client.document import document
from scripts.client.names import module_of, snake
from scripts.client.operations import Operation, operations
from scripts.client.shapes import Shapes
from scripts.client.types import Components

COMPONENTS = Components(document()["components"]["schemas"])
CALLS = operations(document())


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("streamId", "stream_id"),
        ("listenerHookURL", "listener_hook_url"),
        ("lLHLSEnabled", "l_lhls_enabled"),
        ("up-time", "up_time"),
        ("from", "from_"),
        ("is360", "is360"),
        ("webRTCViewerLimit", "web_rtc_viewer_limit"),
    ],
)
def test_a_name_of_the_wire_becomes_one_of_python(wire: str, name: str) -> None:
    assert snake(wire) == name


WRITTEN = [name for name in sorted(Shapes(COMPONENTS, CALLS).homes) if "properties" in COMPONENTS.schemas[name]]


@pytest.mark.parametrize("component", WRITTEN)
def test_a_shape_has_the_keys_of_the_document_on_the_wire(component: str) -> None:
    described = COMPONENTS.schemas[component]
    shape: type[msgspec.Struct] = getattr(shapes, COMPONENTS.name(component))

    assert list(shape.__struct_encode_fields__) == list(described["properties"])
    required = {field.encode_name for field in msgspec.structs.fields(shape) if field.required}
    assert required == set(described.get("required", ()))


def test_shapes_that_the_contracts_have_already_are_taken_from_there() -> None:
    assert {"ClusterStatus", "NodeStatus", "ServedStream", "LicenseStatus"} <= COMPONENTS.shared.keys()
    assert shapes.ClusterStatus is ClusterStatus
    assert shapes.AppStatus is AppStatus, "though one of its types has a namesake in the document"


class Asked(Exception):
    """Instead of an answer."""

    def __init__(self, method: str, path: str, query: dict[str, Any]) -> None:
        super().__init__(f"{method} {path}")
        self.query = query


class Recorder:
    """Stands for `Asking`: raises what it is asked."""

    def __call__(self, kind: object, method: str, path: str, **given: Any) -> Any:
        raise Asked(method, path, dict(given.get("query") or {}))

    perhaps = __call__

    def text(self, method: str, path: str, **given: Any) -> Any:
        raise Asked(method, path, dict(given.get("query") or {}))

    anything = text


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_every_operation_of_the_document_is_a_method_that_asks_it(call: Operation) -> None:
    api = Api(Recorder())  # type: ignore[arg-type]
    method = getattr(getattr(api, module_of(call.tag)), call.name)
    in_path = [one.name for one in call.in_path]
    given = {one.name: one.name for one in call.in_query} | ({"body": object()} if call.body is not None else {})

    with pytest.raises(Asked) as asked:
        method(*in_path, **given)

    path = call.path
    for one in call.in_path:
        path = path.replace(f"{{{one.wire}}}", one.name)
    assert str(asked.value) == f"{call.method} {path}"
    assert asked.value.query == {one.wire: one.name for one in call.in_query}
