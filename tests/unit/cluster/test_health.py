"""Who suffers, and why."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rillcast.cluster.health import (
    StreamFacts,
    Verdict,
    ViewerFigures,
    node_verdict,
    stream_verdict,
    viewer_trouble,
)
from rillcast.contracts.health import MEANINGS, Health, Trouble
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import DrainProgress, NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.words import DrainPhase, NodeKind

WELL = ViewerFigures(connected_s=60.0, media=True)
INFO = NodeInfo(node=NodeId("edge-1"), kind=NodeKind.EDGE, version="1", admin_address="a:1", incarnation="x")
READY = NodeReport(info=INFO, load=NodeLoad(), ready=True)


def test_every_trouble_has_a_sentence() -> None:
    assert set(MEANINGS) == set(Trouble)
    assert all(meaning.sentence.endswith(".") for meaning in MEANINGS.values())


def test_words_of_a_newer_version_are_read() -> None:
    assert Trouble("sunspots") is Trouble.OTHER
    assert Health("sublime") is Health.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({}, None),
        ({"media": False}, Trouble.NO_FIRST_PICTURE),
        ({"media": False, "connected_s": 1.0}, None),
        ({"stalled_s": 2.5, "loss": 0.5}, Trouble.NOTHING_SENT),
        ({"starved": True, "lower": True}, Trouble.LINK_TOO_SLOW),
        ({"lag_ms": 2_000.0}, Trouble.FAR_BEHIND),
        ({"loss": 0.06, "rtt_ms": 900.0}, Trouble.PACKET_LOSS),
        ({"loss": 0.04}, None),
        ({"rtt_ms": 450.0}, Trouble.LONG_WAY),
        ({"lower": True}, Trouble.LOWER_RENDITION),
    ],
)
def test_the_worst_that_a_viewer_has_is_named(changes: dict[str, float], trouble: Trouble | None) -> None:
    assert viewer_trouble(replace(WELL, **changes)) is trouble


@pytest.mark.parametrize(
    ("facts", "told", "verdict"),
    [
        ({}, {}, Verdict()),
        ({"owner_lost": True, "silent": True}, {}, Verdict(Health.BAD, Trouble.ORIGIN_LOST)),
        ({"media_flowing": False}, {}, Verdict(Health.STRAINED, Trouble.NO_MEDIA_YET)),
        ({"silent": True}, {Trouble.NOTHING_SENT: 9}, Verdict(Health.BAD, Trouble.PUBLISHER_SILENT)),
        ({"silent": True, "on_backup": True}, {}, Verdict(Health.STRAINED, Trouble.ON_BACKUP)),
        ({}, {Trouble.NO_KEYFRAME: 0, Trouble.PACKET_LOSS: 5}, Verdict(Health.BAD, Trouble.NO_KEYFRAME)),
        ({"viewers": 100}, {Trouble.PACKET_LOSS: 3}, Verdict(Health.STRAINED, Trouble.PACKET_LOSS)),
        ({"viewers": 100}, {Trouble.PACKET_LOSS: 8, Trouble.FAR_BEHIND: 9}, Verdict(Health.BAD, Trouble.FAR_BEHIND)),
        ({"viewers": 1}, {Trouble.LINK_TOO_SLOW: 1}, Verdict(Health.BAD, Trouble.LINK_TOO_SLOW)),
        ({"viewers": 100}, {Trouble.LOWER_RENDITION: 5}, Verdict(Health.GOOD, Trouble.LOWER_RENDITION)),
        ({"viewers": 100}, {Trouble.LOWER_RENDITION: 50}, Verdict(Health.STRAINED, Trouble.LOWER_RENDITION)),
        ({"viewers": 9}, {Trouble.ENCODER_SLOW: 0}, Verdict(Health.STRAINED, Trouble.ENCODER_SLOW)),
    ],
)
def test_a_stream_is_as_well_as_those_who_watch_it(
    facts: dict[str, bool], told: dict[Trouble, int], verdict: Verdict
) -> None:
    assert stream_verdict(replace(StreamFacts(), **facts), told) == verdict


@pytest.mark.parametrize(
    ("report", "doubt", "verdict"),
    [
        (READY, None, Verdict()),
        (READY, Trouble.NODE_FROZEN, Verdict(Health.BAD, Trouble.NODE_FROZEN)),
        (replace(READY, ready=False), None, Verdict(Health.BAD, Trouble.NODE_NOT_READY)),
        (replace(READY, ready=False, draining=True), None, Verdict(Health.STRAINED, Trouble.NODE_DRAINING)),
        (
            replace(READY, draining=True, drain=DrainProgress(phase=DrainPhase.DRAINED)),
            None,
            Verdict(Health.GOOD, Trouble.NODE_DRAINING),
        ),
        (replace(READY, load=NodeLoad(egress=0.9)), None, Verdict(Health.STRAINED, Trouble.NODE_BUSY)),
        (replace(READY, store_lost=True), None, Verdict(Health.BAD, Trouble.NODE_CUT_OFF)),
    ],
)
def test_a_node_is_judged_by_what_it_says_and_what_is_thought_of_it(
    report: NodeReport, doubt: Trouble | None, verdict: Verdict
) -> None:
    assert node_verdict(report, doubt) == verdict
