"""The child side of relays, whatever happens in whatever order: every relay is given back exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from relay_harness import REFUSAL, World, live, supply

from rillcast.media.protocol import AddRelaySource, RemoveSource
from rillcast.relay.child_relay import ChildState

STEPS = st.sampled_from(
    [
        *(
            "ask a",
            "ask b",
            "answer a",
            "answer b",
            "hold a",
            "hold b",
            "refuse a",
            "agree a",
            "lost",
            "moved",
            "flows",
        ),
        *("outdate a", "outdate b"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_whatever_happens_no_parent_holds_anything_after_the_close(steps: list[str]) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[str]) -> None:
    world = World()
    parents = {"a": await world.a.start(), "b": await world.b.start()}
    asking: set[asyncio.Task[None]] = set()
    for step in steps:
        what, _, which = step.partition(" ")
        parent = parents.get(which)
        if what == "ask" and parent is not None and world.relay.state is ChildState.WAITING:
            task = asyncio.create_task(world.relays.open(world.relay, live(parent.name), supply(parent.name)))
            asking.add(task)
        elif what in ("answer", "hold") and parent is not None:
            parent.gate.set() if what == "answer" else parent.gate.clear()
        elif what in ("refuse", "agree") and parent is not None:
            parent.refusal = REFUSAL if what == "refuse" else None
        elif what == "outdate" and parent is not None:
            world.relays.outdate(world.relay, supply(parent.name))
        elif what == "lost":
            world.relay.lost(world.clock())
        elif what == "moved":
            world.relay.moved(world.clock())
        elif what == "flows":
            world.relay.flows()
        for _ in range(12):
            await asyncio.sleep(0)
    world.relays.close(world.relay)
    for parent in parents.values():
        parent.gate.set()
    await asyncio.gather(*asking, return_exceptions=True)
    await world.tasks.settle()

    for parent in parents.values():
        # One that answered after it was told to end hears no keep-alive, and ends it by itself.
        assert parent.held is None or parent.held in parent.closed
        assert set(Counter(parent.closed).values()) <= {1}
        assert set(parent.closed) <= set(parent.opened)
    assert len(world.plane.of(RemoveSource)) == bool(world.plane.of(AddRelaySource))
    for bus in (world.bus, world.a.bus, world.b.bus):
        await bus.close()
