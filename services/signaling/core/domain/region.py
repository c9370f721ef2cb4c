"""The region of a client: asked for, told by a trusted proxy, listed by address, or looked up in a geographic database.

Decides without I/O: tables are parsed from text, the database is a function from address to names (country first).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from rillcast.cluster.placement.nearness import Place

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
GeoLookup = Callable[[IpAddress], Sequence[str]]
"""Names for an address, narrowest first: ISO country, ISO continent. Empty when unknown."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_ADDRESS = 80
"""Characters of an address with a zone id, and some spaces around it."""
MAX_TABLE_LINES = 1_000_000


def parse_address(text: str) -> IpAddress | None:
    """An address, IPv4-mapped IPv6 as IPv4, zone ids dropped; None when `text` is none. Each join asks this several
    times about the same one, so the latest are remembered."""
    return _parsed(text) if len(text) <= _MAX_ADDRESS else None


@lru_cache(4_096)
def _parsed(text: str) -> IpAddress | None:
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_networks(text: str) -> tuple[IpNetwork, ...]:
    """Comma-separated CIDRs or addresses. Raises ValueError naming the bad one."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def within(address: IpAddress | None, networks: Iterable[IpNetwork]) -> bool:
    """Whether the address lies in one of `networks`."""
    return address is not None and any(address in network for network in networks if network.version == address.version)


def is_listed(address: IpAddress | None, networks: str) -> bool:
    """Whether an address lies in one of the networks of a setting. A list that makes no sense, which the store may have
    from elsewhere, lists nobody."""
    return within(address, _listed(networks))


@lru_cache(1_024)
def _listed(networks: str) -> tuple[IpNetwork, ...]:
    try:
        return parse_networks(networks)
    except ValueError:
        return ()


def is_region_name(text: str) -> bool:
    """Letters, digits, dot, underscore, hyphen; at most 64."""
    return _NAME.fullmatch(text) is not None


class CidrTable:
    """Finds the place of an address by its longest prefix."""

    def __init__(self, rows: Iterable[tuple[IpNetwork, Place]]) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, Place]] = {}
        for network, place in rows:
            self._by_prefix.setdefault((network.version, network.prefixlen), {})[int(network.network_address)] = place
        self._prefixes = {
            version: sorted((p for v, p in self._by_prefix if v == version), reverse=True) for version in (4, 6)
        }

    @classmethod
    def parse(cls, text: str) -> CidrTable:
        """One ``CIDR region [zone]`` per line, ``#`` comments. Raises ValueError with the line number."""
        rows: list[tuple[IpNetwork, Place]] = []
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].replace(",", " ").split()
            if not words:
                continue
            if len(words) not in (2, 3) or not all(map(is_region_name, words[1:])) or number > MAX_TABLE_LINES:
                raise ValueError(f"line {number}: expected 'CIDR region [zone]', got {line.strip()[:80]!r}")
            try:
                network = ipaddress.ip_network(words[0], strict=False)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            rows.append((network, Place(*words[1:])))
        return cls(rows)

    def lookup(self, address: IpAddress) -> Place | None:
        """The place of the narrowest network that holds the address."""
        bits, value = address.max_prefixlen, int(address)
        for prefix in self._prefixes[address.version]:
            shift = bits - prefix
            place = self._by_prefix[address.version, prefix].get(value >> shift << shift)
            if place is not None:
                return place
        return None


class RegionFinder:
    """Puts the sources in order: ``?region=``, trusted header, CIDR table, database, own region."""

    def __init__(
        self,
        *,
        table: CidrTable | None = None,
        geo: GeoLookup | None = None,
        geo_regions: Mapping[str, str] | None = None,
        fallback: Place | None = None,
    ) -> None:
        """`geo_regions`: ISO country or continent code → region. `fallback`: who reaches this instance is near it."""
        self._table = table
        self._geo = geo
        self._geo_regions = {code.upper(): region for code, region in (geo_regions or {}).items()}
        self._fallback = fallback or Place()

    def find(self, *, asked: str, header: str, address: IpAddress | None) -> Place:
        """`asked`: ``?region=``, may be ``region/zone``; `header`: the same, known to come from a trusted proxy."""
        for text in (asked, header):
            region, _, zone = text.partition("/")
            if is_region_name(region) and (not zone or is_region_name(zone)):
                return Place(self._geo_regions.get(region.upper(), region), zone)
        if address is None:
            return self._fallback
        listed = self._table.lookup(address) if self._table is not None else None
        return listed or self._by_geo(address) or self._fallback

    def _by_geo(self, address: IpAddress) -> Place | None:
        if self._geo is None:
            return None
        for code in self._geo(address):
            region = self._geo_regions.get(code.upper())
            if region is not None:
                return Place(region)
        return None
