"""The machine that joins: it asks once, and writes what it gets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import shutil
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import nkeys

from rillcast.cli.faults import CannotGoOn, writing
from rillcast.cli.joining.wire import MOST_ANSWER, Answer, Question, Token, settings_in
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import public_key
from rillcast.runtime.secret_files import write_secret

PATIENCE_S = 15.0
SETTINGS, AUTHORITIES, KEYS = "cluster.env", "ca.pem", "keys"
_CA = "RILLCAST_NATS_CA"


def require_new(folder: Path, kinds: Sequence[NodeKind]) -> None:
    """Raises CannotGoOn when this machine has a key of such a kind already, or cannot keep one. To be called before the
    token is used up."""
    with writing(folder / KEYS):
        (folder / KEYS).mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / KEYS).chmod(0o700)
    for kind in kinds:
        if (file := key_file(folder, kind)).exists():
            raise CannotGoOn(f"this machine has the key of {kind} already: {file}", ["delete it to join anew"])


def key_file(folder: Path, kind: NodeKind) -> Path:
    """Where the unit of systemd expects the key of a kind."""
    return folder / KEYS / f"{kind}.nkey"


async def ask(token: Token, kinds: Sequence[NodeKind]) -> Answer:
    """What the inviting machine gives. Raises CannotGoOn with its reason, or ours."""
    where = f"{token.host} port {token.port}"
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _asked(token, kinds, where)
    except ssl.SSLError as error:
        raise CannotGoOn(f"{where} is not the machine that the token is of: {error.reason}") from None
    except (OSError, TimeoutError) as error:
        why = getattr(error, "strerror", None) or str(error) or "no answer"
        hint = "the invitation is over, or a firewall is between the two machines"
        raise CannotGoOn(f"nobody answers at {where}: {why}", [hint]) from None
    except (ValueError, asyncio.IncompleteReadError, msgspec.MsgspecError) as error:
        raise CannotGoOn(f"{where} gives an answer that makes no sense: {error}") from None


async def _asked(token: Token, kinds: Sequence[NodeKind], where: str) -> Answer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the token says which certificate it is
    reader, writer = await asyncio.open_connection(token.host, token.port, ssl=context, limit=MOST_ANSWER)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(shown).digest(), token.fingerprint):
            raise CannotGoOn(f"{where} is not the machine that the token is of: it shows another certificate")
        question = Question(token.secret, tuple(kinds), socket.gethostname()[:253])
        writer.write(msgspec.json.encode(question) + b"\n")
        await writer.drain()
        answer = msgspec.json.decode(await reader.readuntil(b"\n"), type=Answer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if answer.why_not:
        raise CannotGoOn(f"{where} refuses: {answer.why_not}")
    settings_in(answer.settings)
    for kind in kinds:
        try:
            public_key(answer.seeds.get(kind, ""))
        except (nkeys.NkeysError, ValueError):
            raise ValueError(f"the key of {kind} is none") from None
    return answer


def keep(answer: Answer, folder: Path) -> list[str]:
    """Write it. Settings and certificates that are there already stay as they are. What the operator must know. Raises
    CannotGoOn."""
    notes = []
    settings = settings_in(answer.settings)
    if answer.authorities:
        settings[_CA] = str(folder / AUTHORITIES)
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    for name, content in ((SETTINGS, text), (AUTHORITIES, answer.authorities)):
        file = folder / name
        with writing(file):
            if not content or (file.exists() and file.read_text(encoding="utf-8") == content):
                continue
            if file.exists():
                notes.append(f"{file} was here already and is another one: it was left alone")
                continue
            file.write_text(content, encoding="utf-8")
            file.chmod(0o644)
    for kind, seed in answer.seeds.items():
        with writing(key_file(folder, kind)):
            write_secret(key_file(folder, kind), f"{seed}\n")
    return notes


def enable(kinds: Sequence[NodeKind], units: Path, folder: Path) -> None:
    """Put the units of systemd into `folder`, where they are not there yet, and have those of these kinds started with
    the machine, as `systemctl enable` does. Raises CannotGoOn."""
    with writing(folder):
        for unit in sorted(units.glob("rillcast*")):
            if (folder / unit.name).exists() or unit.name == "rillcast-nats.service":
                continue
            (shutil.copytree if unit.is_dir() else shutil.copy)(unit, folder / unit.name)
        wanted = folder / "multi-user.target.wants"
        wanted.mkdir(exist_ok=True)
        for kind in kinds:
            link = wanted / f"rillcast@{kind}.service"
            link.unlink(missing_ok=True)
            link.symlink_to(folder / "rillcast@.service")
