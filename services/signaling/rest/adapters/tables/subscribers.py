"""Subscribers of streams."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import APP_ISSUER, APP_OPERATOR
from services.signaling.rest.domain.access_shapes import ConnectionEvent, NewSubscriber, Subscriber
from services.signaling.rest.usecases.subscribers import Subscribers

ROOT = "/{app}/rest/v2/broadcasts/{stream}"
ADDED = {"subscriber": "$request.body#/subscriberId"}

TABLE = Table(
    tag="subscribers",
    about="Subscribers of a stream, who show time-based codes or may be blocked.",
    resource=Subscribers,
    input="subscriber",
    rows=(
        Endpoint(
            "GET",
            f"{ROOT}/subscribers/list/{{offset}}/{{size}}",
            APP_OPERATOR,
            Subscribers.list_page,
            "The subscribers of a stream by their id, without their secrets.",
            name="list_subscribers",
            answer=list[Subscriber],
        ),
        Endpoint(
            "POST",
            f"{ROOT}/subscribers",
            APP_OPERATOR,
            Subscribers.add,
            "Registers a subscriber, or changes one. What is wrong is answered 200 and `success: false`.",
            name="add_subscriber",
            answer=Result,
            body=NewSubscriber,
            body_may_lack=True,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
            example={"body": {"subscriberId": "viewer-7", "b32Secret": "JBSWY3DPEHPK3PXP", "type": "play"}},
            links=(
                Link("block_subscriber", ADDED),
                Link("get_subscriber_code", ADDED),
                Link("delete_subscriber", ADDED),
                Link("list_subscribers"),
            ),
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/subscribers",
            APP_OPERATOR,
            Subscribers.delete_all,
            "Forgets all subscribers of a stream.",
            name="delete_subscribers",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE,),
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/subscribers/{{subscriber}}",
            APP_OPERATOR,
            Subscribers.delete,
            "Forgets a subscriber. Its sessions go on.",
            name="delete_subscriber",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE,),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/subscribers/{{subscriber}}/totp",
            APP_ISSUER,
            Subscribers.code,
            "The subscriber's code of this moment, in dataId.",
            name="get_subscriber_code",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE,),
        ),
        Endpoint(
            "PUT",
            f"{ROOT}/subscribers/{{subscriber}}/block/{{seconds}}/{{kind}}",
            APP_OPERATOR,
            Subscribers.block,
            "Blocks a subscriber for so many seconds and ends its sessions at once; 0 ends the block.",
            name="block_subscriber",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/connection-events/{{offset}}/{{size}}",
            APP_OPERATOR,
            Subscribers.events,
            "When subscribers connected and disconnected, where ``writeSubscriberEventsToDatastore`` is set.",
            name="list_connection_events",
            answer=list[ConnectionEvent],
        ),
    ),
)
