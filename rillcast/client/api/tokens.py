"""Calls about tokens.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.tokens import Token


class Tokens:
    """Tokens that let clients publish or play where the app asks for them."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def create_token(
        self,
        app: str,
        stream: str,
        *,
        expire_date: int | None = None,
        type: str | None = None,
        room_id: str | None = None,
    ) -> Token:
        """Makes a one-time token.

        ``GET /{app}/rest/v2/broadcasts/{stream}/token``

        `app`: The app.
        `stream`: The stream's id.
        `expire_date`: Until when it is good, in Unix seconds.
        `type`: What it is for: publish or play.
        `room_id`: The room that a publisher's token is good for.
        """
        query: Query = {"expireDate": expire_date, "type": type, "roomId": room_id}
        return self._ask(Token, "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/token", query=query)

    def create_jwt(
        self,
        app: str,
        stream: str,
        *,
        expire_date: int | None = None,
        type: str | None = None,
        room_id: str | None = None,
    ) -> Token:
        """Makes a JWT. Nobody keeps it, and it cannot be revoked.

        ``GET /{app}/rest/v2/broadcasts/{stream}/jwt-token``

        `app`: The app.
        `stream`: The stream's id.
        `expire_date`: Until when it is good, in Unix seconds.
        `type`: What it is for: publish or play.
        `room_id`: The room that a publisher's token is good for.
        """
        query: Query = {"expireDate": expire_date, "type": type, "roomId": room_id}
        return self._ask(Token, "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/jwt-token", query=query)

    def validate_token(self, app: str, body: Token) -> Result:
        """Says whether a one-time token would let a client in. It is not used up.

        ``POST /{app}/rest/v2/broadcasts/validate-token``

        `app`: The app.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/validate-token", body=body)

    def list_tokens(self, app: str, stream: str, offset: int, size: int) -> list[Token]:
        """The one-time tokens of a stream that are not done yet.

        ``GET /{app}/rest/v2/broadcasts/{stream}/tokens/list/{offset}/{size}``

        `app`: The app.
        `stream`: The stream's id.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        """
        return self._ask(
            list[Token],
            "GET",
            f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/tokens/list/{part(offset)}/{part(size)}",
        )

    def revoke_tokens(self, app: str, stream: str) -> Result:
        """Revokes the one-time tokens of a stream. Sessions that used one go on.

        ``DELETE /{app}/rest/v2/broadcasts/{stream}/tokens``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/tokens")
