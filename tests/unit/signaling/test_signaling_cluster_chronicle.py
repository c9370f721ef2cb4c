"""What is noted of streams and nodes."""

from __future__ import annotations

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.event_records import EventKind
from rillcast.contracts.messages import DrainProgress, NodeReport
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.words import DrainPhase
from services.signaling.core.usecases.cluster_chronicle import FRESH_S, NodeChronicle, StreamChronicle
from tests.unit.signaling.test_signaling_join_chronicle import EDGE, LIVE, ORIGIN, TALK, TWO, Site, info, report


def live(epoch: int, started_s: float, *, flows: bool = True) -> LiveStream:
    record = StreamRecord(
        app=LIVE,
        stream=TALK,
        owner=ORIGIN,
        publisher_session=TWO,
        tracks=(),
        media_flowing=flows,
        started_at_ms=int(started_s * 1_000),
    )
    return LiveStream("live/talk", record, Epoch(epoch), (), ())


def test_a_stream_is_noted_once_when_its_media_flows_and_once_when_it_is_over() -> None:
    site = Site()
    streams = StreamChronicle(site, site, site, lambda: site.now_s)
    for now in (live(1, 0, flows=False), live(1, 1_000), live(1, 1_000), live(2, 1_000), None, None):
        if now is None:
            site.live.clear()
        else:
            site.live["live/talk"] = now
        streams.changed("live/talk")

    assert site.kinds == [EventKind.STREAM_STARTED, EventKind.STREAM_ENDED]
    assert [name.split("/")[:4] for _, name in site.noted] == [
        ["stream.started", "live", "talk", "1"],
        ["stream.ended", "live", "talk", "2"],
    ]


def test_a_stream_that_was_there_before_this_process_did_not_start_now_and_its_end_is_told() -> None:
    site = Site()
    streams = StreamChronicle(site, site, site, lambda: site.now_s)
    site.live["live/talk"] = live(1, site.now_s - FRESH_S - 1)
    streams.changed("live/talk")
    assert site.noted == []

    site.live.clear()
    streams.changed("live/talk")
    assert site.kinds == [EventKind.STREAM_ENDED]


def drains(phase: DrainPhase) -> NodeReport:
    return report(EDGE, drain=DrainProgress(phase=phase), up_s=100.0)


def test_nodes_are_noted_when_they_come_drain_and_go() -> None:
    site = Site()
    nodes = NodeChronicle(site, lambda _: True, lambda: site.now_s)
    nodes.heard(report(EDGE, up_s=1.0))
    nodes.heard(report(EDGE, up_s=2.0))
    for phase in (DrainPhase.DRAINING, DrainPhase.DRAINING, DrainPhase.CUT, DrainPhase.CUT):
        nodes.heard(drains(phase))
    nodes.gone(report(EDGE))
    nodes.gone(report(EDGE))

    assert site.kinds == [
        EventKind.NODE_JOINED,
        EventKind.NODE_DRAINING,
        EventKind.NODE_DRAINED,
        EventKind.NODE_LEFT,
    ]
    assert [event.why for event, _ in site.noted] == ["", "", "cut", ""]


def test_a_node_that_was_there_before_did_not_join_and_a_new_process_under_its_id_did() -> None:
    site = Site()
    nodes = NodeChronicle(site, lambda _: False, lambda: site.now_s)
    nodes.heard(report(EDGE, up_s=100.0))
    assert site.noted == []

    nodes.heard(report(EDGE, info=info(EDGE, "y"), up_s=0.5))
    nodes.gone(report(EDGE, info=info(EDGE, "y")))

    assert site.kinds == [EventKind.NODE_JOINED, EventKind.NODE_LEFT]
    assert site.noted[-1][0].why == "it is silent"
