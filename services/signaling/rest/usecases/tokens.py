"""One-time tokens and JWTs for publishers and viewers."""

from __future__ import annotations

import jwt

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import StreamId, is_stream_id
from rillcast.contracts.words import Role
from services.signaling.core.domain.doors import jwt_secret, too_short
from services.signaling.core.domain.holds import check_token_free
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Apps
from services.signaling.core.usecases.grants import Grants
from services.signaling.core.usecases.token_store import TokenStore
from services.signaling.rest.domain.access_shapes import Token, shown_token
from services.signaling.rest.domain.paging import page
from services.signaling.rest.domain.parameters import App, ExpireDate, Offset, Room, Size, Stream, TokenType
from services.signaling.rest.domain.refusal import BadInput

INCOMPLETE = "Define Stream ID, Token Type and Expire Date (unix time)"
UNKNOWN_TYPE = "Invalid token type. Supported types are 'play' and 'publish'"
NO_SECRET = "Cannot create JWT token. The problem can be -> JWT stream key is not set or it's length is less than 32"
YEAR_9999_S = 253_402_300_799


class Tokens:
    """One per signaling instance."""

    def __init__(self, store: TokenStore, apps: Apps, grants: Grants) -> None:
        self._store = store
        self._apps = apps
        self._grants = grants

    async def create(
        self, app: App, stream: Stream, expire_date: ExpireDate = 0, kind: TokenType = "", room: Room = ""
    ) -> Token:
        """A new one-time token. Raises `BadInput`, and `RillcastError`: STORE_UNAVAILABLE, HIGH_RESOURCE_USAGE."""
        role = self._asked(stream, expire_date, kind, room)
        return shown_token(await self._store.create(app, stream, role, expire_date, room))

    async def create_jwt(
        self, app: App, stream: Stream, expire_date: ExpireDate = 0, kind: TokenType = "", room: Room = ""
    ) -> Token:
        """A JWT, which nobody keeps. Raises `BadInput`."""
        settings = self._apps.settings(app)
        has_secret = settings is not None and not all(too_short(jwt_secret(settings, role)) for role in Role)
        if not has_secret and kind and expire_date > 0:  # the original looks at the secret before the type
            raise BadInput(NO_SECRET)
        role = self._asked(stream, expire_date, kind, room)
        secret = jwt_secret(settings, role) if settings is not None else ""
        if settings is None or too_short(secret):
            raise BadInput(NO_SECRET)
        longest_s = settings.token_max_life_s
        if longest_s and expire_date > self._grants.now_ms() / 1_000 + longest_s:
            raise BadInput(f"expireDate: this app takes no token that is valid for longer than {longest_s} s")
        claims = {"app": app, "streamId": stream, "type": role.value, "exp": expire_date}
        signed = jwt.encode(claims | ({"roomId": room} if room else {}), secret, algorithm="HS256")
        return Token(token_id=signed, stream_id=stream, expire_date=expire_date, type=role.value, room_id=room or None)

    async def validate(self, app: App, body: Token) -> Result:
        """Whether a one-time token would let a client in now. It is not used up. Raises STORE_UNAVAILABLE."""
        record = await self._store.find(app, body.token_id)
        if record is None or record.stream != body.stream_id or record.type.value != body.type:
            return Result(success=False)
        try:
            check_token_free(record, "", self._grants.now_ms(), self._grants.alive)
        except RillcastError as error:
            return Result(success=False, message=error.message)
        return Result(success=True)

    async def list_page(self, app: App, stream: Stream, offset: Offset, size: Size) -> list[Token]:
        """The one-time tokens of a stream."""
        return [shown_token(record) for record in page(self._store.of_stream(app, stream), offset, size)]

    async def revoke(self, app: App, stream: Stream) -> Result:
        """Forget them all. Raises STORE_UNAVAILABLE."""
        return Result(success=await self._store.revoke(app, stream))

    @staticmethod
    def _asked(stream: StreamId, expire_date: int, kind: str, room: str) -> Role:
        if not kind or expire_date <= 0:
            raise BadInput(INCOMPLETE)
        if not is_stream_id(stream) or (room and not is_stream_id(room)):
            raise BadInput("Stream id is not valid.")
        if expire_date > YEAR_9999_S:
            raise BadInput("expireDate: it is in Unix seconds, and lies after the year 9999")
        try:
            return Role(kind)
        except ValueError as error:
            raise BadInput(UNKNOWN_TYPE) from error
