"""New certificates while a stack runs, before the former ones expire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from datetime import datetime
from pathlib import Path

from rillcast.cli.server_certificates import TlsServer
from rillcast.cli.tls_files import FIRST, keep_in_folder, now_utc

LOOK_EVERY_S = 3_600.0

Report = Callable[[str], None]


async def keep_renewed(
    folder: Path,
    reload: Callable[[Container[str]], None],
    report: Report,
    *,
    every_s: float = LOOK_EVERY_S,
    clock: Callable[[], datetime] = now_utc,
) -> None:
    """Look at the certificates in `folder` again and again, until cancelled. After new ones are made, `reload` is
    called with the names of the servers that must read them. Nodes read whom to trust when they connect."""
    fault = ""
    while True:
        await asyncio.sleep(every_s)
        try:
            why = await asyncio.to_thread(keep_in_folder, folder, clock)
        except OSError as error:
            if fault != (fault := f"cannot renew the certificates in {folder}: {error.strerror}"):
                report(fault)
            continue
        fault = ""
        if why:
            reload(set(TlsServer))
            made_why(why, report)


def made_why(reason: str, report: Report) -> None:
    """Say why there is a new set of certificates, unless there is none, or it is the first."""
    if reason and reason != FIRST:
        report(f"made new certificates for NATS and Consul: {reason}")
