"""What an operator is told of media past the UDP socket, and when a node refuses to start for it."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from rillcast.media import raw
from rillcast.media.plane import Egress
from rillcast.media.protocol import EgressMode, Fallback
from rillcast.node import metrics, raw_egress
from rillcast.runtime.errors import StartError

SETTING = "RILLCAST_EDGE_EGRESS"


def opened(problem: str | None) -> object:
    return lambda workers: SimpleNamespace(problem=problem, workers=workers)


def test_nothing_is_opened_unless_it_is_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "claim", lambda _: pytest.fail("it was opened"))

    assert raw_egress.claim(EgressMode.SOCKET, 2, SETTING) is None


def test_who_must_and_can_not_is_told_the_setting_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "claim", opened("no capability"))

    with pytest.raises(StartError, match=r"^RILLCAST_EDGE_EGRESS=raw: no capability$"):
        raw_egress.claim(EgressMode.RAW, 2, SETTING)
    assert raw_egress.claim(EgressMode.AUTO, 2, SETTING) is not None


def test_a_capability_that_stays_ends_the_start_whatever_is_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(_: int) -> None:
        raise OSError("it stays")

    monkeypatch.setattr(raw, "claim", kept)
    for mode in (EgressMode.AUTO, EgressMode.RAW):
        with pytest.raises(StartError, match=f"={mode}: it stays"):
            raw_egress.claim(mode, 1, SETTING)


def test_one_line_says_what_came_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    raw_egress.tell(Egress(raw=True))
    raw_egress.tell(Egress(raw=False, why_not="no capability"))

    assert [record.getMessage() for record in caplog.records] == [
        "Media leaves past the UDP sockets",
        "Media leaves by the UDP sockets",
    ]


def test_the_help_of_the_counter_names_every_reason() -> None:
    missing = [reason for reason in Fallback if reason not in metrics.RAW_FALLBACKS._documentation]

    assert missing == []
