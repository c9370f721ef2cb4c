"""Two license services as real processes: the one that answers dies, the other goes on with the same seats."""

from __future__ import annotations

import asyncio

from license_cluster import Process, license, license_cluster, until


async def test_the_instance_that_answers_is_killed_and_the_other_goes_on_with_the_same_seats() -> None:
    async with license_cluster() as c:
        services = {name: await c.start(name) for name in ("license-1", "license-2")}
        await asyncio.gather(*(service.ready() for service in services.values()))
        await c.install(license(1))
        node = await c.start("transcoder-1")
        await node.ready()

        first = (await c.status()).answered_by
        await services[first].kill()

        second = (await c.status()).answered_by
        assert {first, second} == set(services)
        before = await renewals(services[second])

        async def renewed() -> bool:
            count = await renewals(services[second])
            assert count >= before + 2, count
            return True

        await until(renewed, "the other instance renews the seat")
        assert (await node.readyz())["ready"]
        extra = await c.start("transcoder-2")
        await extra.not_ready("all 1 seats of license acme-1")
        status = await c.status()
        assert (status.license_id, status.used_by_kind) == ("acme-1", {"transcoder": 1})

        await services[first].start()
        await services[first].ready()
        await services[second].kill()
        await c.shows(lambda s: s.answered_by == first and s.license_id == "acme-1", "the first is back")
        assert (await node.readyz())["ready"]


async def renewals(service: Process) -> float:
    return await service.metric('rillcast_license_seat_answers_total{outcome="renewed"}') or 0.0
