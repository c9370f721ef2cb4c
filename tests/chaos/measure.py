"""One fault under viewers: what they noticed, who was lost, and when all was as before."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import httpx

from rillcast.contracts.words import NodeKind
from tests.chaos.cluster import ChaosCluster, healthy
from tests.chaos.faults import Fault
from tests.chaos.results import Part, Repetition
from tests.chaos.scene import Scene, Span
from tests.chaos.viewers import (
    APP,
    SDK,
    STANDING_US,
    WHIP,
    Crowd,
    Page,
    Stage,
    Watchers,
    crowd,
    newcomers,
    play,
)

STEADY_S = 3.0
LEAST_SETTLE_S, MOST_SETTLE_S = 3.0, 15.0
"""After all is as before: a move that was the last is known by then, and every socket has said something."""
RECOVERY_S = 60.0
POLL_S = 0.25


@dataclass(frozen=True)
class Before:
    """A page before the fault."""

    made: int
    port: int
    events: int


@dataclass
class Noticed:
    """Of a part of a fault: the longest standstill of each viewer whom it concerned, and of the others."""

    span: Span
    gaps_ms: list[float] = field(default_factory=list)
    stills_ms: list[float] = field(default_factory=list)
    apart_ms: list[float] = field(default_factory=list)

    def told(self) -> Part:
        """The longest ones."""
        return Part(
            name=self.span.name,
            counted=self.span.counted,
            gap_ms=round(max(self.gaps_ms, default=0)),
            still_ms=round(max(self.stills_ms, default=0)),
            stood=sum(still > 0 for still in self.stills_ms),
            apart_ms=round(max(self.apart_ms, default=0)),
        )


MOVES = re.compile(r'^rillcast_signaling_publisher_moves_total\{outcome="(\w+)"\} (\S+)$', re.MULTILINE)
MOVED = "moved"


async def repetition(stage: Stage, fault: Fault, rng: random.Random, hold_s: float, watchers: Watchers) -> Repetition:
    """Raises Skipped when the fault can't be made here."""
    async with AsyncExitStack() as stack:
        if fault.extra is not None:
            page = await stack.enter_async_context(fault.extra(stage))
            stage = replace(stage, pages=[*stage.pages, page])
        return await _repetition(stage, fault, rng, hold_s, fault.watchers or watchers)


async def _repetition(stage: Stage, fault: Fault, rng: random.Random, hold_s: float, watchers: Watchers) -> Repetition:
    async with _crowds(stage.cluster, watchers) as crowds:
        await asyncio.sleep(STEADY_S)
        began_ms = time.time() * 1000
        steady = await _largest(stage.pages, began_ms - STEADY_S * 1000, began_ms)
        before = {page.name: await _before(page) for page in stage.pages}
        publisher, ffmpeg = (await stage.publisher.observe()).made, stage.ffmpeg.started
        moves = await _moves(stage.cluster)
        scene = Scene(stage, rng, hold_s)
        places = {one.name: one.run.watching() for one in crowds}
        async with AsyncExitStack() as stack:
            answers = await stack.enter_async_context(newcomers(stage.cluster, SDK))
            began_ms, began = time.time() * 1000, time.monotonic()
            async with fault.do(scene):
                pass
            held_s = time.monotonic() - began
        recovery_s, left_over = await _recover(stage, crowds)
        unheard = await _unheard([] if fault.replaced else crowds)
        if unheard and not left_over:
            recovery_s, left_over = None, f"{unheard} viewers hear nothing of their session any more"
        ended_ms = time.time() * 1000
        hit = [page for page in stage.pages if _concerns(scene, page.stream, before[page.name].port)]
        until = scene.started_again
        over_ms = ended_ms if until is None else began_ms + (until - began) * 1000
        gaps = [max(await page.gaps_ms(began_ms, over_ms)) for page in hit]
        lost = [word for page in stage.pages if (word := await _lost(page, before[page.name], fault, ended_ms))]
        stills: list[float] = []
        parts = [Noticed(span) for span in scene.spans]
        for part in parts:
            since_ms, until_ms = (began_ms + (at - began) * 1000 for at in (part.span.since, part.span.until))
            for page in stage.pages:
                into = part.gaps_ms if page in hit else part.apart_ms
                into.append(max(await page.gaps_ms(since_ms, until_ms)))
        whep = whep_lost = 0
        for one in crowds:
            concerned = [v for v, at in places[one.name].items() if _concerns(scene, one.stream, _port(at))]
            if one.name == "WHEP":
                whep, whep_lost = len(concerned), len(one.lost())
                continue
            over_us = None if until is None else round(until * 1e6)
            longest = one.run.standstills.longest_us(one.count, round(began * 1e6), over_us)
            stills += [longest[viewer] / 1000 for viewer in concerned]
            for part in parts:
                since_us, until_us = round(part.span.since * 1e6), round(part.span.until * 1e6)
                longest = one.run.standstills.longest_us(one.count, since_us, until_us)
                into = part.stills_ms if concerned else part.apart_ms
                into += [longest[viewer] / 1000 for viewer in concerned or range(one.count)]
            lost += [f"{one.name} {viewer}: its picture stands" for viewer in one.lost()]
            lost += [f"{one.name}: {why} ({n} ×)" for why, n in one.run.ended.items() if not _own_doing(fault, why)]
        if counted := [part for part in parts if part.span.counted]:
            gaps = [max(of) for of in zip(*(part.gaps_ms for part in counted), strict=True)]
            stills = [max(of) for of in zip(*(part.stills_ms for part in counted), strict=True)]
        return Repetition(
            fault=fault.name,
            hit=scene.hit,
            held_s=round(held_s, 1),
            gaps_ms=tuple(round(gap) for gap in gaps),
            standstills_ms=tuple(round(still) for still in stills),
            steady_ms=round(steady),
            parts=tuple(part.told() for part in parts),
            restart_ms=0 if until is None else round(await _largest(hit, over_ms, ended_ms)),
            lost=tuple(lost),
            whep=whep,
            whep_lost=whep_lost,
            publishers=(*await _publishers(stage, publisher, ffmpeg), *_new(await _moves(stage.cluster), moves)),
            recovery_s=None if recovery_s is None else round(recovery_s, 1),
            left_over=left_over,
            joined=answers.joined,
            refused=answers.refused,
            unclear=dict(answers.unclear),
            load=round(os.getloadavg()[0], 1),
            tracebacks=tuple(stage.cluster.tracebacks()),
        )


