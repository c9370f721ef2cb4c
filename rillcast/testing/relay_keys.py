"""`RelayKeys` in the clear, for tests of what relays do besides."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import RelayGrant, RelayOpen, RelayReferral


class _PlainAsking(msgspec.Struct, frozen=True):
    request: RelayOpen

    def open(self, grant: RelayGrant) -> RelayGrant:
        return grant

    def referred(self, referral: RelayReferral) -> RelayReferral:
        return referral


class PlainRelayKeys:
    """See `rillcast.node.relay_keys.RelayKeys`: everybody is believed, and everybody can read."""

    async def meet(self, parent: NodeId) -> None:
        """Everybody is known."""

    async def expect(self, request: RelayOpen) -> None:
        """Everybody is known."""

    def ask(self, request: RelayOpen, parent: NodeId) -> _PlainAsking:
        """The request goes out as it is, and the answer counts as it comes."""
        return _PlainAsking(request)

    def check(self, request: RelayOpen) -> None:
        """Everybody may have a relay, under any name."""

    def seal(self, request: RelayOpen, grant: RelayGrant) -> RelayGrant:
        """The answer keeps its keys in the clear."""
        return grant

    def refer(self, request: RelayOpen, nodes: tuple[NodeId, ...]) -> RelayReferral:
        """The answer has no proof."""
        return RelayReferral(nodes=nodes)
