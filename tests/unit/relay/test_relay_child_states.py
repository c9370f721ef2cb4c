"""The states of a relay at its child: every event in every state, as the table says."""

from __future__ import annotations

import pytest
from relay_harness import A, a_relay, granted

from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import ClaimId, RelayId
from rillcast.relay.child import TRANSITIONS, ChildEvent, ChildRelay, ChildState, HeldRelay

PATHS: dict[ChildState, tuple[ChildEvent, ...]] = {
    ChildState.WAITING: (),
    ChildState.OPENING: (ChildEvent.ASKED,),
    ChildState.OPEN: (ChildEvent.ASKED, ChildEvent.GRANTED),
    ChildState.CLOSED: (ChildEvent.CLOSED,),
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

    if (state, event) not in TRANSITIONS:
        with pytest.raises(KeyError):
            happen(relay, event)
        assert relay.state is state
    else:
        happen(relay, event)
        assert relay.state is TRANSITIONS[state, event]


def test_what_the_table_refuses() -> None:
    refused = {(s, e) for s in ChildState for e in ChildEvent} - set(TRANSITIONS)
    assert {(state.name, event.name) for state, event in refused} == {
        ("WAITING", "GRANTED"),
        ("WAITING", "REFUSED"),
        ("OPENING", "ASKED"),
        ("OPEN", "ASKED"),
        ("OPEN", "GRANTED"),
        ("OPEN", "REFUSED"),
        ("CLOSED", "ASKED"),
        ("CLOSED", "CLOSED"),
    }
