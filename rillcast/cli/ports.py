"""Looking whether ports are free, so that a clash is one clear line and not a service's traceback."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress

import psutil

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.plan import ProcessSpec


def require_free(specs: Iterable[ProcessSpec]) -> None:
    """Raises CannotGoOn naming the first port that two of these need, or that somebody else holds, and by whom where
    the system tells."""
    wanted: dict[tuple[socket.SocketKind, int], str] = {}
    for spec in specs:
        for kind, ports in ((socket.SOCK_STREAM, spec.tcp_ports), (socket.SOCK_DGRAM, spec.udp_ports)):
            for port in ports:
                what = f"{'TCP' if kind == socket.SOCK_STREAM else 'UDP'} port {port}, which {spec.name} needs,"
                if (other := wanted.get((kind, port))) is not None:
                    raise CannotGoOn(f"{what} is needed by {other} as well; give them ports further apart")
                wanted[kind, port] = spec.name
                if not is_free(kind, port):
                    raise CannotGoOn(f"{what} is in use{_by_whom(kind, port)}")


def is_free(kind: socket.SocketKind, port: int) -> bool:
    """Whether a socket of this kind can be bound on all IPv4 addresses."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def _by_whom(kind: socket.SocketKind, port: int) -> str:
    with suppress(psutil.Error):  # the system need not tell
        for connection in psutil.net_connections("tcp4" if kind == socket.SOCK_STREAM else "udp4"):
            listening = kind == socket.SOCK_DGRAM or connection.status == psutil.CONN_LISTEN
            if listening and connection.laddr and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
