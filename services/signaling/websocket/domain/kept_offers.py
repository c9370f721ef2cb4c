"""The descriptions of publishers whose sessions are open: with them, another origin can make its own offer when theirs
goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from rillcast.cluster.shares import NoPlace, SharedPlaces
from rillcast.contracts.ids import SessionId

MAX_OFFER = 32 * 1024
"""Characters of one offer. A browser's has about 6 000, with three layers and all of its codecs."""
MAX_TOTAL = 64 * 1024 * 1024
"""Characters of all descriptions: those of some eight thousand publishers at one instance. Each address has its share
of them."""


class Kept(msgspec.Struct, frozen=True):
    """Both sides of one negotiation."""

    offer: str
    answer: str = ""
    """What the client was told of its node; empty until then."""
    client: str = ""
    """Whose share of the room it takes: `Client.counted_as`."""

    @property
    def size(self) -> int:
        """Of both descriptions together, in characters."""
        return len(self.offer) + len(self.answer)


class KeptOffers:
    """One per signaling instance. A publisher whose offer has no room is asked to come back where others are moved."""

    def __init__(
        self,
        *,
        most: int = MAX_TOTAL,
        on_size: Callable[[int], None] = lambda size: None,
        on_refused: Callable[[NoPlace], None] = lambda why: None,
    ) -> None:
        """`on_size` hears how many characters are kept, each time that they change; `on_refused`, why an offer had no
        room."""
        self._room = SharedPlaces(most)
        self._on_size = on_size
        self._on_refused = on_refused
        self._kept: dict[SessionId, Kept] = {}

    def __len__(self) -> int:
        """How many offers are kept."""
        return len(self._kept)

    def __iter__(self) -> Iterator[SessionId]:
        return iter(self._kept)

    @property
    def size(self) -> int:
        """Characters of all descriptions together."""
        return len(self._room)

    def keep(self, session: SessionId, offer: str, answer: str = "", *, client: str) -> None:
        """Keep an offer, instead of the session's former one, until `drop`; or none where there is no room. `client`:
        whose share of it the offer takes."""
        self._take(session)
        kept = Kept(offer, answer, client)
        if len(offer) <= MAX_OFFER:
            if refused := self._room.take(client, kept.size):
                self._on_refused(refused)
            else:
                self._kept[session] = kept
        self._on_size(self.size)

    def answered(self, session: SessionId, answer: str) -> None:
        """The client was told this of its node."""
        kept = self._kept.get(session)
        if kept is not None:
            self.keep(session, kept.offer, answer, client=kept.client)

    def of(self, session: SessionId) -> Kept | None:
        """The session's newest offer, and what it was answered; None when it is not kept."""
        return self._kept.get(session)

    def hand_on(self, former: SessionId, session: SessionId, answer: str) -> None:
        """The publisher goes on in another session, of whose node the client was told this."""
        kept = self._take(former)
        if kept is not None:
            self.keep(session, kept.offer, answer, client=kept.client)

    def drop(self, session: SessionId) -> None:
        """The session is over. Called for every session."""
        if self._take(session) is not None:
            self._on_size(self.size)

    def _take(self, session: SessionId) -> Kept | None:
        kept = self._kept.pop(session, None)
        if kept is not None:
            self._room.leave(kept.client, kept.size)
        return kept
