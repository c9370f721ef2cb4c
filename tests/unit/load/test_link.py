"""Links as a command line names them, and what is gathered of the viewers behind them."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from rillcast.cli.bench import app
from rillcast.load.classes import Classes, LinkClass, Second
from rillcast.load.link import Link, parse_limit, parse_links, parse_time_us
from rillcast.load.show import links as shown

BEGAN_US = 5_000_000


def second(viewer: int, number: int, **changes: int) -> Second:
    values = dict.fromkeys(Second.__struct_fields__, 0) | {
        "id": viewer,
        "at_us": BEGAN_US + (number + 1) * 1_000_000,
        "span_us": 1_000_000,
        "height": 360,
    }
    return Second(**(values | changes))


def gathered() -> tuple[LinkClass, ...]:
    """Two viewers at 1 Mbit/s, one without limit, two seconds."""
    classes = Classes(parse_links("1M,none"), 3)
    classes.picture(0, 4_000_000, 180)
    classes.picture(0, 6_250_000, 360)
    classes.add([second(0, -1, bytes=1)], BEGAN_US)
    for number in range(2):
        classes.add(
            [
                second(0, number, limit_bps=1_000_000, bytes=100_000, audio=50, frozen_us=250_000 * number),
                second(
                    2, number, limit_bps=1_000_000, bytes=50_000, height=180, audio=49, audio_lost=1, freezes=number
                ),
                second(1, number, bytes=400_000, height=720, video=99, video_lost=1, standing_us=300_000),
            ],
            BEGAN_US,
        )
    return classes.result(BEGAN_US, {0: 500.0, 2: 700.0})


def test_limits_and_losses_are_repeated_each_by_itself() -> None:
    links = parse_links("400k, 1.5M,none", "0,0.1", delay="0.05s", queue="200ms")
    assert [link.name for link in links] == [
        *("400k", "1.5M, 10% lost", "none", "400k, 10% lost", "1.5M", "none, 10% lost"),
    ]
    assert links[1] == Link(
        name="1.5M, 10% lost", rates=((0, 1_500_000),), delay_us=50_000, queue_us=200_000, loss=0.1, storm_per_s=0
    )


def test_a_limit_may_change_at_seconds() -> None:
    assert parse_limit("3M/700k@15/none@35.5s") == ((0, 3_000_000), (15_000, 700_000), (35_500, 0))


@pytest.mark.parametrize(
    ("limits", "losses", "delay", "named"),
    [
        ("", "0", "20ms", "limit '': '' is no bit rate"),
        ("400k,fast", "0", "20ms", "limit 'fast': 'fast' is no bit rate; 400k, 1.5M and none are"),
        ("-1M", "0", "20ms", "'-1M' is no bit rate"),
        ("5k", "0", "20ms", "5000 bit/s is not between 10000"),
        ("3M/700k", "0", "20ms", "'700k' has no second"),
        ("3M/700k@20/3M@10", "0", "20ms", "second 10 does not come after"),
        ("1M", "10%", "20ms", "loss '10%' is not between 0 and 1"),
        ("1M", "1.5", "20ms", "loss '1.5'"),
        ("1M", "0", "20", "time '20' is not like 20ms"),
        ("1M", "0", "11s", "at most 10s"),
        (",".join(["1M"] * 11), ",".join(["0"] * 10), "20ms", "make 110 links; 100 are possible"),
    ],
)
def test_nonsense_is_refused_by_name(limits: str, losses: str, delay: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        parse_links(limits, losses, delay)


def test_times_are_microseconds() -> None:
    assert (parse_time_us("20ms"), parse_time_us("0.3s"), parse_time_us("0ms")) == (20_000, 300_000, 0)


def words(output: str) -> str:
    """Without the frame around them."""
    return " ".join(output.replace("│", " ").split())


def test_the_command_line_refuses_with_a_sentence() -> None:
    runner = CliRunner()
    bad = runner.invoke(app, ["viewers", "http://192.0.2.1/live/whep/s", "--limit", "400k,quick"])
    assert bad.exit_code == 2
    assert "'quick' is no bit rate" in words(bad.output)
    both = runner.invoke(app, ["viewers", "http://192.0.2.1/live/whep/s", "--limit", "1M", "--drop", "0.1"])
    assert "--link-loss loses some" in words(both.output)
    without = runner.invoke(app, ["viewers", "http://192.0.2.1/live/whep/s", "--link-loss", "0.1"])
    assert without.exit_code == 2
    assert "need --limit" in words(without.output)


def test_classes_are_sums_and_means_of_their_viewers() -> None:
    limited, free = gathered()
    assert (limited.name, limited.viewers, limited.limit_bps) == ("1M", 2, 1_000_000)
    assert (limited.received_bps, limited.used) == (600_000, 0.6)
    assert (limited.first_picture_s, limited.first_picture_s_most, limited.without_picture) == (0.6, 0.7, 0)
    assert (free.first_picture_s, free.without_picture) == (0.0, 1)
    assert limited.heights == {"360": 0.5, "180": 0.5}
    assert (limited.freezes, limited.frozen_s, limited.frozen_s_most) == (0.5, 0.125, 0.25)
    assert (limited.audio, limited.audio_lost, limited.audio_lost_share) == (198, 2, 0.01)
    assert limited.pictures == (((0.0, 180), (1.25, 360)), ((0.0, 0),))
    assert [(m.second, m.viewers, m.heights) for m in limited.over_time] == [
        (0, 2, {"360": 1, "180": 1}),
        (1, 2, {"360": 1, "180": 1}),
    ]
    assert (free.used, free.limit_bps, free.video_lost) == (0.0, 0, 2)
    assert free.frozen_s == 0.3, "the freeze that the end cut off counts once"


def test_the_table_fits_eighty_columns() -> None:
    out = io.StringIO()
    long = msgspec.structs.replace(gathered()[0], name="1.5M/700k@15/none@35", switches=10.5, freezes=10.5)
    Console(file=out, width=80).print(shown([*gathered(), long]))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "360p 50%" in text
