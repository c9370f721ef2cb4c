"""One measurement: joins at a given rate, then a time of watching (or publishing), then the figures."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from functools import partial

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.load import media
from rillcast.load.addresses import is_on_this_machine, own_addresses, spread_addresses
from rillcast.load.classes import Classes, LinkClass, Second
from rillcast.load.description import Agreed, LocalPeer, PublishedTrack, simulcast_track, view_answer
from rillcast.load.happened import Happened, What
from rillcast.load.link import Link
from rillcast.load.media import Layer
from rillcast.load.session import JoinProtocol, Refused, joining
from rillcast.load.standstills import Standstills


class Phase(StrEnum):
    """How far a run is."""

    JOINING = "joining"
    SETTLING = "settling"
    STEADY = "steady"


class Quantiles(msgspec.Struct, frozen=True):
    """The distribution of one delay, in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


class Latency(msgspec.Struct, frozen=True):
    count: int = 0
    p50_us: int = 0
    p95_us: int = 0
    p99_us: int = 0
    max_us: int = 0


class Report(msgspec.Struct, frozen=True):
    """The native thread's figures since the last reset; see native/crates/load/src/report.rs."""

    at_us: int = 0
    since_us: int = 0
    peers: int = 0
    connected: int = 0
    receiving: int = 0
    packets: int = 0
    bytes: int = 0
    lost: int = 0
    duplicates: int = 0
    repaired: int = 0
    decrypted: int = 0
    bad_decrypts: int = 0
    longest_gap_us: int = 0
    latency: Latency = Latency()
    """From the publisher's stamp to the arrival, of every packet; only if the publisher stamps its packets."""
    first_copy: Latency = Latency()
    """From the stamp to the arrival of the first copy of each burst at any viewer. It is exact only if every packet is
    decrypted."""
    last_copy: Latency = Latency()
    """From the stamp to the arrival of the last copy of each burst."""
    sent_packets: int = 0
    sent_bytes: int = 0
    late_frames: int = 0
    cpu_us: int = 0
    wall_us: int = 0
    longest_turn_us: int = 0
    socket_drops: int = 0
    seconds_dropped: int = 0
    seconds: tuple[Second, ...] = ()
    """Of viewers behind links, since the last look; empty in results."""

    def saturation(self) -> list[str]:
        """Why these figures may be the generator's limits rather than the server's; empty if they aren't."""
        reasons = []
        if self.wall_us and self.cpu_us / self.wall_us > 0.85:
            reasons.append(f"its thread was {self.cpu_us / self.wall_us:.0%} busy")
        if self.socket_drops:
            reasons.append(f"its socket dropped {self.socket_drops} packets")
        if self.longest_turn_us > 100_000:
            reasons.append(f"it stood still for {self.longest_turn_us / 1000:.0f} ms")
        if self.late_frames:
            reasons.append(f"it sent {self.late_frames} frames late")
        if self.seconds_dropped:
            reasons.append(f"{self.seconds_dropped} seconds of viewers were not fetched in time")
        return reasons


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    url: str
    stream: str = ""
    token: str = ""
    count: int = 1
    rate: float = 100.0
    """Joins per second."""
    seconds: float = 20.0
    settle_s: float = 0.0
    """Between the last join and the beginning of the figures."""
    sample: int = 16
    nack: bool = False
    drop: float = 0.0
    links: tuple[Link, ...] = ()
    """Repeated over the viewers, who then answer as browsers do. Without any they are the cheap kind."""
    video_bps: int = 1_000_000
    layers: tuple[Layer, ...] = ()
    """What is published, lowest first; several are simulcast. Empty: 720p at `video_bps`."""
    stamp: bool = False
    merge: bool = True
    """Let the kernel hand over bursts whole (UDP_GRO), as a network card would take them from the server."""
    cpu: int | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All figures. Times in ms from the moment the join began, before its first request."""

    count: int
    connected: int
    failures: dict[str, int]
    ended: dict[str, int] = {}
    """Peers that the server sent away after they had joined, by why."""
    moves: int = 0
    """Times that the server moved a viewer to another place."""
    standstill_ms: Quantiles | None = None
    """The longest standstill of each viewer's picture while everybody watched, 0 without one (they begin at 150 ms).
    None for viewers without a link, who don't look at pictures."""
    joins_per_s: float
    signalled_ms: Quantiles
    connected_ms: Quantiles
    first_packet_ms: Quantiles
    first_keyframe_ms: Quantiles
    negotiated: dict[str, int]
    """DTLS and SRTP as negotiated, with how many peers."""
    joining: Report
    """The report about the time in which peers joined."""
    steady: Report
    """The report about the `seconds` after that."""
    links: tuple[LinkClass, ...] = ()
    """By link, of the same time."""


Progress = Callable[[str, int, Report], None]
"""Called about five times a second with (phase, joins begun, figures)."""


def quantiles(values_ms: list[float]) -> Quantiles:
    """Nearest-rank quantiles; zeros when there are no values."""
    if not values_ms:
        return Quantiles(0, 0, 0, 0, 0)
    v = sorted(values_ms)
    p50, p95, p99 = (round(v[min(len(v) - 1, int(len(v) * q))], 1) for q in (0.5, 0.95, 0.99))
    return Quantiles(len(v), p50, p95, p99, round(v[-1], 1))


