"""The codec switches of an app: what they say of new sessions, and that living ones keep what they were given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.ids import AppName
from rillcast.contracts.messages import PublishRequest
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import EndReason, NodeKind, SessionState
from services.signaling.core.domain.app_catalog import changed_settings
from services.signaling.core.domain.codec_switches import SWITCHES, CodecRule, codec_rule
from services.signaling.rest.domain.settings_shapes import all_shown, shown
from tests.unit.signaling.fake_nodes import ANSWER, LIVE, OFFER, FakeMediaNode
from tests.unit.signaling.signaling_harness import Cluster, cluster
from tests.unit.signaling.two_instances import Pair, pair

SETTINGS = "/rest/v2/applications/settings/live"
SDP = {"Content-Type": "application/sdp"}
APP = AppSettings(app_name=AppName("live"))
ALL = tuple(SWITCHES)
VP8_ONLY = {"h264Enabled": False, "vp8Enabled": True}
OFF_BY_DEFAULT = ["vp8Enabled", "av1Enabled", "h265Enabled"]


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


def posted(current: AppSettings = APP, /, **values: Any) -> AppSettings:
    return changed_settings(current, Patch.parse(msgspec.json.encode(values)), {})


def as_read(settings: AppSettings) -> dict[str, Any]:
    """The body that GET answers."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown(settings)))
    return found


# ---- the rule


@pytest.mark.parametrize(
    ("values", "off", "preferred"),
    [
        ({}, (), ("H264",)),
        ({"vp8Enabled": True}, (), ("H264", "VP8")),
        (VP8_ONLY, ("H264",), ("VP8",)),
        ({"vp8Enabled": False}, ("VP8",), ("H264",)),
        ({"h264Enabled": False, "av1Enabled": True, "vp8Enabled": False}, ("H264", "VP8"), ("AV1",)),
        ({"vp9Enabled": True, "h265Enabled": True}, (), ("H264", "VP9", "H265")),
        ({"vp9Enabled": False, "av1Enabled": "false"}, ("VP9", "AV1"), ("H264",)),
        ({"h264Enabled": False}, ALL, ()),
        ({"h264Enabled": False, "vp8Enabled": False}, ALL, ()),
        ({"strictCodecs": ["VP8", "H265"]}, ("VP8", "H265"), ("H264",)),
        ({"strictCodecs": ["VP8"], "vp8Enabled": True}, (), ("H264", "VP8")),
        ({"strictCodecs": [], "vp8Enabled": False}, (), ("H264",)),
    ],
)
def test_what_was_posted_says_what_is_off_and_what_is_sent_first(
    values: dict[str, Any], off: tuple[str, ...], preferred: tuple[str, ...]
) -> None:
    assert codec_rule(posted(**values)) == CodecRule(off=off, preferred=preferred)


@pytest.mark.parametrize("key", OFF_BY_DEFAULT)
def test_false_counts_once_it_was_said_and_not_because_it_is_the_default(key: str) -> None:
    codec = key.removesuffix("Enabled").upper()
    assert codec not in codec_rule(APP).off
    for said in (posted(**{key: False}), posted(posted(**{key: True}), **{key: False})):
        assert codec_rule(said).off == (codec,)
        assert as_read(said)[key] is False
        assert codec_rule(posted(said, **{key: True})).off == ()
        assert codec_rule(posted(said, strictCodecs=[])).off == (), "that is the way back"
        assert posted(said, webRTCViewerLimit=5).strict_codecs == (codec,)


def test_a_body_that_was_read_and_is_posted_back_says_only_what_was_changed_in_it() -> None:
    assert posted(**as_read(APP)).strict_codecs == ()
    both = posted(vp8Enabled=True)
    assert posted(both, **as_read(both) | {"vp8Enabled": False}).strict_codecs == ("VP8",)
    strict = posted(av1Enabled=False)
    assert posted(strict, **msgspec.json.decode(msgspec.json.encode(all_shown(strict)))) == strict


def test_a_codec_that_has_no_such_switch_is_refused_by_its_name() -> None:
    for unknown in ("H264", "vp8", "H266"):
        with pytest.raises(PatchRefused, match=f"'{unknown}'.*strictCodecs"):
            posted(strictCodecs=[unknown])


def test_what_an_older_version_has_kept_of_a_switch_that_acts_now_is_neither_shown_nor_kept() -> None:
    old = msgspec.structs.replace(APP, kept={"av1Enabled": "true", "hlsTime": '"4"'})
    assert as_read(old)["av1Enabled"] is False
    assert posted(old, webRTCViewerLimit=1).kept == {"hlsTime": '"4"'}


