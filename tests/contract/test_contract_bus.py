"""What every `Bus` does: the same tests on the fake and on a real NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from bus_worlds import BusWorld, bus_world

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.version import PROTOCOL_VERSION
from rillcast.runtime import metrics
from rillcast.runtime.bus.envelope import MAX_CONCURRENT, MAX_MESSAGE_BYTES, decode_answer
from rillcast.runtime.telemetry.tracing import Tracing, configure_tracing, tracer
from rillcast.testing.eventually import eventually, within


class Ask(msgspec.Struct, frozen=True):
    """A request."""

    text: str


class Told(msgspec.Struct, frozen=True):
    """An answer, and an event."""

    text: str


class Strict(msgspec.Struct, frozen=True):
    """Something else."""

    number: int


@pytest.fixture(params=["fake", "nats"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[BusWorld]:
    async with bus_world(request.param) as made:
        yield made


async def echo(request: Ask) -> Told:
    return Told(request.text)


async def test_a_request_is_answered(world: BusWorld) -> None:
    await world.far.serve("rc.v1.test.echo", Ask, echo, queue="test")
    assert await world.near.request("rc.v1.test.echo", Ask("hé"), Told) == Told("hé")


async def test_a_refusal_arrives_as_it_was_raised(world: BusWorld) -> None:
    async def refuse(_request: Ask) -> Told:
        raise RillcastError(ErrorCode.STREAM_ID_IN_USE, "taken by another publisher", 7.5)

    await world.far.serve("rc.v1.test.refuse", Ask, refuse)
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.refuse", Ask("x"), Told)
    assert (caught.value.code, caught.value.message) == (ErrorCode.STREAM_ID_IN_USE, "taken by another publisher")
    assert caught.value.retry_after_s == 7.5


async def test_a_fault_of_the_handler_becomes_a_plain_server_error(world: BusWorld) -> None:
    async def fail(_request: Ask) -> Told:
        raise ZeroDivisionError("secret detail")

    await world.far.serve("rc.v1.test.fail", Ask, fail)
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.fail", Ask("x"), Told)
    assert caught.value.code is ErrorCode.SERVER_ERROR
    assert "secret" not in caught.value.message


async def test_a_request_nobody_listens_to_fails_at_once(world: BusWorld) -> None:
    async with within(10, "the refusal of a request that nobody hears"):
        with pytest.raises(RillcastError) as caught:
            await world.near.request("rc.v1.test.nobody", Ask("x"), Told, timeout_s=30)
    assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert caught.value.retry_after_s


async def test_a_passed_deadline_ends_the_wait_and_the_handler(world: BusWorld) -> None:
    ended = asyncio.Event()

    async def dawdle(_request: Ask) -> Told:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return Told("late")

    await world.far.serve("rc.v1.test.dawdle", Ask, dawdle)
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.dawdle", Ask("x"), Told, timeout_s=0.1)
    assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE
    async with within(10, "the cancellation of the handler"):
        await ended.wait()


async def test_a_request_of_the_wrong_shape_is_refused_naming_the_field(world: BusWorld) -> None:
    await world.far.serve("rc.v1.test.echo", Ask, echo)
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.echo", Strict(3), Told)
    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert "text" in caught.value.message


async def test_an_answer_of_the_wrong_shape_is_a_server_error(world: BusWorld) -> None:
    await world.far.serve("rc.v1.test.echo", Ask, echo)
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.echo", Ask("x"), Strict)
    assert caught.value.code is ErrorCode.SERVER_ERROR


@pytest.mark.parametrize("text", ["x" * MAX_MESSAGE_BYTES, "half a pair: \ud800"], ids=["too large", "not JSON"])
async def test_a_request_that_cannot_be_sent_is_refused_before(world: BusWorld, text: str) -> None:
    await world.far.serve("rc.v1.test.echo", Ask, echo)
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.echo", Ask(text), Told)
    assert caught.value.code is ErrorCode.BAD_REQUEST


async def test_a_request_of_nearly_a_mebibyte_is_answered(world: BusWorld) -> None:
    await world.far.serve("rc.v1.test.echo", Ask, echo)
    large = await world.near.request("rc.v1.test.echo", Ask("x" * (MAX_MESSAGE_BYTES - 8_192)), Told)
    assert len(large.text) == MAX_MESSAGE_BYTES - 8_192


@pytest.mark.parametrize("text", ["x" * MAX_MESSAGE_BYTES, "half a pair: \ud800"], ids=["too large", "not JSON"])
async def test_an_event_that_cannot_be_sent_is_dropped_and_counted(world: BusWorld, text: str) -> None:
    got: list[str] = []

    async def take(_subject: str, event: Told) -> None:
        got.append(event.text)

    await world.far.listen("rc.v1.test.event", Told, take)
    dropped = metrics.BUS_EVENTS_DROPPED.labels("too_large")
    before = dropped._value.get()
    await world.near.emit("rc.v1.test.event", Told(text))
    await world.near.emit("rc.v1.test.event", Told("after"))
    await eventually(lambda: got == ["after"], what="only the event after it")
    assert dropped._value.get() == before + 1


async def test_an_answer_beyond_a_mebibyte_becomes_a_failure(world: BusWorld) -> None:
    async def flood(_request: Ask) -> Told:
        return Told("x" * MAX_MESSAGE_BYTES)

    await world.far.serve("rc.v1.test.flood", Ask, flood)
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.flood", Ask("x"), Told)
    assert caught.value.code is ErrorCode.SERVER_ERROR


async def test_more_requests_than_the_bound_are_refused(world: BusWorld) -> None:
    release = asyncio.Event()
    running = 0

    async def hold(request: Ask) -> Told:
        nonlocal running
        running += 1
        await release.wait()
        return Told(request.text)

    await world.far.serve("rc.v1.test.hold", Ask, hold)
    held = [
        asyncio.create_task(world.near.request("rc.v1.test.hold", Ask(str(i)), Told, timeout_s=30))
        for i in range(MAX_CONCURRENT)
    ]
    await eventually(lambda: running == MAX_CONCURRENT, what="all handlers running")
    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.hold", Ask("one more"), Told)
    assert caught.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert caught.value.retry_after_s
    release.set()
    assert [told.text for told in await asyncio.gather(*held)] == [str(i) for i in range(MAX_CONCURRENT)]


async def test_a_queue_group_answers_each_request_once(world: BusWorld) -> None:
    answered: list[str] = []

    def by(name: str) -> None:
        answered.append(name)

    async def near(request: Ask) -> Told:
        by("near")
        return Told(request.text)

    async def far(request: Ask) -> Told:
        by("far")
        return Told(request.text)

    await world.near.serve("rc.v1.test.shared", Ask, near, queue="test")
    await world.far.serve("rc.v1.test.shared", Ask, far, queue="test")
    for i in range(40):
        await world.near.request("rc.v1.test.shared", Ask(str(i)), Told)
    assert len(answered) == 40
    assert set(answered) == {"near", "far"}


async def test_events_arrive_in_order_with_their_subject(world: BusWorld) -> None:
    got: list[tuple[str, str]] = []

    async def take(subject: str, event: Told) -> None:
        await asyncio.sleep(0)
        got.append((subject, event.text))

    await world.far.listen("rc.v1.test.>", Told, take)
    for i in range(200):
        await world.near.emit(f"rc.v1.test.n{i % 2}", Told(str(i)))
    await eventually(lambda: len(got) == 200, what="all events")
    assert got == [(f"rc.v1.test.n{i % 2}", str(i)) for i in range(200)]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b'{"text":3}', b"[" * 100_000, b"x" * 1_000_000])
async def test_nonsense_is_skipped_and_the_next_event_arrives(world: BusWorld, body: bytes) -> None:
    got: list[str] = []

    async def take(_subject: str, event: Told) -> None:
        got.append(event.text)

    await world.far.listen("rc.v1.test.event", Told, take)
    await world.send_raw("rc.v1.test.event", body)
    await world.near.emit("rc.v1.test.event", Told("after"))
    await eventually(lambda: got, what="the event after the nonsense")
    assert got == ["after"]


async def test_a_failing_event_handler_gets_the_next_event_too(world: BusWorld) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    got: list[str] = []

    async def take(_subject: str, event: Told) -> None:
        got.append(event.text)
        if event.text == "first":
            raise ValueError("no")

    await world.far.listen("rc.v1.test.event", Told, take)
    await world.near.emit("rc.v1.test.event", Told("first"))
    await world.near.emit("rc.v1.test.event", Told("second"))
    await eventually(lambda: got == ["first", "second"], what="the second event")


async def test_an_outage_is_noticed_survived_and_leaves_nothing_stale(world: BusWorld) -> None:
    got: list[str] = []

    async def take(_subject: str, event: Told) -> None:
        got.append(event.text)

    await world.far.serve("rc.v1.test.echo", Ask, echo, queue="test")
    await world.far.listen("rc.v1.test.event", Told, take)

    await world.lose()
    async with within(10, "the refusal during the outage"):
        with pytest.raises(RillcastError) as caught:
            await world.near.request("rc.v1.test.echo", Ask("x"), Told, timeout_s=30)
        await world.near.emit("rc.v1.test.event", Told("during the outage"))
    assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert caught.value.retry_after_s

    await world.restore()
    assert await world.near.request("rc.v1.test.echo", Ask("again"), Told) == Told("again")
    await world.near.emit("rc.v1.test.event", Told("after"))
    await eventually(lambda: got, what="the event after the outage")
    assert got == ["after"]


async def test_a_bus_that_stalls_refuses_requests_at_once_and_keeps_events(world: BusWorld) -> None:
    got: list[str] = []
    asked: list[str] = []

    async def take(_subject: str, event: Told) -> None:
        got.append(event.text)

    async def answer(request: Ask) -> Told:
        asked.append(request.text)
        return Told(request.text)

    await world.far.serve("rc.v1.test.echo", Ask, answer, queue="test")
    await world.far.listen("rc.v1.test.event", Told, take)
    before = world.near.hearing
    assert before

    await world.stall()
    assert world.near.connected
    async with within(10, "the refusal during the stall"):
        with pytest.raises(RillcastError) as caught:
            await world.near.request("rc.v1.test.echo", Ask("during the stall"), Told, timeout_s=30)
        await world.near.emit("rc.v1.test.event", Told("during the stall"))
    assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert caught.value.retry_after_s

    await world.move()
    assert world.near.hearing > before
    assert await world.near.request("rc.v1.test.echo", Ask("after"), Told) == Told("after")
    assert asked == ["after"], "nothing is carried out for somebody who was refused"
    await eventually(lambda: got == ["during the stall"], what="the event sent during the stall")


async def test_a_loss_and_a_stall_are_each_the_end_of_a_time_of_hearing(world: BusWorld) -> None:
    seen = [world.near.hearing]
    await world.stall()
    await world.move()
    seen.append(world.near.hearing)
    await world.lose()
    assert world.near.hearing == 0
    await world.restore()
    seen.append(world.near.hearing)
    assert seen == sorted(set(seen))


async def test_a_request_on_its_way_fails_when_the_bus_goes_down(world: BusWorld) -> None:
    started = asyncio.Event()

    async def hang(_request: Ask) -> Told:
        started.set()
        await asyncio.sleep(30)
        return Told("never")

    await world.far.serve("rc.v1.test.hang", Ask, hang)
    asked = asyncio.create_task(world.near.request("rc.v1.test.hang", Ask("x"), Told, timeout_s=60))
    async with within(20, "the refusal when the bus is lost"):
        await started.wait()
        await world.lose()
        with pytest.raises(RillcastError) as caught:
            await asked
    assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE


async def test_what_was_wired_during_an_outage_works_after_it(world: BusWorld) -> None:
    await world.lose()
    await world.far.serve("rc.v1.test.echo", Ask, echo)
    await world.restore()
    assert await world.near.request("rc.v1.test.echo", Ask("x"), Told) == Told("x")


async def test_the_trace_of_the_asker_reaches_the_handler(world: BusWorld) -> None:
    configure_tracing("test", "node", "0", Tracing())
    seen: list[int] = []

    async def note(request: Ask) -> Told:
        with tracer("test").start_as_current_span("inside") as span:
            seen.append(span.get_span_context().trace_id)
        return Told(request.text)

    await world.far.serve("rc.v1.test.note", Ask, note)
    with tracer("test").start_as_current_span("outside") as span:
        await world.near.request("rc.v1.test.note", Ask("x"), Told)
        assert seen == [span.get_span_context().trace_id]


async def test_a_request_of_another_version_is_refused_in_words_that_name_both(world: BusWorld) -> None:
    heard: list[Ask] = []

    async def take(request: Ask) -> Told:
        heard.append(request)
        return Told(request.text)

    await world.far.serve("rc.v1.test.versions", Ask, take)
    answer = await world.request_of_version_1("rc.v1.test.versions", b'{"stream": "as it was once"}')

    with pytest.raises(RillcastError) as caught:
        decode_answer(answer, Told)
    assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert f"speaks version {PROTOCOL_VERSION} of the protocol" in caught.value.message
    assert "the other side version 1" in caught.value.message
    assert heard == []


async def test_an_answer_of_another_version_is_refused_in_words_that_name_both(world: BusWorld) -> None:
    await world.serve_in_version_1("rc.v1.test.versions", b'{"ok": {"text": "I do not look at versions"}}')

    with pytest.raises(RillcastError) as caught:
        await world.near.request("rc.v1.test.versions", Ask("x"), Told)

    assert caught.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert f"speaks version {PROTOCOL_VERSION} of the protocol" in caught.value.message
    assert "the other side version 1" in caught.value.message


async def test_an_event_of_another_version_is_counted_and_skipped(world: BusWorld) -> None:
    heard: list[str] = []

    async def take(_subject: str, event: Told) -> None:
        heard.append(event.text)

    dropped = metrics.BUS_EVENTS_DROPPED.labels("version")
    before = dropped._value.get()
    await world.far.listen("rc.v1.test.told", Told, take)
    await world.send_raw("rc.v1.test.told", b'{"text": "once"}', protocol=1)
    await world.send_raw("rc.v1.test.told", b'{"text": "now"}')

    await eventually(lambda: heard == ["now"])
    assert dropped._value.get() == before + 1
