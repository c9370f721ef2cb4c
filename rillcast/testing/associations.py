"""A media plane that does with associations what the real one does, and takes note of every packet under their keys."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.media.protocol import (
    AddSession,
    Command,
    ContinueSession,
    Error,
    ExportSession,
    PlaneSession,
    ReceivedStream,
    RemoveSession,
    RestartDtls,
    SendTrack,
    SentStream,
    SessionConnected,
    SessionExported,
    SessionNominated,
    SrtpState,
)
from rillcast.runtime.process.identity import NodeIdentity
from rillcast.testing.plane import FakePlane


class Packet(NamedTuple):
    """What AES-GCM makes its nonce of, with the key: never the same twice."""

    key: str
    ssrc: int
    number: int


class _Session:
    def __init__(self, ssrcs: Iterator[int], received: tuple[int, ...], srtp: SrtpState | None) -> None:
        self.srtp = srtp
        self.indexes = dict.fromkeys(ssrcs, 0)
        self.received = received
        self.sends = False
        self.stopped = False


_KEYS = itertools.count(1)


class AssociatingPlane(FakePlane):
    """Its events come in the next turn of the event loop, as those of the real one. `deaf`: it answers nothing.
    `senseless`: what it finds impossible in commands of this kind is their association."""

    def __init__(self, workers: int = 1) -> None:
        super().__init__(workers)
        self.packets: list[Packet] = []
        self.certificate = super().fingerprint
        self.deaf = False
        self.senseless: type[AddSession | ContinueSession] | None = None
        self.living: dict[PlaneSession, _Session] = {}

    @property
    def fingerprint(self) -> str:
        """See `Plane.fingerprint`. Set `certificate` where nodes are to have different ones."""
        return self.certificate

    def execute(self, command: Command) -> None:
        """See `Plane.execute`."""
        if self.senseless and isinstance(command, self.senseless) and command.srtp is not None:
            raise ValueError("srtp.local_key: not base64")
        super().execute(command)
        match command:
            case AddSession(session=number):
                received = tuple(ssrc for track in command.recv for ssrc in (*track.ssrcs, *track.rtx_ssrcs))
                self.living[number] = _Session(_ssrcs(command.send), received, command.srtp)
            case RemoveSession(session=number):
                self.living.pop(number, None)
            case ExportSession(session=number, stop=stop):
                self._soon(SessionExported(session=number, srtp=self._exported(number, stop=stop)))
            case ContinueSession(session=number, srtp=srtp):
                self._continue(number, srtp)
            case RestartDtls(session=number, send=send):
                received = self.living[number].received
                self.living[number] = _Session(_ssrcs(send), received, None)
            case _:
                pass

    def shake_hands(self, number: PlaneSession) -> None:
        """The client's handshake with this plane is done."""
        session = self.living[number]
        key = f"key {next(_KEYS)}"
        session.srtp = SrtpState(profile="AEAD_AES_128_GCM", local_key=key, remote_key=f"remote {key}")
        session.sends = True
        self.emit(SessionConnected(session=number, remote="", dtls="", srtp=""))

    def nominate(self, number: PlaneSession) -> None:
        """The client chooses a path to this plane."""
        if number in self.living:
            self.emit(SessionNominated(session=number))

    def send(self) -> None:
        """Every session that may sends a packet of each of its streams."""
        for session in self.living.values():
            if session.sends and session.srtp is not None:
                for ssrc, index in session.indexes.items():
                    self.packets.append(Packet(session.srtp.local_key, ssrc, index))
                    session.indexes[ssrc] = index + 1

    def _exported(self, number: PlaneSession, *, stop: bool) -> SrtpState | None:
        session = self.living.get(number)
        if session is None or not session.sends or session.srtp is None or session.stopped:
            return None
        session.stopped, session.sends = stop, not stop
        sent = tuple(SentStream(ssrc=ssrc, index=index) for ssrc, index in session.indexes.items())
        received = tuple(ReceivedStream(ssrc=ssrc, index=0) for ssrc in session.received)
        return msgspec.structs.replace(session.srtp, sent=sent, received=received)

    def _continue(self, number: PlaneSession, srtp: SrtpState) -> None:
        session = self.living.get(number)
        if session is None:
            return
        if session.srtp is None or session.sends or session.srtp.local_key != srtp.local_key:
            self._soon(Error(command="continue_session", id=number, message="it can't go on"))
            return
        session.indexes, session.sends = {stream.ssrc: stream.index for stream in srtp.sent}, True
        self._soon(SessionConnected(session=number, remote="", dtls="", srtp=""))

    def _soon(self, event: SessionExported | SessionConnected | Error) -> None:
        if not self.deaf:
            asyncio.get_running_loop().call_soon(self.emit, event)


def _ssrcs(send: tuple[SendTrack, ...]) -> Iterator[int]:
    return (ssrc for track in send for ssrc in (track.ssrc, track.rtx_ssrc) if ssrc)


class KnownNodes:
    """Nodes that know each other by their heartbeats."""

    def __init__(self) -> None:
        self.reports: dict[NodeId, NodeReport] = {}

    def join(self, node: NodeId, kind: NodeKind) -> NodeIdentity:
        """A node of this name is there now; another one, if there was one before."""
        identity = NodeIdentity()
        info = NodeInfo(
            node=node, kind=kind, version="0", admin_address="a:1", incarnation="i", identity=identity.public
        )
        self.reports[node] = NodeReport(info=info, load=NodeLoad(), ready=True)
        return identity

    def get(self, node: NodeId) -> NodeReport | None:
        """The report of a node that lives."""
        return self.reports.get(node)
