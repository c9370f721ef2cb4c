"""What people are shown of a measurement: one line, two tables, and a sentence for whatever the tables don't hold."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from rillcast.load.classes import Classes
from rillcast.load.link import Link
from rillcast.load.run import Latency, Quantiles, Report, Result, quantiles
from rillcast.load.show import line, links, notes, table

NONE = quantiles([])
RESULT = Result(
    count=3,
    connected=2,
    failures={},
    joins_per_s=12.5,
    signalled_ms=NONE,
    connected_ms=NONE,
    first_packet_ms=NONE,
    first_keyframe_ms=NONE,
    negotiated={},
    joining=Report(),
    steady=Report(),
)
SECOND = Report(wall_us=1_000_000)


def shown(made: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(made)
    return out.getvalue()


def test_the_running_line_shows_what_is_received_or_else_what_is_sent() -> None:
    viewing = msgspec.structs.replace(SECOND, bytes=250_000, sent_bytes=125_000)
    publishing = msgspec.structs.replace(SECOND, sent_bytes=125_000)
    assert "2 Mbit/s" in line("steady", 1, viewing)
    assert "1 Mbit/s" in line("steady", 1, publishing)


def test_the_running_line_shows_how_busy_the_generator_is() -> None:
    report = msgspec.structs.replace(SECOND, cpu_us=250_000, longest_gap_us=41_600)
    assert line("joining", 4, report) == (
        "joining: 4 begun · 0 connected · 0 Mbit/s · 0 lost · longest gap 42 ms · generator 25% busy"
    )


def test_a_run_that_has_just_begun_can_be_shown() -> None:
    assert "0% busy" in line("joining", 0, Report())


def test_the_table_leaves_out_what_nobody_reached() -> None:
    text = shown(table(RESULT))
    assert "2 of 3 connected, 12.5 joins/s" in " ".join(text.split())
    assert "answered" not in text and "publisher" not in text


def test_the_table_has_a_row_for_each_step_of_a_join() -> None:
    reached = msgspec.structs.replace(
        RESULT,
        connected_ms=Quantiles(2, 1.4, 2.0, 3.0, 1234.0),
        steady=Report(latency=Latency(count=1, p50_us=1_500, max_us=20_000)),
    )
    rows = shown(table(reached)).replace("│", "").splitlines()
    connected = next(row for row in rows if "connected, ms" in row)
    assert connected.split()[-4:] == ["1", "2", "3", "1,234"]
    latency = next(row for row in rows if "viewer, ms" in row)
    assert latency.split()[-4:] == ["1.50", "0.00", "0.00", "20.00"]


def test_links_are_shown_with_their_three_most_seen_heights() -> None:
    made = msgspec.structs.replace(
        Classes([Link(name="700k/1M@5")], 4).result(0, {})[0],
        heights={"1080": 0.1, "720": 0.2, "360": 0.4, "0": 0.3},
        video=75,
        video_lost=25,
        audio=90,
        audio_lost=10,
        frozen_s=1.25,
    )
    text = shown(links([made]))
    assert "360p 40%" in text and "none 30%" in text and "720p 20%" in text and "1080p" not in text
    assert "25.0%" in text and "10.0%" in text and "1.2 s" in text
    assert "–" in text, "a link without a limit has no share of it"
    assert "700k" in text and "1M@5" in text and max(map(len, text.splitlines())) <= 80


def test_notes_of_a_viewers_run_name_rates_losses_and_decryption() -> None:
    steady = msgspec.structs.replace(
        SECOND, packets=2_000, bytes=250_000, lost=3, repaired=2, duplicates=1, decrypted=9, bad_decrypts=4
    )
    first, second, *_ = notes(msgspec.structs.replace(RESULT, steady=steady))
    assert first == "received 2,000 packets/s, 2.0 Mbit/s; lost 3, repaired 2, twice 1"
    assert second.startswith("9 decrypted, 4 of them wrong")


def test_notes_of_a_publishers_run_name_what_was_sent() -> None:
    steady = msgspec.structs.replace(SECOND, sent_packets=500, sent_bytes=125_000)
    assert notes(msgspec.structs.replace(RESULT, steady=steady))[0] == "sent 500 packets/s, 1.0 Mbit/s"


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("negotiated", "2 × why"),
        ("failures", "failed: 2 × why"),
        ("ended", "sent away by the server: 2 × why"),
    ],
)
def test_notes_count_what_happened(field: str, sentence: str) -> None:
    assert sentence in notes(msgspec.structs.replace(RESULT, **{field: {"why": 2}}))


def test_a_limit_of_the_generator_is_said_once_for_both_phases() -> None:
    limited = Report(socket_drops=7)
    told = notes(msgspec.structs.replace(RESULT, joining=limited, steady=limited))
    assert told.count("the generator was at its limit: its socket dropped 7 packets") == 1
