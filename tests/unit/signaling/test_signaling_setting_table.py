"""Ant Media's settings of an app: each of them acts, is stored, or is refused, with its default, a wrong type and other
values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.app_catalog import changed_settings
from services.signaling.core.domain.protection import HIDDEN, ProtectionRefused
from services.signaling.core.domain.setting_table import (
    BOOKKEEPING,
    CUSTOM,
    OWN,
    SETTINGS,
    Effect,
    Kind,
    Setting,
)
from services.signaling.core.domain.setting_values import SettingsRefused, WrongType
from services.signaling.rest.domain.settings_shapes import all_shown, shown

APP = AppSettings(app_name=AppName("live"))
VECTOR = Path(__file__).parents[2] / "vectors" / "antmedia" / "app_settings.json"
THEIRS: dict[str, Any] = json.loads(VECTOR.read_text())
OTHER_DEFAULTS = {"ipFilterEnabled", "clusterCommunicationKey", "subscriberAuthenticationKey", "stunServerURI"}
"""Decisions 0154 and 0194 say why."""
OTHERS: dict[Kind, Any] = {
    Kind.BOOLEAN: None,
    Kind.INTEGER: 7,
    Kind.NUMBER: 7.5,
    Kind.TEXT: "9",
    Kind.LIST: [],
    Kind.OBJECT: {"a": [1, {"b": None}]},
}
STRICT_WHEN_POSTED = {"vp8Enabled", "av1Enabled", "h265Enabled"}
"""False is their default, and says more when it is posted (decision 0168)."""
SECRET = "s" * 32
RUNG = {"height": 480, "videoBitrate": 300_000, "audioBitrate": 96_000} | {
    "forceEncode": True,
    "forceSameResolutionEncode": False,
}
SENSIBLE: dict[str, Any] = {
    "allowedPublisherCIDR": "10.0.0.0/8, 2001:db8::/32",
    "encoderSettings": [RUNG],
    "encoderSettingsString": msgspec.json.encode([RUNG]).decode(),
    "jwksURL": "https://id.example/keys",
    "listenerHookURL": "https://tv.example/hook",
    "remoteAllowedCIDR": "10.0.0.0/8",
    "stunServerURI": "stun:stun.example",
    "timeTokenPeriod": 30,
    "webRTCClientStartTimeoutMs": 5_000,
    "webhookAuthenticateURL": "https://tv.example/publish",
    "webhookContentType": "application/x-www-form-urlencoded",
    "webhookPlayAuthUrl": "https://tv.example/play",
}
"""Values that are possible, of keys that do not take any."""
NEEDS: dict[str, dict[str, Any]] = {
    "hashControlPlayEnabled": {"tokenHashSecret": SECRET},
    "hashControlPublishEnabled": {"tokenHashSecret": SECRET},
    "jwtControlEnabled": {"jwtSecretKey": SECRET},
    "playJwtControlEnabled": {"jwtStreamSecretKey": SECRET},
    "publishJwtControlEnabled": {"jwtStreamSecretKey": SECRET},
}
"""What has to be set with a key."""
WRONG: dict[Kind, tuple[Any, ...]] = {
    Kind.BOOLEAN: ("maybe", "", [], {}, 3.5, None),
    Kind.INTEGER: ("many", "", [], {}, True, None, 10**30),
    Kind.NUMBER: ("much", "", [], {}, True, None),
    Kind.TEXT: ([], {}, ["a"]),
    Kind.LIST: ("a", {}, 1, True),
    Kind.OBJECT: ("a", [], 1, True),
}
each = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)


def of(effect: Effect) -> pytest.MarkDecorator:
    found = [setting for setting in SETTINGS.values() if setting.effect is effect]
    return pytest.mark.parametrize("setting", found, ids=[setting.key for setting in found])


def posted(current: AppSettings = APP, /, **values: Any) -> AppSettings:
    return changed_settings(current, Patch.parse(msgspec.json.encode(values)), {})


def read(settings: AppSettings) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(msgspec.json.encode(shown(settings)))
    return found


def other(setting: Setting) -> Any:
    """A value of the right type that is not the default."""
    return not setting.default if setting.kind is Kind.BOOLEAN else OTHERS[setting.kind]


def test_the_settings_are_those_of_ant_media_with_its_defaults() -> None:
    assert read(APP).keys() == THEIRS.keys()
    unlike = {key for key, value in read(APP).items() if value != THEIRS[key] or type(value) is not type(THEIRS[key])}
    assert unlike == OTHER_DEFAULTS | {"appName"}


def test_every_field_of_the_record_is_ant_medias_or_ours_and_every_key_stands_once_in_the_table() -> None:
    fields = {field.name for field in msgspec.structs.fields(AppSettings)}
    acting = {setting.field for setting in SETTINGS.values() if setting.field}
    names = {field.encode_name for field in msgspec.structs.fields(AppSettings) if field.name in acting}
    assert acting | OWN | BOOKKEEPING == fields
    assert not names & {setting.key for setting in SETTINGS.values() if setting.effect is not Effect.ACTS}
    assert (
        not {setting.key for setting in SETTINGS.values() if setting.effect is Effect.ACTS}
        - names
        - {
            "stunServerURI",
            "encoderSettingsString",
        }
    )
    assert len(SETTINGS) == len(THEIRS)


def test_every_setting_that_is_stored_or_refused_says_why() -> None:
    silent = [one.key for one in SETTINGS.values() if one.effect in (Effect.STORED, Effect.REFUSED) and not one.why]
    assert silent == []


def test_what_was_read_can_be_posted_back_whole_and_changes_nothing() -> None:
    before = posted(
        encoderSettings=[{"height": 360, "videoBitrate": 500_000}],
        tokenHashSecret=SECRET,
        s3SecretKey="somebody else's",
        customSettings={"a": 1},
        hlsTime="4",
        backupStreamId="other",
    )
    assert posted(before, **read(before)) == before
    assert posted(before, **json.loads(msgspec.json.encode(all_shown(before)))) == before


def test_the_settings_of_a_fresh_ant_media_server_are_taken_whole_but_for_its_address_filter() -> None:
    taken = posted(**THEIRS)
    assert taken.ip_filter_enabled, "it acts here: nobody runs an open server who thinks otherwise"
    assert {key for key, value in read(taken).items() if value != THEIRS[key]} == {
        "appName",
        "clusterCommunicationKey",
        "subscriberAuthenticationKey",
    }


@each
def test_a_default_is_taken(setting: Setting) -> None:
    said = posted(**{setting.key: setting.default})
    assert msgspec.structs.replace(said, strict_codecs=()) == APP
    assert bool(said.strict_codecs) == (setting.key in STRICT_WHEN_POSTED)


@each
def test_a_value_of_another_type_is_refused_and_its_key_named(setting: Setting) -> None:
    for value in WRONG[setting.kind]:
        if value is None and setting.nullable:
            continue
        with pytest.raises(WrongType, match=f"^{setting.key}: it is {setting.kind}, not "):
            posted(**{setting.key: value})


@of(Effect.STORED)
def test_what_is_stored_is_given_back_and_nothing_else_is_changed(setting: Setting) -> None:
    value = other(setting)
    after = posted(**{setting.key: value})
    assert msgspec.structs.replace(after, kept={}) == APP
    assert read(after)[setting.key] == (HIDDEN if setting.secret else value)
    assert posted(after, **{setting.key: HIDDEN if setting.secret else value}) == after
    assert posted(after, **{setting.key: setting.default}) == APP, "a default is not stored"


@of(Effect.REFUSED)
def test_what_this_build_cannot_do_is_refused_with_the_reason(setting: Setting) -> None:
    with pytest.raises(SettingsRefused) as refused:
        posted(**{setting.key: other(setting)})
    assert str(refused.value) == f"{setting.key}: {setting.why}"


@of(Effect.TOLD)
def test_what_the_server_says_is_not_changed_by_clients(setting: Setting) -> None:
    assert posted(**{setting.key: other(setting)}) == APP


@of(Effect.ACTS)
def test_what_acts_is_in_force_when_it_was_posted(setting: Setting) -> None:
    value = SECRET if setting.secret else SENSIBLE.get(setting.key, other(setting))
    after = posted(**NEEDS.get(setting.key, {}), **{setting.key: value})
    assert read(after)[setting.key] == (HIDDEN if setting.secret else value)
    if setting.field:
        assert json.loads(msgspec.json.encode(getattr(after, setting.field))) == value


def test_all_keys_that_are_refused_are_named_and_nothing_is_half_done() -> None:
    refused = {one.key: other(one) for one in SETTINGS.values() if one.effect is Effect.REFUSED}
    with pytest.raises(SettingsRefused) as caught:
        posted(webRTCViewerLimit=5, playTokenSecrets="x", **refused)
    assert not [key for key in (*refused, "playTokenSecrets") if key not in str(caught.value)]


@pytest.mark.parametrize(
    ("key", "value", "taken"),
    [
        ("hlsMuxingEnabled", "false", False),
        ("h264Enabled", "False", False),
        ("webRTCViewerLimit", "5", 5),
        ("webRTCViewerLimit", 1.7, 1),
        ("abrDownScalePacketLostRatio", "2.5", 2.5),
        ("abrUpScaleRTTMs", 200, 200),
        ("turnServerUsername", 5, "5"),
        ("turnServerUsername", None, ""),
        ("timeTokenSecretForPlay", None, None),
        ("encoderSettings", None, []),
        ("customSettings", None, {}),
        ("hlsTime", "0.5", "1"),
        ("hlsListSize", 3, "5"),
        ("hlsListSize", "20", "20"),
    ],
)
def test_values_are_read_as_ant_media_reads_them(key: str, value: Any, taken: Any) -> None:
    assert read(posted(**{key: value}))[key] == taken


def test_a_ladder_may_be_written_as_text_and_is_shown_in_both_forms() -> None:
    rung = {key: RUNG[key] for key in ("height", "videoBitrate", "audioBitrate")}
    by_turns = posted(encoderSettingsString="480,300000,96000")
    as_json = posted(encoderSettingsString=json.dumps([rung]))
    assert by_turns == as_json == posted(encoderSettings=[rung])
    assert read(by_turns)["encoderSettings"] == json.loads(read(by_turns)["encoderSettingsString"]) == [RUNG]
    assert posted(by_turns, encoderSettingsString="").encoder_settings == ()
    assert posted(by_turns, **read(by_turns) | {"encoderSettings": []}).encoder_settings == ()
    assert posted(by_turns, **read(by_turns) | {"encoderSettingsString": "[]"}).encoder_settings == ()
    with pytest.raises(SettingsRefused, match="say different things"):
        posted(encoderSettingsString="480,300000,96000", encoderSettings=[rung | {"height": 360}])


@pytest.mark.parametrize("text", ["480", "480,a,1", "[", "[1]", '[{"height":"tall"}]', "[" * 100_000])
def test_a_ladder_that_is_no_text_of_one_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(SettingsRefused, match="encoderSettingsString: "):
        posted(encoderSettingsString=text)


@pytest.mark.parametrize("rung", [{}, {"height": 0}, {"height": 480}, {"height": 480, "videoBitrate": 5}])
def test_a_rung_that_is_impossible_is_refused(rung: dict[str, int]) -> None:
    with pytest.raises(LadderRefused, match="encoderSettings"):
        posted(encoderSettings=[rung])


def test_what_is_kept_has_a_limit() -> None:
    assert read(posted(customSettings={"a": "x" * 16_000}))[CUSTOM]["a"] == "x" * 16_000
    for key, value in ((CUSTOM, {"a": "x" * 17_000}), ("s3BucketName", "x" * 3_000)):
        with pytest.raises(SettingsRefused, match=key):
            posted(**{key: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*SETTINGS, *(field.encode_name for field in msgspec.structs.fields(AppSettings)), "unknown"])
NEARLY = st.sampled_from([*(setting.default for setting in SETTINGS.values()), "true", "1", 5, "x" * 32, HIDDEN])


@given(body=st.dictionaries(KEYS, st.one_of(NEARLY, JSON), max_size=12))
def test_whatever_is_posted_is_taken_whole_or_refused_and_what_protects_is_as_it_was_posted(
    body: dict[str, Any],
) -> None:
    try:
        after = posted(**body)
    except (WrongType, PatchRefused, LadderRefused, ProtectionRefused):
        return
    assert msgspec.json.decode(msgspec.json.encode(after), type=AppSettings) == after
    assert posted(after, **read(after)) == after
    for key, value in body.items():
        setting = SETTINGS.get(key)
        if setting is not None and setting.kind is Kind.BOOLEAN and setting.effect is not Effect.TOLD:
            assert read(after)[key] is (value if isinstance(value, bool) else str(value).strip().lower() == "true")