class Run:
    """One measurement under way."""

    def __init__(
        self, plan: Plan, *, publishing: bool, join_by: JoinProtocol | None = None, own_ports: bool = False
    ) -> None:
        """`join_by`: another way to join than what the URL says. `own_ports`: a socket for each peer in any case, for
        servers that send nothing to loopback addresses."""
        import rillcast_load_native

        config = {
            "addresses": spread_addresses(plan.count),
            "sample": plan.sample,
            "nack": plan.nack,
            "drop": plan.drop,
            "merge": plan.merge,
            "cpu": plan.cpu,
        }
        self._own_addresses = frozenset() if own_ports else own_addresses()
        self._plan, self._publishing, self._join_by = plan, publishing, join_by
        layers = plan.layers or (Layer(media.HEIGHT, plan.video_bps),)
        self._media = media.encode_layers(layers) if publishing else None
        self._classes = Classes(plan.links, plan.count)
        self._native = rillcast_load_native.Load(msgspec.json.encode(config), self._media)
        self._began: dict[int, float] = {}
        self._times: dict[str, dict[int, float]] = {
            "signalled": {},
            "connected": {},
            "first_packet": {},
            "first_keyframe": {},
        }
        self._ids = itertools.count(plan.count)
        self._viewers: dict[int, int] = {}
        """Of peers that took the place of a viewer's first one."""
        self._places: dict[int, tuple[int, LocalPeer, Agreed]] = {}
        """Of each viewer: its present peer, and what is ours and what was agreed on there."""
        self.standstills = Standstills(seen=bool(plan.links))
        self.moves = 0
        self._failures: Counter[str] = Counter()
        self._negotiated: Counter[str] = Counter()
        self._report = Report()
        self._over = False

    def end(self) -> None:
        """The steady time is over now, or as soon as it begins: `run` returns the figures that there are."""
        self._over = True

    def watching(self) -> dict[int, str]:
        """Viewers who have seen a picture, and the ``ip:port`` from which they get it, or are about to."""
        return {viewer: self._places[viewer][2].remote for viewer in self._times["first_keyframe"]}

    @property
    def failures(self) -> Counter[str]:
        """Viewers who could not join, or were cut off where they were, by why."""
        return self._failures

    @property
    def ended(self) -> Counter[str]:
        """Viewers whom the server has sent away, by why."""
        return Counter(self._joining.ended())

    async def run(self, progress: Progress) -> Result:
        """Raises `Refused` when no peer could join."""
        plan = self._plan
        self._joining: JoinProtocol = self._join_by or joining(plan.url, plan.stream, plan.token)
        try:
            return await self._run(progress)
        finally:
            await self._joining.close()
            self._native.close()

    async def _run(self, progress: Progress) -> Result:
        started = time.monotonic()
        async with asyncio.TaskGroup() as joins:
            for i in range(self._plan.count):
                delay = started + i / self._plan.rate - time.monotonic()
                while delay > 0:
                    await asyncio.sleep(min(delay, 0.2))
                    self._poll(Phase.JOINING, progress)
                    delay = started + i / self._plan.rate - time.monotonic()
                joins.create_task(self._join(i))
        deadline = time.monotonic() + 15
        while not self._settled() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            self._poll(Phase.JOINING, progress)
        connected = self._times["connected"]
        if not connected:
            raise Refused("; ".join(f"{n} × {why}" for why, n in self._failures.most_common(3)) or "nobody connected")
        took = max(connected.values()) / 1000 + max(self._began.values()) - started
        until = time.monotonic() + self._plan.settle_s
        while time.monotonic() < until:
            await asyncio.sleep(0.2)
            self._poll(Phase.SETTLING, progress)
        joining_report = self._report
        self._native.execute(b'{"type":"reset"}')
        until = time.monotonic() + self._plan.seconds
        while time.monotonic() < until and not self._over:
            await asyncio.sleep(0.2)
            self._poll(Phase.STEADY, progress)
        return self._result(len(connected) / max(took, 1e-3), joining_report)

    def _settled(self) -> bool:
        wanted = self._times["connected" if self._publishing else "first_packet"]
        return len(wanted) + self._failures.total() >= self._plan.count

    async def _join(self, i: int) -> None:
        local = LocalPeer.new(self._native.fingerprint())
        self._began[i] = time.monotonic()
        try:
            if self._publishing:
                tracks = _tracks(len(self._plan.layers))
                found = await self._joining.publish(local, self._plan.stream or f"load{i}", tracks)
                command = {"type": "publish", "tracks": tracks, "stamp": self._plan.stamp}
            else:
                found = await self._joining.view(local, partial(self._offered, i))
                self._places[i] = (i, local, found)
                command = self._view(i, found)
        except (Refused, RillcastError) as error:
            self._failures[str(error)] += 1
            return
        self._times["signalled"][i] = (time.monotonic() - self._began[i]) * 1000
        self._native.execute(msgspec.json.encode({**command, "transport": self._transport(i, local, found)}))

    def _view(self, i: int, found: Agreed) -> dict[str, object]:
        links = self._plan.links
        return {"type": "view", "tracks": found.viewed, "link": links[i % len(links)] if links else None}

    def _offered(self, viewer: int, offer: str) -> str:
        """A later offer. With new ICE credentials the viewer moves to another place, as a browser does: it hears the
        one before until the other has answered, and keeps its association. With another certificate it makes a new
        association where it is, or at that place, and hears the one before until then."""
        peer, local, before = self._places[viewer]
        answer, found = view_answer(local, offer)
        restarts, keeps = found.remote_ufrag != before.remote_ufrag, found.fingerprint == before.fingerprint
        if restarts:
            self.moves += 1
            local = LocalPeer.new(self._native.fingerprint())
            answer, found = view_answer(local, offer)
        if restarts and keeps:
            self._native.execute(
                msgspec.json.encode({"type": "move", "transport": self._transport(peer, local, found)})
            )
        elif not keeps:
            self._native.execute(msgspec.json.encode({"type": "give_way", "id": peer}))
            self._viewers[peer := next(self._ids)] = viewer
            transport = self._transport(peer, local, found) | {"own_port": True}  # addresses are for so many as joined
            self._native.execute(msgspec.json.encode({**self._view(viewer, found), "transport": transport}))
        self._places[viewer] = peer, local, found
        return answer

    def _transport(self, i: int, local: LocalPeer, found: Agreed) -> dict[str, object]:
        names = ("remote", "remote_ufrag", "remote_pwd", "fingerprint_hash", "fingerprint", "client")
        own_port = not is_on_this_machine(found.remote, self._own_addresses)
        ours = {"id": i, "local_ufrag": local.ufrag, "local_pwd": local.pwd, "own_port": own_port}
        return ours | {n: getattr(found, n) for n in names}

    def _poll(self, phase: Phase, progress: Progress) -> None:
        happened, report = self._native.poll()
        for h in msgspec.json.decode(happened, type=list[Happened]):
            self._happened(h)
        told = msgspec.json.decode(report, type=Report)
        seconds = [(self._viewers.get(second.id, second.id), second) for second in told.seconds]
        self.standstills.add(seconds)
        for peer in self.standstills.settle(told.at_us):
            self._viewers.pop(peer, None)
            self._native.execute(msgspec.json.encode({"type": "remove", "id": peer}))
        if phase is Phase.STEADY:
            present = [msgspec.structs.replace(s, id=v) for v, s in seconds if self._is_present(v, s.id)]
            self._classes.add(present, told.since_us)
        self._report = msgspec.structs.replace(told, seconds=())
        progress(phase, len(self._began), self._report)

    def _is_present(self, viewer: int, peer: int) -> bool:
        """Whether nothing has taken the place of that peer."""
        place = self._places.get(viewer)
        return place is None or place[0] == peer

    def _happened(self, h: Happened) -> None:
        viewer = self._viewers.get(h.id, h.id)
        if h.what is What.FAILED:
            if self._is_present(viewer, h.id):
                self._failures[h.detail] += 1
            return
        if h.what is What.PICTURE:
            self._classes.picture(viewer, h.at_us, int(h.detail))
            return
        if h.what is What.FIRST_KEYFRAME:
            self.standstills.begins(viewer, h.id, h.at_us)
        if viewer == h.id:
            self._times[h.what][h.id] = h.at_us / 1000 - self._began[h.id] * 1000
            if h.what is What.CONNECTED:
                self._negotiated[h.detail] += 1

    def _result(self, joins_per_s: float, joining_report: Report) -> Result:
        of = {name: quantiles(list(times.values())) for name, times in self._times.items()}
        return Result(
            count=self._plan.count,
            connected=len(self._times["connected"]),
            failures=dict(self._failures),
            ended=dict(self._joining.ended()),
            moves=self.moves,
            standstill_ms=self._standstill_ms() if self._plan.links else None,
            joins_per_s=round(joins_per_s, 1),
            signalled_ms=of["signalled"],
            connected_ms=of["connected"],
            first_packet_ms=of["first_packet"],
            first_keyframe_ms=of["first_keyframe"],
            negotiated=dict(self._negotiated),
            joining=joining_report,
            steady=self._report,
            links=self._classes.result(self._report.since_us, self._times["first_keyframe"])
            if self._plan.links
            else (),
        )

    def _standstill_ms(self) -> Quantiles:
        longest = self.standstills.longest_us(self._plan.count, self._report.since_us)
        return quantiles([us / 1000 for us in longest])


def _tracks(layers: int) -> tuple[PublishedTrack, ...]:
    """Video, or its simulcast layers, and audio."""

    def ssrc() -> int:
        return secrets.randbits(31) + 1

    videos = [PublishedTrack(True, media.VIDEO_CLOCK, 102, ssrc())]
    if layers > 1:
        videos = [simulcast_track(media.VIDEO_CLOCK, 102, ssrc(), layer) for layer in range(layers)]
    return (*videos, PublishedTrack(False, media.AUDIO_CLOCK, 111, ssrc()))
