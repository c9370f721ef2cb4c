"""How busy this server and the apps were lately. In memory, by each instance for itself: a restart forgets it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import NoReturn

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName
from services.signaling.core.ports import Audience
from services.signaling.rest.domain.system import AppHistory, NetworkStatus, ResourceHistory
from services.signaling.rest.ports import Machine, PublishedStreams

EVERY_S = 5.0
VALUES = 60
APPS_EACH = 6
"""Samples of the server for one of the apps: one each half minute."""
APP_VALUES = 1_440
MOST_APPS = 1_000
"""Apps of which a history is kept, the first by name."""
_MEGABIT = 125_000
_KINDS = ("cpu", "mem", "disk", "heap", "db", "live", "net_out", "net_in")


class Histories:
    """One per signaling instance."""

    def __init__(
        self,
        machine: Machine,
        streams: PublishedStreams,
        audience: Audience,
        *,
        apps: Callable[[], Iterable[AppName]],
        answer_s: Callable[[], Awaitable[float]],
        clock: Callable[[], float],
    ) -> None:
        """`answer_s`: how long the store takes to answer; raises `RillcastError`. `clock`: monotonic seconds."""
        self._machine = machine
        self._streams = streams
        self._audience = audience
        self._apps = apps
        self._answer_s = answer_s
        self._clock = clock
        self._values: dict[str, deque[float]] = {kind: deque(maxlen=VALUES) for kind in _KINDS}
        self._of_apps: dict[AppName, tuple[deque[int], deque[int]]] = {}
        self._samples = 0
        self._traffic, self._at = machine.traffic(), clock()

    async def run(self) -> NoReturn:
        """Take samples until cancelled."""
        while True:
            await self.sample()
            await asyncio.sleep(EVERY_S)

    async def sample(self) -> None:
        """Take one sample of the server, and sometimes of the apps."""
        machine = self._machine
        machine.measure()
        memory, own, disk = machine.memory(), machine.process_memory(), machine.disk()
        self._add("cpu", machine.cpu().system_cpu_load)
        self._add("mem", _percent(memory.in_use_memory, memory.total_memory))
        self._add("disk", _percent(disk.in_use_space, disk.total_space))
        self._add("heap", _percent(own.in_use_memory, own.max_memory))
        self._add("live", sum(1 for _ in self._streams.all()))
        self._add_traffic()
        if self._samples % APPS_EACH == 0:
            self._sample_apps()
        self._samples += 1
        with suppress(RillcastError):  # what the store did not answer has no time
            self._add("db", await self._answer_s() * 1000)

    def resources(self) -> ResourceHistory:
        """How busy this instance was lately."""
        return ResourceHistory(**{kind: tuple(values) for kind, values in self._values.items()})

    def of_app(self, app: AppName) -> AppHistory:
        """Of an app; empty while nothing is known."""
        viewers, streams = self._of_apps.get(app, (deque[int](), deque[int]()))
        return AppHistory(viewers=tuple(viewers), streams=tuple(streams))

    @property
    def network(self) -> NetworkStatus:
        """What went over the network cards lately."""
        return NetworkStatus(outbound_mbps=self._last("net_out"), inbound_mbps=self._last("net_in"))

    @property
    def store_ms(self) -> int:
        """How long the store took to answer on average, in milliseconds."""
        times = self._values["db"]
        return round(sum(times) / len(times)) if times else 0

    def _sample_apps(self) -> None:
        streams = Counter(live.app for live in self._streams.all())
        apps = sorted(self._apps())[:MOST_APPS]
        self._of_apps = {
            app: self._of_apps.get(app) or (deque[int](maxlen=APP_VALUES), deque[int](maxlen=APP_VALUES))
            for app in apps
        }
        for app, (viewers, live) in self._of_apps.items():
            viewers.append(self._audience.viewers_of_app(app))
            live.append(streams[app])

    def _add_traffic(self) -> None:
        before, since, self._traffic, self._at = self._traffic, self._at, self._machine.traffic(), self._clock()
        passed_s = self._at - since
        for kind, count in (
            ("net_out", self._traffic.sent - before.sent),
            ("net_in", self._traffic.received - before.received),
        ):
            self._add(kind, max(0, count) / _MEGABIT / passed_s if passed_s > 0 else 0.0)

    def _add(self, kind: str, value: float) -> None:
        self._values[kind].append(round(value, 2))

    def _last(self, kind: str) -> float:
        return self._values[kind][-1] if self._values[kind] else 0.0


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
