"""Endpoints by which an operator empties a node, looks how far it is, and takes it back."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.status import NODE_DRAIN_PATH
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import ADMIN, OPERATOR
from services.signaling.rest.domain.node_drain import UNKNOWN, WRONG_KIND, NodeDrain
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.usecases.node_drains import NodeDrains

ERRORS = (
    Refusal(UNKNOWN, "there is no such node, or it is dead"),
    Refusal(WRONG_KIND, "a node of this kind has no media to move"),
    ErrorCode.NO_NODE_AVAILABLE,
)

TABLE = Table(
    tag="drains",
    about="Emptying a node: it takes nothing new, and what it has moves to other nodes until a deadline.",
    resource=NodeDrains,
    input="drain",
    rows=(
        Endpoint(
            "GET",
            NODE_DRAIN_PATH,
            OPERATOR,
            NodeDrains.show,
            "How far a node is with its drain.",
            name="get_drain",
            answer=NodeDrain,
            errors=ERRORS,
        ),
        Endpoint(
            "POST",
            NODE_DRAIN_PATH,
            ADMIN,
            NodeDrains.begin,
            "Begins a drain, gives it another deadline, or cuts it short. The answer does not wait for its end.",
            name="begin_drain",
            answer=NodeDrain,
            errors=(Refusal(400, "the deadline makes no sense"), *ERRORS),
            links=(
                Link("get_drain"),
                Link("undo_drain"),
            ),
        ),
        Endpoint(
            "DELETE",
            NODE_DRAIN_PATH,
            ADMIN,
            NodeDrains.undo,
            "Takes a drain back: the node takes new work again. Who has gone does not come back.",
            name="undo_drain",
            answer=NodeDrain,
            errors=(ErrorCode.BAD_REQUEST, *ERRORS),
        ),
    ),
)
