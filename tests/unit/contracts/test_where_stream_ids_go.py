"""Stream ids may begin with ``.``, ``-`` and ``_`` (decision 0130). So each place where one stands is safe for them."""

from __future__ import annotations

import inspect
import logging
from io import StringIO
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from rillcast.cli.bench import app as bench
from rillcast.cli.commands.streams import LIVE_COLUMNS, live_cells
from rillcast.cli.fitting_table import FittingTable
from rillcast.contracts import subjects
from rillcast.contracts.ids import LADDER, AppName, NodeId, SessionId, StreamId, is_stream_id, job_key, stream_key
from rillcast.contracts.status import StreamStatus
from rillcast.load.run import Plan
from rillcast.media.sdp import SentStream, answer_play
from rillcast.runtime.telemetry.logs import Logger, configure_logging
from services.signaling.core.usecases.subscriber_store import subscriber_key
from services.signaling.whip.domain.resource_url import Resource, ResourceSigner
from tests.unit.contracts.odd_stream_ids import ODD
from tests.unit.media.sdp_samples import LOCAL, audio, vector, video

LIVE, NODE = AppName("live"), NodeId("origin-1")
odd = pytest.mark.parametrize("stream", ODD)


@odd
def test_it_is_a_stream_id(stream: str) -> None:
    assert is_stream_id(stream)


def test_no_two_of_them_have_one_key_and_none_is_a_pattern_of_subjects() -> None:
    keys = [stream_key(LIVE, StreamId(stream)) for stream in ODD]
    keys += [job_key(key, LADDER) for key in keys]
    keys += [subscriber_key(LIVE, StreamId(stream), "alice") for stream in ODD]

    assert len(set(keys)) == len(keys)
    for key in keys:
        tokens = f"$KV.bucket.{key}".split(".")
        assert len(tokens) == 3, "a dot would be one more level, for which another node may have a permission"
        assert not {"", "*", ">"} & set(tokens)


def test_no_subject_between_nodes_is_made_of_a_stream_id() -> None:
    made = [function for _, function in inspect.getmembers(subjects, inspect.isfunction)]
    named = {name for function in made for name in inspect.signature(function).parameters}

    assert made
    assert not named & {"app", "stream", "stream_id", "key"}


@odd
def test_as_the_last_step_of_a_path_it_stays_what_it_is(stream: str) -> None:
    url = f"http://h/live/whip/{stream}"

    assert urljoin("http://h/live/whip/", stream) == url
    assert urlsplit(url).path == httpx.URL(url).path == f"/live/whip/{stream}"
    assert urljoin(url, f"/live/whip/{stream}/name") == f"{url}/name"


@odd
def test_the_name_of_a_resource_does_not_hold_it_in_the_clear(stream: str) -> None:
    signer = ResourceSigner(b"k" * 32)
    resource = Resource(role="whip", app=LIVE, stream=StreamId(stream), session=SessionId("s"), node=NODE)
    name = signer.name(resource)

    assert signer.read(name, "whip", "live", stream) == resource
    assert not any(signer.read(name, "whip", "live", other) for other in ODD if other != stream)
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert not name.startswith((".", "-"))


@odd
def test_in_a_description_it_is_one_word(stream: str) -> None:
    answer = answer_play(vector("chromium-156-play"), [SentStream(stream, [video("VP8"), audio()])], LOCAL).sdp

    assert answer is not None
    said = [line.split(" ") for line in answer.splitlines() if line.startswith("a=msid:")]
    assert [words[0] for words in said] == [f"a=msid:{stream}"] * 2
    assert {len(words) for words in said} == {2}


@odd
@pytest.mark.parametrize("spelling", ["--stream {}", "--stream={}"])
def test_as_an_argument_it_is_a_value_and_no_option(
    monkeypatch: pytest.MonkeyPatch, stream: str, spelling: str
) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr("rillcast.cli.bench._measure", lambda plan, **_: plans.append(plan))

    for command in (["publish", "http://h/live/whip/"], ["viewers", "ws://h/live/websocket"]):
        done = CliRunner().invoke(bench, [*command, *spelling.format(stream).split(" ")])
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(bench, ["publish", f"http://h/live/whip/{stream}"])

    assert done.exit_code == 0, done.output
    assert [plan.stream for plan in plans] == [stream] * 3


@odd
def test_in_a_line_of_the_log_it_is_one_field(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    written = StringIO()
    monkeypatch.setattr("sys.stderr", written)
    try:
        configure_logging("info", "text", "n")
        Logger("test").info("A sentence", stream=stream, then=1)
    finally:
        root.handlers[:] = before
        root.setLevel(level)

    assert written.getvalue().rstrip("\n").split("  ")[-2:] == [f"stream={stream}", "then=1"]


@odd
def test_in_the_table_of_streams_it_is_text(stream: str) -> None:
    live = StreamStatus(
        app=LIVE, stream=StreamId(stream), origin=NODE, epoch=1, viewers=0, media_flowing=True, started_at_ms=0
    )
    console = Console(width=400, file=StringIO())
    console.print(FittingTable("", LIVE_COLUMNS, [live_cells(live)]))

    assert isinstance(console.file, StringIO)
    assert f"live/{stream}" in console.file.getvalue()
