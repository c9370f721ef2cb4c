"""How many machines a crowd needs: a plain sum of what was measured, so far as each machine is to be filled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from rillcast.cli.capacity.prices import Machine, Table, Use
from rillcast.cli.faults import CannotGoOn
from rillcast.cluster.grown_tree import GrownTree, NobodyFeeds, grown
from rillcast.cluster.placement.nearness import Place
from rillcast.contracts.ids import NodeId

MAX_SESSIONS = 20_000
"""Of a node, and sockets of a signaling instance: the defaults of their settings."""
MAX_CHILDREN = 64
"""The default of RILLCAST_ORIGIN_MAX_CHILDREN and RILLCAST_EDGE_MAX_CHILDREN."""
MOST_MACHINES = 20_000
SERVICES = 3
"""Machines with NATS, Consul and license: a majority of two stays when one is gone."""
OWNER = NodeId("origin")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be carried."""

    viewers: int
    kbps: float
    """Of the video that a viewer gets."""
    streams: int = 1
    regions: Mapping[str, float] = msgspec.field(default_factory=lambda: {"here": 1.0})
    """Which share of the viewers is where. Publishers are in the first one."""
    zones: int = 3
    """How many each region has."""
    busy: float = 0.6
    """How far a machine is filled, of its cores, its network and its memory."""
    spare: int = 1
    """Machines of each kind and region that may be gone without anybody noticing."""
    arriving_s: float = 300.0
    """In which time all viewers come."""
    ladder: bool = False
    """Whether each stream is encoded to three smaller ones."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How far one machine is filled when none is missing, each from 0 to 1."""

    cores: float
    network: float
    memory: float
    sessions: float = 0.0
    joins: float = 0.0
    """Of the one thread that answers them."""

    def tightest(self) -> tuple[str, float]:
        """What runs out first."""
        shares = {name: getattr(self, name) for name in self.__struct_fields__}
        return max(shares.items(), key=lambda one: one[1])


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Machines of one kind in one region."""

    region: str
    kind: Use
    machine: Machine
    needed: int
    spare: int
    share: Share | None
    """Of one of those that are needed; None where their number does not depend on the load."""

    @property
    def count(self) -> int:
        """With the spare ones."""
        return self.needed + self.spare


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What is paid for by the byte, in gigabytes of an hour."""

    egress: float
    between_zones: float
    between_regions: float


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """How many machines of which kind, and what follows from that."""

    wish: Wish
    packets_per_viewer: float
    bps_per_viewer: float
    groups: tuple[Group, ...]
    traffic: Traffic
    tree_levels: dict[int, int]
    """Of a stream that somebody watches at every edge: how many edges are how far from the origin."""
    tree_copies: dict[str, int]
    """How many times it goes from one zone to another one."""
    machines_per_hour: float
    traffic_per_hour: float


def need(wish: Wish, table: Table) -> Need:
    """The smallest number of machines. Raises CannotGoOn for what no number of them carries."""
    return _Sum(wish, table).need()


