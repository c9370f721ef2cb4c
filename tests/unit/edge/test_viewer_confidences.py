"""Nothing of a viewer's description is in a log line or a span, however broken it is."""

from __future__ import annotations

from contextlib import suppress

from edge_harness import WHEP_OFFER, World

from rillcast.contracts.errors import RillcastError
from rillcast.testing.confidences import overheard, spoilt

MARK = "QUOTED"


async def test_no_broken_offer_is_quoted(world: World) -> None:
    refused = 0
    with overheard() as told:
        for broken in spoilt(WHEP_OFFER, MARK):
            try:
                answer = await world.whep(broken)
            except RillcastError:
                refused += 1
            else:
                await world.close(answer.session)

    assert refused > 20, "many of them are broken"
    assert "edge.play" in told.spans
    assert [line for line in (told.spans + told.logs).splitlines() if MARK in line] == []


async def test_no_broken_answer_is_quoted(world: World) -> None:
    refused = 0
    with overheard() as told:
        for broken in spoilt(WHEP_OFFER.replace("a=setup:actpass", "a=setup:active"), MARK):
            asked = await world.play()
            try:
                await world.accept(asked.session, broken)
            except RillcastError:
                refused += 1
            with suppress(RillcastError):
                await world.close(asked.session)

    assert refused > 20
    assert [line for line in (told.spans + told.logs).splitlines() if MARK in line] == []