@asynccontextmanager
async def _crowds(cluster: ChaosCluster, watchers: Watchers) -> AsyncIterator[list[Crowd]]:
    socket = cluster.clients.websocket(APP)
    wanted = [("socket", socket, SDK, watchers.sdk), ("socket to ffmpeg", socket, WHIP, watchers.whip)]
    wanted.append(("WHEP", cluster.clients.whep(SDK, APP), SDK, watchers.whep))
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(crowd(*one)) for one in wanted if one[3]]


async def _before(page: Page) -> Before:
    seen = await page.page.observe()
    assert seen.first is not None, f"{page.name} has no connection"
    return Before(seen.made, seen.first.port, len(seen.events))


async def _largest(pages: Sequence[Page], since_ms: float, until_ms: float) -> float:
    return max([max(await page.gaps_ms(since_ms, until_ms)) for page in pages], default=0.0)


def _port(remote: str) -> int:
    return int(remote.rpartition(":")[2])


def _concerns(scene: Scene, stream: str, port: int) -> bool:
    at = scene.edges is None or scene.cluster.edge_with_port(port) in scene.edges
    return at and stream in scene.streams


async def _lost(page: Page, before: Before, fault: Fault, ended_ms: float) -> str:
    """Why the page's session counts as lost; empty if it doesn't."""
    seen = await page.page.observe()
    stands_ms = (await page.gaps_ms(ended_ms - 1, ended_ms))[-1] if seen.connections else ended_ms
    if stands_ms > STANDING_US / 1000:
        return f"{page.name}: its picture stands"
    if fault.replaced:
        return ""
    if seen.made != before.made:
        return f"{page.name}: another PeerConnection, after {_heard(seen.events[before.events :])}"
    ended = [name for _, name, _ in seen.events[before.events :] if name == "play_finished"]
    return f"{page.name}: {ended[0]}" if ended else ""


def _heard(events: Sequence[tuple[str, str, str]]) -> str:
    names = [name for _, name, _ in events if name not in {"bitrateMeasurement", "pong", "updated_stats"}]
    return ", ".join(names[:8]) or "nothing"


def _own_doing(fault: Fault, why: str) -> bool:
    """The sockets of a signaling instance end with it; the media of `rillcast bench` goes on."""
    return bool(fault.replaced) and ("socket closed" in why or "server_will_stop" in why)


