"""A cluster whose store may forget, in steps that a test chooses: origins with real leases, nodes with real
directories, and children with real relays. It shows who owns the stream, who feeds whom, and under which epochs.

As a program it makes many random runs and says how many broke a promise, with and without a store that returns to an
earlier state: ``python -m tests.unit.cluster.ownership_sim 1500``.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import msgspec

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.decoding import decode_json
from rillcast.contracts.epochs import Epoch, epoch_of
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, RelayId, SessionId, TrackId
from rillcast.contracts.messages import RelayOpen
from rillcast.contracts.records import StreamRecord, TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.relay.child_relay import ChildRelay, ChildState, HeldRelay
from rillcast.relay.parent import RelayOffer, RelayParent
from rillcast.runtime.ports import Entry
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys
from tests.unit.cluster.ownership_store import APP, KEY, LEASE_S, STREAM, Broken, Follower, Store, go_on

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
TICK_S = 0.25
WALL_MS = 1_790_000_000_000


class Origin:
    """A node that may own the stream. One keeper after the other: each is a claim for a publisher."""

    def __init__(self, sim: Sim, name: str, skew_ms: int) -> None:
        self.sim, self.name, self.skew_ms = sim, NodeId(name), skew_ms
        self.follower = Follower(sim)
        self.keeper: LeaseKeeper | None = None
        self.doing: Coroutine[Any, Any, object] | None = None
        self.frozen = False
        self.read: Entry | None = None
        self.plane = FakePlane()
        self.relays = RelayParent(
            keys=PlainRelayKeys(),
            plane=self.plane,
            addresses=MediaAddresses("", self.plane.workers, (), "192.0.2.1"),
            offer_of=self._offer,
            child_limit=9,
        )

    @property
    def epoch(self) -> Epoch | None:
        """Under which it serves; None if it does not."""
        lease = self.keeper.lease if self.keeper is not None else None
        return lease.epoch if lease is not None and lease.held else None

    def look(self) -> None:
        """See what the store has, as a claim for a publisher that moved here does before it overwrites that."""
        self.read = self.sim.store.now(KEY)

    def claim(self) -> None:
        """Claim the key for a publisher that may have it: over what was read, however long ago."""
        if self.keeper is not None or self.frozen:
            return
        entry, above = self.read, 0
        if entry is not None and entry.value is not None:
            above = epoch_of(decode_json(entry.value, StreamRecord), entry.revision).number
        if self.follower.live is not None:
            above = max(above, self.follower.live.epoch.number)
        self.keeper = self._keeper(entry.revision if entry is not None and entry.value is not None else None, above)
        self.doing = self.keeper.claim()
        if go_on(self.doing):
            self.doing = None

    def renew(self) -> None:
        """The publisher comes back with other tracks."""
        if self.keeper is not None and self.epoch is not None:
            self.relays.end(KEY)
            self.keeper.renew()

    def write(self) -> None:
        if self.keeper is not None and self.epoch is not None:
            self.keeper.hurry()

    def end(self) -> None:
        """The publisher has gone: the key is given back."""
        if self.keeper is not None and self.epoch is not None and self.doing is None:
            self.relays.end(KEY)
            self.doing, self.keeper = self.keeper.release(), None
            if go_on(self.doing):
                self.doing = None

    def die(self) -> None:
        """The process is gone, and another one with this name comes at once."""
        if self.doing is not None:
            self.doing.close()
        self.relays.end(KEY)
        self.keeper = self.doing = self.read = None
        self.frozen = False

    def tick(self) -> None:
        """Do what is due, one step further."""
        if self.frozen:
            return
        if self.doing is not None:
            if not go_on(self.doing):
                return
            self.doing = None
        keeper = self.keeper
        if keeper is None:
            return
        if self.follower.live is not None:
            keeper.observed(self.follower.live.record.owner, self.follower.live.epoch)
        if self.epoch is None:
            self.relays.end(KEY)
            self.keeper = None
        elif keeper.lease.due <= self.sim.now:
            self.doing = keeper.step()
            if go_on(self.doing):
                self.doing = None

    def _keeper(self, replace: int | None, above: int) -> LeaseKeeper:
        sim, session = self.sim, SessionId(f"p{self.sim.count()}")

        def record(epoch: Epoch) -> bytes:
            written = StreamRecord(
                app=APP,
                stream=STREAM,
                owner=self.name,
                publisher_session=session,
                tracks=(VIDEO,),
                media_flowing=True,
                epoch=epoch.number,
                claim=epoch.claim,
            )
            return msgspec.json.encode(written)

        def written_by(value: bytes, revision: int) -> tuple[str, Epoch]:
            found = decode_json(value, StreamRecord)
            return found.owner, epoch_of(found, revision)

        claim = ClaimId(f"{sim.rng.getrandbits(64):016x}")
        return LeaseKeeper(
            sim.store,
            KEY,
            Lease(LEASE_S, sim.now, claim, above=above, replace_revision=replace),
            record_of=record,
            written_by=written_by,
            on_no_record=lambda: None,
            on_forgotten=lambda: None,
            clock=lambda: sim.now,
            wall_ms=lambda: WALL_MS + self.skew_ms + round(sim.now * 1_000),
        )

    def _offer(self, request: RelayOpen) -> RelayOffer:
        if self.epoch is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "not here")
        return RelayOffer(key=KEY, track=VIDEO, worker=0, claim=self.epoch.claim, source=lambda: SourceId(1))


class Edge:
    """A child that follows the owner, with one viewer."""

    def __init__(self, sim: Sim, name: str) -> None:
        self.sim, self.name = sim, NodeId(name)
        self.follower = Follower(sim)
        backoff = Backoff(rng=random.Random(sim.rng.random()))
        self.relay = ChildRelay(VIDEO, source=SourceId(1), worker=0, now=0.0, backoff=backoff)
        self.newest = Epoch()
        """The highest epoch that it followed."""
        self.heard_newest_at = 0.0

    def tick(self) -> None:
        live, relay, now = self.follower.live, self.relay, self.sim.now
        if live is None:  # it expired, or its owner gave it up
            self.heard_newest_at = -LEASE_S
        elif live.epoch >= self.newest:
            self.heard_newest_at = self.follower.directory._streams[KEY].written_at
        if relay.state is ChildState.OPEN and not self.fed:
            relay.lost(now)
        supply = live.supply(VIDEO.track) if live is not None else None
        if live is None or supply is None:
            return
        if relay.state is ChildState.OPEN and not relay.comes_from(supply):
            relay.moved(now)
        if relay.state is ChildState.WAITING and now >= relay.due:
            self._ask(live, supply.node, supply.claim)

    @property
    def fed(self) -> bool:
        """Whether media comes from the parent."""
        parent = next((origin for origin in self.sim.origins if origin.name == self.relay.parent), None)
        return (
            self.relay.state is ChildState.OPEN
            and parent is not None
            and not parent.frozen
            and parent.epoch is not None
            and parent.epoch.claim == self.relay.claim
        )

    def _ask(self, live: LiveStream, node: NodeId, claim: ClaimId) -> None:
        relay, name = self.relay, RelayId(f"r{self.sim.count()}")
        relay.ask(HeldRelay(node, name, claim, live.epoch))
        parent = next(origin for origin in self.sim.origins if origin.name == node)
        if parent.frozen:
            relay.refused(self.sim.now, sure=False)
            return
        request = RelayOpen(
            app=APP,
            stream=STREAM,
            track=VIDEO.track,
            claim=claim,
            child=self.name,
            relay=name,
            child_address="192.0.2.9:1",
        )
        try:
            parent.relays.open(request).send(None)
        except StopIteration as answer:
            relay.granted(answer.value.grant)
            relay.flows()
            self._follows(relay.epoch)
        except RillcastError:
            relay.refused(self.sim.now, sure=True)

    def _follows(self, epoch: Epoch) -> None:
        clocks_agree = not self.sim.jumps and not any(origin.skew_ms for origin in self.sim.origins)
        if epoch < self.newest and (clocks_agree or self.sim.now - self.heard_newest_at < LEASE_S):
            raise Broken(f"a viewer follows {epoch} after {self.newest}")
        self.newest = epoch


class Sim:
    """The cluster, and the time."""

    def __init__(self, rng: random.Random, *, origins: int = 3, edges: int = 2, skews_ms: tuple[int, ...] = ()) -> None:
        self.rng = rng
        self.jumps = 0
        """Of wall clocks."""
        self.now = 0.0
        self._counted = 0
        self._owner_of: dict[Epoch, LeaseKeeper] = {}
        self.store = Store(lambda: self.now)
        skews = skews_ms or (0,) * origins
        self.origins = [Origin(self, f"o{number}", skews[number]) for number in range(origins)]
        self.edges = [Edge(self, f"e{number}") for number in range(edges)]

    def count(self) -> int:
        self._counted += 1
        return self._counted

    @property
    def followers(self) -> list[Follower]:
        return [node.follower for node in self.nodes]

    @property
    def nodes(self) -> list[Origin | Edge]:
        return [*self.origins, *self.edges]

    @property
    def serving(self) -> list[Origin]:
        return [origin for origin in self.origins if origin.epoch is not None]

    def tick(self, seconds: float = 0.001, heard: int = 99) -> None:
        """Time passes, and everybody takes one step. `heard`: how many changes each node hears of."""
        self.now += seconds
        for follower in self.followers:
            follower.hear(heard)
            follower.pass_time()
        for node in self.nodes:
            node.tick()
        self.check()

    def forget(self, writes: int) -> None:
        """The store returns to its state of so many writes ago."""
        with suppress(ValueError):  # it has lost all its state since then
            self.store.roll_back(self.store.revision - writes)

    def check(self) -> None:
        """What holds at every moment."""
        for origin in self.serving:
            assert origin.keeper is not None
            assert origin.epoch is not None
            if self._owner_of.setdefault(origin.epoch, origin.keeper) is not origin.keeper:
                raise Broken(f"two claims have {origin.epoch}")

    def settle(self) -> None:
        """The faults end. Whoever can own the stream does so; a publisher comes back if nobody has it."""
        self.store.lose_answers, self.store.available = False, True
        for origin in self.origins:
            origin.frozen = False
        self._run(3 * LEASE_S)
        if not self.serving:
            self.origins[0].look()
            self.origins[0].claim()
            self._run(3 * LEASE_S)
        owners = self.serving
        if len(owners) != 1:
            raise Broken(f"{len(owners)} own the stream in the end")
        for edge in self.edges:
            if not edge.fed or edge.relay.parent != owners[0].name:
                raise Broken("not everybody follows the owner in the end")

    def _run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.tick(TICK_S)


def random_run(seed: int, *, forgets: bool, skews_ms: tuple[int, ...] = (), jumps_ms: int = 0) -> Sim:
    """A random run up to the end of its faults, and on until all has settled. Raises `Broken`. `jumps_ms`: by how much
    wall clocks jump, to and fro."""
    rng = random.Random(seed)
    sim = Sim(rng, skews_ms=skews_ms)
    chances = {"look": 20, "claim": 30, "renew": 4, "write": 8, "end": 2, "die": 2, "freeze": 5, "answers": 6}
    chances |= {"away": 3, "forget": 5 if forgets else 0, "lose": 1, "nothing": 20, "jump": 8 if jumps_ms else 0}
    for _ in range(120):
        origin = rng.choice(sim.origins)
        happens = rng.choices(list(chances), list(chances.values()))[0]
        match happens:
            case "look" | "claim" | "renew" | "write" | "end" | "die":
                getattr(origin, happens)()
            case "freeze":
                origin.frozen = not origin.frozen
            case "answers":
                sim.store.lose_answers = not sim.store.lose_answers
            case "away":
                sim.store.available = not sim.store.available
            case "jump":
                origin.skew_ms += rng.choice((-jumps_ms, jumps_ms))
                sim.jumps += 1
            case "forget":
                sim.forget(rng.randint(1, 12))
            case "lose":
                sim.store.lose_state()
        for _ in range(rng.randint(1, 3)):
            sim.tick(rng.choice((0.001, 0.02, 0.3, 1.2)), heard=rng.choice((0, 1, 99)))
    sim.settle()
    return sim


def main(runs: int) -> None:
    for forgets in (False, True):
        broken: Counter[str] = Counter()
        for seed in range(runs):
            try:
                random_run(seed, forgets=forgets)
            except Broken as error:
                broken[" ".join(str(error).split()[:3])] += 1
        print(f"{'the store returns to earlier states' if forgets else 'a store that keeps all'}: ", end="")
        print(f"{sum(broken.values())} of {runs} runs broke a promise {dict(broken)}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