class _Sum:
    def __init__(self, wish: Wish, table: Table) -> None:
        self._wish, self._table, self._costs = wish, table, table.costs
        self._packets, self._bps = table.media.packets(wish.kbps), table.media.bps(wish.kbps)
        whole = sum(wish.regions.values())
        self._viewers = {name: math.ceil(wish.viewers * share / whole) for name, share in wish.regions.items()}
        self._home = next(iter(wish.regions))

    def need(self) -> Need:
        groups: list[Group] = []
        for region, viewers in self._viewers.items():
            groups += [self._edges(region, viewers), self._signaling(region, viewers)]
        edges = {one.region: one for one in groups if one.kind is Use.EDGE}
        tree = self._tree(edges)
        groups.append(self._origins(tree.levels().get(1, 0)))
        if self._wish.ladder:
            groups.append(self._transcoders())
        services = self._table.machines[Use.SERVICES]
        groups.append(
            Group(region=self._home, kind=Use.SERVICES, machine=services, needed=SERVICES, spare=0, share=None)
        )
        traffic = self._traffic(tree, edges)
        ways = {
            f"{start.region}-{start.zone} → {end.region}-{end.zone}": n for (start, end), n in tree.copies().items()
        }
        table = self._table
        return Need(
            wish=self._wish,
            packets_per_viewer=self._packets,
            bps_per_viewer=self._bps,
            groups=tuple(groups),
            traffic=traffic,
            tree_levels=tree.levels(),
            tree_copies=ways,
            machines_per_hour=sum(one.count * one.machine.per_hour for one in groups),
            traffic_per_hour=traffic.egress * table.egress_per_gb
            + traffic.between_zones * table.between_zones_per_gb
            + traffic.between_regions * table.between_regions_per_gb,
        )

    def _edges(self, region: str, viewers: int) -> Group:
        costs, machine = self._costs, self._table.machines[Use.EDGE]
        joins = viewers / self._wish.arriving_s

        def share(count: int) -> Share:
            each, came = math.ceil(viewers / count), joins / count
            streams = min(self._wish.streams, each)
            cores = costs.node_share + costs.edge_share + streams * costs.edge_share_per_stream
            cores += each * self._packets * costs.edge_us_per_packet / 1e6 + came * costs.edge_ms_per_join / 1e3
            return Share(
                cores=cores / machine.cores,
                network=each * self._bps / (machine.network_gbps * 1e9),
                memory=(costs.node_mib + each * costs.edge_kib_per_viewer / 1024) / (machine.memory_gib * 1024),
                sessions=each / MAX_SESSIONS * self._wish.busy,
                joins=came * costs.edge_ms_per_join / 1e3,
            )

        return self._group(region, Use.EDGE, share, "viewers of a region")

    def _signaling(self, region: str, viewers: int) -> Group:
        costs, machine = self._costs, self._table.machines[Use.SIGNALING]
        joins = viewers / self._wish.arriving_s

        def share(count: int) -> Share:
            each, busy = math.ceil(viewers / count), joins / count * costs.signaling_ms_per_join / 1e3
            memory = costs.node_mib + each * costs.signaling_kib_per_socket / 1024
            return Share(
                cores=(costs.node_share + busy) / machine.cores,
                network=0.0,
                memory=memory / (machine.memory_gib * 1024),
                sessions=each / MAX_SESSIONS * self._wish.busy,
                joins=busy,
            )

        return self._group(region, Use.SIGNALING, share, "sockets of a region")

    def _origins(self, copies: int) -> Group:
        costs, machine, streams = self._costs, self._table.machines[Use.ORIGIN], self._wish.streams
        share_of_one = costs.origin_share_per_stream + copies * self._packets * costs.edge_us_per_packet / 1e6

        def share(count: int) -> Share:
            each = math.ceil(streams / count)
            return Share(
                cores=(costs.node_share + each * share_of_one) / machine.cores,
                network=each * copies * self._bps / (machine.network_gbps * 1e9),
                memory=costs.node_mib / (machine.memory_gib * 1024),
                sessions=each / MAX_SESSIONS * self._wish.busy,
            )

        return self._group(self._home, Use.ORIGIN, share, "streams")

    def _transcoders(self) -> Group:
        costs, machine, streams = self._costs, self._table.machines[Use.TRANSCODER], self._wish.streams

        def share(count: int) -> Share:
            each = math.ceil(streams / count)
            return Share(
                cores=(costs.node_share + each * costs.transcoder_cores_per_ladder) / machine.cores,
                network=each * self._bps / (machine.network_gbps * 1e9),
                memory=(costs.node_mib + each * costs.transcoder_mib_per_ladder) / (machine.memory_gib * 1024),
            )

        return self._group(self._home, Use.TRANSCODER, share, "ladders")

    def _group(self, region: str, kind: Use, share: Callable[[int], Share], what: str) -> Group:
        """The smallest number that fits. More machines never fill one of them more."""

        def fits(count: int) -> bool:
            return share(count).tightest()[1] <= self._wish.busy

        if not fits(MOST_MACHINES):
            tightest, how_far = share(MOST_MACHINES).tightest()
            raise CannotGoOn(
                f"{MOST_MACHINES} machines for {kind} do not carry the {what} ({region}): of each one's {tightest}"
                f" {how_far:.0%} would be used, and {self._wish.busy:.0%} are to be"
            )
        low, high = 0, MOST_MACHINES
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle, high)
        machine = self._table.machines[kind]
        return Group(region=region, kind=kind, machine=machine, needed=high, spare=self._wish.spare, share=share(high))

    def _tree(self, edges: Mapping[str, Group]) -> GrownTree:
        """Of a stream that is watched at every edge. They come in turns, as viewers do who come to all of them."""
        coming = [
            (number, NodeId(f"edge-{region}-{number}"), Place(region, str(number % self._wish.zones + 1)))
            for region, group in edges.items()
            for number in range(group.count)
        ]
        ordered: Sequence[tuple[NodeId, Place]] = [(node, place) for _, node, place in sorted(coming, key=_first)]
        try:
            return grown(OWNER, Place(self._home, "1"), ordered, most=MAX_CHILDREN)
        except NobodyFeeds as error:
            raise CannotGoOn(
                f"{len(ordered)} edges in so few zones are more than a tree of three levels with {MAX_CHILDREN}"
                f" children each has places for ({error}); give more zones or regions, or larger machines"
            ) from None

    def _traffic(self, tree: GrownTree, edges: Mapping[str, Group]) -> Traffic:
        spread = {
            region: min(1.0, self._viewers[region] / group.needed / self._wish.streams)
            for region, group in edges.items()
        }
        zones = regions = 0.0
        for (start, end), count in tree.copies().items():
            copies = count * self._wish.streams * spread[end.region]
            if start.region == end.region:
                zones += copies
            else:
                regions += copies
        hour = self._bps * 3_600 / 8e9
        return Traffic(
            egress=sum(self._viewers.values()) * hour, between_zones=zones * hour, between_regions=regions * hour
        )


def _first(one: tuple[int, NodeId, Place]) -> int:
    return one[0]