# ---- new sessions


async def settings_are(c: Cluster, **settings: object) -> None:
    async with c.http() as http:
        answer = await http.post(SETTINGS, json=settings)
    assert answer.json()["success"], answer.text
    await c.sees(lambda: posted(c.settings_of(LIVE), **settings) == c.settings_of(LIVE))


def rule_of(request: PublishRequest) -> CodecRule:
    return CodecRule(off=request.codecs_off, preferred=request.preferred_codecs)


async def whip(c: Cluster, kind: str = "whip") -> None:
    async with c.http() as http:
        assert (await http.post(f"/live/{kind}/s1", content=OFFER, headers=SDP)).status_code == 201


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({}, CodecRule(preferred=("H264",))),
        (VP8_ONLY, CodecRule(off=("H264",), preferred=("VP8",))),
        ({"h264Enabled": False, "vp8Enabled": False}, CodecRule(off=ALL)),
    ],
)
async def test_the_order_of_the_switches_counts_on_a_socket_and_that_of_the_offer_by_whip(
    c: Cluster, settings: dict[str, bool], rule: CodecRule
) -> None:
    if settings:
        await settings_are(c, **settings)
    async with c.client() as client:
        await client.publish(c)
    await whip(c)

    on_socket, by_whip = c.origin.published
    assert rule_of(on_socket) == rule
    assert rule_of(by_whip) == CodecRule(off=rule.off)


async def test_viewers_are_not_offered_what_is_off(c: Cluster) -> None:
    await settings_are(c, vp8Enabled=False)
    await c.go_live()
    async with c.client() as client:
        await client.play(c)
    await whip(c, "whep")

    assert [request.subscriptions[0].codecs_off for request in c.played] == [("VP8",)] * 2


async def test_a_setting_holds_at_every_instance_for_whoever_comes_next() -> None:
    async with pair() as two:
        async with two.at(1) as http:
            assert (await http.post(SETTINGS, json=VP8_ONLY)).json()["success"]
        await two.sees(lambda: not _settings(two).h264_enabled)
        assert (await two.whip(2)).status_code == 201
        assert two.origin.published[-1].codecs_off == ("H264",)


def _settings(two: Pair) -> AppSettings:
    settings = two.other.core.apps.settings(LIVE)
    assert settings is not None
    return settings


# ---- living sessions


async def test_a_publisher_that_moves_keeps_its_rule_though_the_setting_has_changed(c: Cluster) -> None:
    other = FakeMediaNode("origin-2", NodeKind.ORIGIN, c.broker)
    await other.start()
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        await settings_are(c, **VP8_ONLY)
        c.report(other)
        c.report(c.origin, draining=True)
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)
        await client.receive()

        (asked,) = other.moved_in
        assert rule_of(asked) == rule_of(c.origin.published[0]) == CodecRule(preferred=("H264",))
    async with c.client() as later:
        await later.publish(c, "s2")
    assert rule_of([*c.origin.published, *other.published][-1]).preferred == ("VP8",)


async def test_so_does_a_publisher_that_begins_anew_on_its_socket(c: Cluster) -> None:
    async with c.client() as client:
        await client.ask("publish", streamId="s1")
        first = OFFER + "a=fingerprint:sha-256 AA\r\n"
        assert (await client.ask("takeConfiguration", streamId="s1", type="offer", sdp=first))["type"] == "answer"
        await settings_are(c, **VP8_ONLY)
        again = first.replace("AA", "BB")
        assert (await client.ask("takeConfiguration", streamId="s1", type="offer", sdp=again))["type"] == "answer"

    assert [request.sdp_offer for request in c.origin.published] == [first, again]
    assert [rule_of(request).preferred for request in c.origin.published] == [("H264",)] * 2


async def test_a_viewer_that_moves_is_offered_what_it_has_though_that_is_off_by_then(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        edge, session = await client.play(c)
        await settings_are(c, **VP8_ONLY)
        c.report(edge, draining=True)
        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)
        assert (await client.receive())["type"] == "offer"

        other = next(another for another in c.edges if another is not edge)
        assert other.played[0].subscriptions[0].codecs_off == ()
        await client.send("takeConfiguration", streamId="s1", type="answer", sdp=ANSWER)
        await c.sees(lambda: other.answers)
