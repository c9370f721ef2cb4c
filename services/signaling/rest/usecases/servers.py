"""The settings of the servers, and what Ant Media's API has about them that is not done here."""

from __future__ import annotations

import re
from collections.abc import Callable

from rillcast.contracts.words import LogLevel
from services.signaling.core.domain.result import Result
from services.signaling.core.usecases.server_store import ServerStore
from services.signaling.rest.domain import server_settings as rules
from services.signaling.rest.domain.parameters import Domain, SslType
from services.signaling.rest.domain.server_settings import PostedSettings, ServerSettings, SettingsRefused

_FQDN = re.compile(r"([A-Za-z0-9-]{1,63}\.){1,10}[A-Za-z]{2,63}")
SUBDOMAIN = "ANTMEDIA_SUBDOMAIN"
SSL_TYPES = ("CUSTOM_DOMAIN", SUBDOMAIN, "CUSTOM_CERTIFICATE")
NO_DOMAIN = Result(success=False, message="Invalid domain name parameter")
NO_TYPE = Result(success=False, message="Unknown SSL configuration type")
NO_SUBDOMAIN = Result(success=False, message="There is no subdomain of Ant Media's for this server")
CERTIFICATES_ELSEWHERE = Result(
    success=False,
    message="Certificates are no matter of REST: name a certificate with RILLCAST_SIGNALING_TLS_CERTIFICATE and "
    "RILLCAST_SIGNALING_TLS_KEY, or let an authority give one by RILLCAST_SIGNALING_ACME_NAMES. Nothing was changed",
)


class Servers:
    """One per signaling instance."""

    def __init__(self, store: ServerStore, held: Callable[[str, LogLevel | None], ServerSettings]) -> None:
        """`held`: what holds, given the server's name and the log's level that operators have set."""
        self._store = store
        self._held = held

    async def settings(self) -> ServerSettings:
        """What holds, without secrets."""
        record = self._store.record
        return self._held(record.server_name, record.log_level)

    async def change_settings(self, body: PostedSettings | None) -> Result:
        """Change what can be changed, of all instances; all of what was posted or nothing. Raises `RillcastError`."""
        posted = body or PostedSettings()
        if why := rules.refusal_of(await self.settings(), posted):
            return Result(success=False, message=why)
        if posted.server_name is None and posted.log_level is None:
            return Result(success=True)
        try:
            await self._store.change(lambda record: rules.changed(record, posted))
        except SettingsRefused as error:
            return Result(success=False, message=str(error))
        return Result(success=True)

    async def change_certificate(self, domain: Domain = "", ssl_type: SslType = "") -> Result:
        """Always refused. The body is not read: it may hold a private key."""
        if ssl_type == SUBDOMAIN:
            return NO_SUBDOMAIN
        if _FQDN.search(domain) is None:
            return NO_DOMAIN
        return CERTIFICATES_ELSEWHERE if ssl_type in SSL_TYPES else NO_TYPE