async def _publishers(stage: Stage, made: int, ffmpeg: int) -> tuple[str, ...]:
    anew = (await stage.publisher.observe()).made - made
    told = [f"the SDK made {anew} PeerConnections"] if anew else []
    again = stage.ffmpeg.started - ffmpeg
    return (*told, *([f"ffmpeg was started {again} times"] if again else []))


async def _moves(cluster: ChaosCluster) -> Counter[str]:
    """What has come of publishers' moves so far, at the signaling instances that answer."""
    found: Counter[str] = Counter()
    async with httpx.AsyncClient(timeout=1, trust_env=False) as http:
        for node in cluster.of(NodeKind.SIGNALING):
            with suppress(httpx.HTTPError):
                text = (await http.get(f"{node.admin}/metrics")).text
                for outcome, count in MOVES.findall(text):
                    found[outcome] += int(float(count))
    return found


def _new(now: Counter[str], before: Counter[str]) -> list[str]:
    """Those that came to nothing meanwhile, in words. An instance that was killed has forgotten its own."""
    return [f"{n} moves of publishers ended as {what}" for what, n in (now - before).items() if what != MOVED]


async def settled(stage: Stage) -> None:
    """Returns when nothing is left of the fault before, or after a minute: whatever is measured then shows it."""
    await _recover(stage, [])


async def _recover(stage: Stage, crowds: Sequence[Crowd]) -> tuple[float | None, str]:
    """(seconds until all was as before, what was not at last)."""
    began = time.monotonic()
    why = "?"
    while why and time.monotonic() < began + RECOVERY_S:
        await asyncio.sleep(POLL_S)
        why = await differs(stage, crowds)
    return (None if why else time.monotonic() - began), why


async def _unheard(crowds: Sequence[Crowd]) -> int:
    """How many viewers have a session that the signaling of their socket does not know."""
    began = time.monotonic()
    await asyncio.sleep(LEAST_SETTLE_S)
    while (silent := sum(one.unheard(began) for one in crowds)) and time.monotonic() < began + MOST_SETTLE_S:
        await asyncio.sleep(POLL_S)
    return silent


async def differs(stage: Stage, crowds: Sequence[Crowd]) -> str:
    """What is not as it was at the beginning; empty when all is."""
    cluster = stage.cluster
    expected: dict[str, int] = dict.fromkeys((SDK, WHIP), 0)
    for page in stage.pages:
        expected[page.stream] = expected.get(page.stream, 0) + 1
    for one in crowds:
        expected[one.stream] += one.count - len(one.lost())
    for server in cluster.nats.values():
        if not await healthy(server):
            return f"{server.folder.name} lacks what the others have"
    try:
        for name, view in cluster.views.items():
            status = await view.status()
            ready = {str(node.info.node) for node in status.nodes if node.ready and not node.draining}
            if away := sorted(set(cluster.nodes) - ready):
                return f"{name} does not see {', '.join(away)}"
            streams = {str(entry.stream): entry for entry in status.streams}
            for stream, count in expected.items():
                if stream not in streams or not streams[stream].media_flowing:
                    return f"{name} does not see {stream} live"
                if streams[stream].viewers != count:
                    return f"{name} counts {streams[stream].viewers} viewers of {stream}, and there are {count}"
    except httpx.HTTPError as error:
        return f"signaling does not answer: {error!r}"
    return await _edges_differ(cluster, sum(expected.values()))


async def _edges_differ(cluster: ChaosCluster, expected: int) -> str:
    total = 0
    async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
        for edge in cluster.of(NodeKind.EDGE):
            try:
                text = (await http.get(f"{edge.admin}/metrics")).text
            except httpx.HTTPError as error:
                return f"{edge.name} does not answer: {error!r}"
            line = next(line for line in text.splitlines() if line.startswith("rillcast_edge_viewers "))
            total += round(float(line.split()[1]))
    return "" if total == expected else f"the edges have {total} sessions, and there are {expected} viewers"


async def revive(stage: Stage) -> None:
    """An ffmpeg that hangs, and pages that lost their picture, begin anew, so that the next fault finds them."""
    view = next(iter(stage.cluster.views.values()))
    live = await view.stream(WHIP)
    if live is None or not live.media_flowing:
        stage.ffmpeg.kill()
    for stream in (SDK, WHIP):
        await view.live(stream)
    now = time.time() * 1000
    for page in stage.pages:
        seen = await page.page.observe()
        if not seen.connections or (await page.gaps_ms(now - 1, now))[-1] > STANDING_US / 1000:
            await page.page.page.reload()
            await play(page, stage.cluster.clients.websocket(APP))
