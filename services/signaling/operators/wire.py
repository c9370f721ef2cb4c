"""Builds the room of the operators, which REST lets people in by."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import time
from functools import partial

import msgspec

from rillcast.contracts.subjects import BUCKET_ACCOUNTS
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.config import SignalingSettings
from services.signaling.core.domain.region import parse_networks
from services.signaling.core.wire import Core
from services.signaling.operators.adapters.argon2_hashes import Argon2Hashes
from services.signaling.operators.adapters.bus_tries import BusTries
from services.signaling.operators.adapters.http_credentials import Arrival
from services.signaling.operators.adapters.jwks_keys import JwksKeys
from services.signaling.operators.adapters.private_file import check_writable, write_private
from services.signaling.operators.domain.session_cookie import SessionCookies
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.doorkeeper import Doorkeeper, ServerJwt
from services.signaling.operators.usecases.first_account import ensure_account
from services.signaling.operators.usecases.sign_in import SignIn

FIRST_PASSWORD = "RILLCAST_SIGNALING_FIRST_PASSWORD_PATH"

log = get_logger(__name__)


class Operators(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of this room that REST uses. One per signaling instance."""

    accounts: AccountStore
    hashes: Argon2Hashes
    sign_in: SignIn
    doorkeeper: Doorkeeper
    arrival: Arrival
    hosts: frozenset[str]
    """Names under which this server may be asked with a session."""
    local_token: str
    """The token of this machine's command line, fresh at each start."""


async def wire(core: Core, key: bytes) -> Operators:
    """Build everything, and make the first account. `key`: what all instances sign with. Raises `StartError`, and
    `RillcastError` when the store is away."""
    settings = core.settings
    accounts, hashes = AccountStore(await core.host.kv(BUCKET_ACCOUNTS)), Argon2Hashes()
    cookies, local_token = SessionCookies(key), secrets.token_urlsafe(32)
    keys = JwksKeys(asyncio.get_running_loop().time)
    if settings.first_password_path:  # else the account would be there, with a password that nobody knows
        check_writable(settings.first_password_path, FIRST_PASSWORD)
    await ensure_account(
        accounts,
        hashes,
        settings.admin_password.get_secret_value(),
        partial(tell, settings),
    )
    if settings.local_token_path:
        write_private(settings.local_token_path, local_token, "RILLCAST_SIGNALING_LOCAL_TOKEN_PATH")
    others = BusTries(core.host.bus, core.host.info.node)
    sign_in = SignIn(accounts, hashes, cookies, lifetime_s=settings.session_lifetime_s, now_s=time.time, others=others)
    await others.start(sign_in.heard)
    return Operators(
        accounts=accounts,
        hashes=hashes,
        sign_in=sign_in,
        doorkeeper=Doorkeeper(
            accounts, cookies, core.apps, keys, server_jwt(settings), local_token=local_token, now_s=time.time
        ),
        arrival=Arrival(parse_networks(settings.trusted_proxies)),
        hosts=frozenset({*settings.allowed_hosts, socket.gethostname().lower()}),
        local_token=local_token,
    )


def server_jwt(settings: SignalingSettings) -> ServerJwt:
    """Which JWT are good for the whole server."""
    return ServerJwt(
        enabled=settings.jwt_server_control_enabled,
        secret=settings.jwt_server_secret_key.get_secret_value(),
        jwks_url=settings.jwt_server_jwks_url,
        audience=settings.jwt_server_audience,
        without_end=settings.jwt_server_without_end,
    )


def tell(settings: SignalingSettings, name: str, password: str) -> None:
    """Once, and never in the log: to a private file for whoever started this process, else on standard error."""
    if settings.first_password_path:
        write_private(settings.first_password_path, f"{name}\n{password}\n", FIRST_PASSWORD)
        log.info("The first operator was made; its password is in a file", name=name, file=settings.first_password_path)
        return
    sys.stderr.write(
        f"Rillcast: sign in at /console as {name} with the password {password} and change it there. "
        "It is shown this once; `rillcast password` makes another one.\n"
    )
    sys.stderr.flush()
