"""The states of a relay at its child: every event in every state, as the table says, and where it leads."""

from __future__ import annotations

import pytest
from relay_harness import A, a_relay, granted

from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import ClaimId, RelayId
from rillcast.relay.child_relay import TRANSITIONS, ChildEvent, ChildRelay, ChildState, HeldRelay

PATHS: dict[ChildState, tuple[ChildEvent, ...]] = {
    ChildState.WAITING: (),
    ChildState.OPENING: (ChildEvent.ASKED,),
    ChildState.OPEN: (ChildEvent.ASKED, ChildEvent.GRANTED),
    ChildState.CLOSED: (ChildEvent.CLOSED,),
}
EXPECTED = """
    event    WAITING  OPENING  OPEN     CLOSED
    ASKED    OPENING  -        -        -
    GRANTED  -        OPEN     -        CLOSED
    REFUSED  -        WAITING  -        CLOSED
    LOST     WAITING  OPENING  WAITING  CLOSED
    MOVED    WAITING  OPENING  WAITING  CLOSED
    CLOSED   CLOSED   CLOSED   CLOSED   -
"""
"""Written a second time by hand. ``-``: it cannot happen."""


def expected() -> dict[tuple[ChildState, ChildEvent], ChildState]:
    header, *rows = (line.split() for line in EXPECTED.strip().splitlines())
    return {
        (ChildState[state], ChildEvent[row[0]]): ChildState[following]
        for row in rows
        for state, following in zip(header[1:], row[1:], strict=True)
        if following != "-"
    }


def happen(relay: ChildRelay, event: ChildEvent) -> None:
    match event:
        case ChildEvent.ASKED:
            relay.ask(HeldRelay(A, RelayId("r"), ClaimId("c1"), Epoch(1, ClaimId("c1"))))
        case ChildEvent.GRANTED:
            relay.granted(granted())
        case ChildEvent.REFUSED:
            relay.refused(0.0, sure=True)
        case ChildEvent.LOST:
            relay.lost(0.0)
        case ChildEvent.MOVED:
            relay.moved(0.0)
        case ChildEvent.CLOSED:
            relay.close()


@pytest.mark.parametrize("event", ChildEvent)
@pytest.mark.parametrize("state", ChildState)
def test_every_event_in_every_state_does_what_the_table_says(state: ChildState, event: ChildEvent) -> None:
    relay = a_relay()
    for before in PATHS[state]:
        happen(relay, before)
    assert relay.state is state

    following = expected().get((state, event))
    if following is None:
        with pytest.raises(KeyError):
            happen(relay, event)
    else:
        happen(relay, event)

    assert relay.state is (following or state)


def test_the_table_has_what_is_expected_and_nothing_else() -> None:
    assert expected() == TRANSITIONS
