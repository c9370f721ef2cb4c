"""Tokens that let clients publish or play."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import APP_ISSUER
from services.signaling.rest.domain.access_shapes import Token
from services.signaling.rest.usecases.tokens import Tokens

ROOT = "/{app}/rest/v2/broadcasts"

TABLE = Table(
    tag="tokens",
    about="Tokens that let clients publish or play where the app asks for them.",
    resource=Tokens,
    input="token",
    rows=(
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/token",
            APP_ISSUER,
            Tokens.create,
            "Makes a one-time token.",
            name="create_token",
            answer=Token,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
            links=(
                Link("validate_token", body="$response.body"),
                Link("list_tokens"),
                Link("revoke_tokens"),
            ),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/jwt-token",
            APP_ISSUER,
            Tokens.create_jwt,
            "Makes a JWT. Nobody keeps it, and it cannot be revoked.",
            name="create_jwt",
            answer=Token,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/validate-token",
            APP_ISSUER,
            Tokens.validate,
            "Says whether a one-time token would let a client in. It is not used up.",
            name="validate_token",
            answer=Result,
            body=Token,
            errors=(ErrorCode.STORE_UNAVAILABLE,),
            example={"body": {"tokenId": "zs3sPXsKyDNPCQ", "streamId": "stream1", "type": "play"}},
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/tokens/list/{{offset}}/{{size}}",
            APP_ISSUER,
            Tokens.list_page,
            "The one-time tokens of a stream that are not done yet.",
            name="list_tokens",
            answer=list[Token],
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{stream}}/tokens",
            APP_ISSUER,
            Tokens.revoke,
            "Revokes the one-time tokens of a stream. Sessions that used one go on.",
            name="revoke_tokens",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE,),
        ),
    ),
)
