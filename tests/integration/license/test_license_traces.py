"""A node that is refused a seat leaves a trace of both sides, which is sent although none is sampled."""

from __future__ import annotations

from license_cluster import license, license_cluster

from rillcast.testing.eventually import eventually
from rillcast.testing.otlp import OtlpSpan, otlp_receiver


async def test_a_refused_seat_is_one_trace_of_the_node_and_the_license_service() -> None:
    async with otlp_receiver() as collector, license_cluster() as c:
        traced = {"otlp_endpoint": collector.url, "trace_ratio": 0}
        await c.start("license-1", **traced)
        await c.status()
        await c.install(license(1))
        edge = await c.start("edge-1", **traced)
        await edge.ready()

        extra = await c.start("edge-2", **traced)
        await extra.not_ready("all 1 seats of license acme-1 (Acme) are taken (1 edge)")

        def refused() -> list[OtlpSpan]:
            both = {"edge-2", "license-1"}
            whole = [spans for spans in collector.traces().values() if {span.instance for span in spans} == both]
            return whole[0] if whole else []

        asks, answers = await eventually(refused, 30, "the refusal of both sides")
        assert [(span.name, span.error) for span in (asks, answers)] == [
            ("request license.acquire", "seat_refused"),
            ("process license.acquire", "seat_refused"),
        ]
        assert (asks.parent, answers.parent) == ("", asks.span)
