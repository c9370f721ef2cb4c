"""The machine that has the keys: it waits for the one that comes with the token, for a while and for once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import socket
import ssl
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rillcast.cli.joining.wire import MOST_QUESTION, Answer, Question, Token

AT_ONCE = 8
"""Connections at one time; further ones are closed."""
PATIENCE_S = 10.0
"""How long one may take to ask."""
MOST_TOLD = 20
"""Refusals that are printed; further ones are only counted."""


class Invitation:
    """Use `open`, then `until_over`."""

    def __init__(self, answer: Answer, tell: Callable[[str], None]) -> None:
        """`answer` is for the one who comes. `tell` prints a sentence for the operator."""
        self._answer = answer
        self._tell = tell
        self._secret = secrets.token_urlsafe(32)
        self._given = False
        """Whether somebody came with the token. It is worth nothing from then on."""
        self._over = asyncio.Event()
        self._open = 0
        self.refused: Counter[str] = Counter()
        """How often somebody got nothing, by why."""

    async def open(self, host: str, port: int) -> Token:
        """Listen on all addresses, and say what to carry to the other machine. `host`: under which address that one
        reaches this one. Raises OSError."""
        context, fingerprint = _identity()
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        listener = socket.create_server(("", port), family=family, dualstack_ipv6=both)
        self._server = await asyncio.start_server(
            self._serve, sock=listener, ssl=context, limit=MOST_QUESTION, ssl_handshake_timeout=PATIENCE_S
        )
        taken = self._server.sockets[0].getsockname()[1]
        return Token(host, taken, fingerprint, self._secret, tuple(self._answer.seeds))

    async def until_over(self, seconds: float) -> bool:
        """Whether somebody came with the token in that time. Nobody gets anything afterwards."""
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            pass
        self._server.close()
        self._answer = Answer(why_not="the invitation is over")
        if self._given:
            await self._over.wait()
        return self._given

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= AT_ONCE:
            self._refuse("too many at one time", writer)
            writer.close()
            return
        self._open += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                writer.write(msgspec.json.encode(await self._judged(reader, writer)) + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
            self._refuse("it did not ask as `rillcast join` does", writer)
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await writer.wait_closed()
            self._open -= 1
            if self._given and not self._open:
                self._over.set()

    async def _judged(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
        line = await reader.readline()
        try:
            question = msgspec.json.decode(line, type=Question)
        except (msgspec.MsgspecError, UnicodeError):
            return self._refuse("it did not ask as `rillcast join` does", writer)
        if not hmac.compare_digest(question.secret.encode(), self._secret.encode()):
            return self._refuse("its token is not of this invitation", writer)
        if self._given:
            return self._refuse("the token was used already", writer)
        if not set(question.kinds) <= set(self._answer.seeds):
            return self._refuse("the token is for other kinds of node", writer)
        answer, self._answer = self._answer, Answer(why_not="the token was used already")
        self._given = True
        kinds = ", ".join(question.kinds)
        self._tell(f"{ascii(question.machine)[1:-1]} ({_peer(writer)}) has got the keys of: {kinds}")
        seeds = {kind: answer.seeds[kind] for kind in question.kinds}
        return msgspec.structs.replace(answer, seeds=seeds)

    def _refuse(self, why: str, writer: asyncio.StreamWriter) -> Answer:
        self.refused[why] += 1
        if self.refused.total() <= MOST_TOLD:
            self._tell(f"refused {_peer(writer)}: {why}")
        return Answer(why_not=why)


def _peer(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    return str(peer[0]).removeprefix("::ffff:") if peer else "somebody"


def _identity() -> tuple[ssl.SSLContext, bytes]:
    """A certificate for this invitation alone, and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rillcast invite")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with tempfile.TemporaryDirectory() as folder:  # ssl reads files only
        file = Path(folder) / "invitation.pem"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            opened.write(certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(file)
    return context, hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
