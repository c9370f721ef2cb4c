"""Nothing of a publisher's description is in a log line or a span, however broken it is."""

from __future__ import annotations

from contextlib import suppress

import pytest
from origin_harness import OFFER, SIMULCAST_OFFER, World

from rillcast.contracts.errors import RillcastError
from rillcast.testing.confidences import overheard, spoilt

MARK = "QUOTED"


async def test_a_refused_offer_leaves_its_code_in_the_span_and_no_text(world: World) -> None:
    with overheard() as told:
        origin = await world.origin()
        with pytest.raises(RillcastError, match=MARK):
            await world.publish(origin, sdp_offer=OFFER.replace("a=setup:actpass", f"a=setup:{MARK}"))

    assert "origin.publish" in told.spans
    assert "notSetRemoteDescription" in told.spans
    assert MARK not in told.spans + told.logs
    assert "Traceback" not in told.spans + told.logs


@pytest.mark.parametrize("offer", [OFFER, SIMULCAST_OFFER], ids=["one encoding", "simulcast"])
async def test_no_broken_offer_is_quoted(world: World, offer: str) -> None:
    refused = 0
    with overheard() as told:
        origin = await world.origin()
        for broken in spoilt(offer, MARK):
            try:
                answer = await world.publish(origin, sdp_offer=broken)
            except RillcastError:
                refused += 1
            else:
                with suppress(RillcastError):
                    await world.close(origin, answer.session)

    assert refused > 50, "many of them are broken"
    assert [line for line in (told.spans + told.logs).splitlines() if MARK in line] == []
