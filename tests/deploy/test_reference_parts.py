"""What the pages in docs/reference are made of: docstrings of attributes, types in words, labels out of help texts."""

from __future__ import annotations

from typing import Annotated, Literal, NewType

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from pydantic import Field

from rillcast.contracts import subjects
from rillcast.runtime.settings import MediaSettings
from scripts.reference import docstrings, markdown, messages, metrics, settings, structs
from scripts.reference.faults import Undocumented
from scripts.reference.type_words import in_python, limits_of

Name = NewType("Name", str)


class Point(msgspec.Struct, frozen=True, rename="camel"):
    """A point that only these tests use."""

    across_m: float
    """How far to the right,
    in metres."""
    label: str = "here"
    neighbours: tuple[Name, ...] = ()


class Nameless(msgspec.Struct):
    pass


def test_a_string_after_an_attribute_is_its_docstring() -> None:
    assert docstrings.of_attributes(Point) == {"across_m": "How far to the right,\nin metres."}


def test_a_string_after_a_constant_of_a_module_is_its_docstring() -> None:
    assert "StreamRecord" in docstrings.of_attributes(subjects)["BUCKET_STREAMS"]


def test_an_inherited_docstring_is_not_the_class_own() -> None:
    class Heir(Point, frozen=True):
        pass

    assert docstrings.of_class(Heir) == ""
    assert structs.undocumented([Point, Nameless]) == [f"{__name__}.Nameless has no docstring"]


def test_a_struct_is_shown_with_the_names_on_the_wire() -> None:
    assert list(structs.struct_section(Point, structs.targets_on("ids.md", ["Name"]))) == [
        "### Point",
        "A point that only these tests use.",
        "- `acrossM` (float): How far to the right, in metres.\n"
        '- `label` (str, by default `"here"`)\n'
        "- `neighbours` (tuple[[Name](ids.md#name), ...], by default `[]`)",
    ]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int | None, "int | None"),
        (tuple[Name, ...], "tuple[Name, ...]"),
        (dict[str, Point], "dict[str, Point]"),
        (Literal["a", "b"], "'a' | 'b'"),
        (Annotated[int, msgspec.Meta(ge=0, le=9)], "int from 0 to 9"),
    ],
)
def test_types_are_shown_as_they_are_written(kind: object, words: str) -> None:
    assert in_python(kind) == words


def test_limits_are_shown_in_words() -> None:
    assert limits_of(Field(ge=0, le=65_535).metadata) == "from 0 to 65 535"
    assert limits_of(Field(gt=0).metadata) == "more than 0"
    assert limits_of([]) == ""


@pytest.mark.parametrize(
    ("text", "label", "only", "values"),
    [
        ("Claims: won, lost", "outcome", True, ["won", "lost"]),
        ("Ends, by how: client, too_large.", "how", True, ["client", "too_large"]),
        ("Joins, by role (publish, play) and outcome: ok, failed", "role", False, ["publish", "play"]),
        ("Joins, by role (publish, play) and outcome: ok, failed", "outcome", False, ["ok", "failed"]),
        (
            "1 for the state: held, unconfirmed (held, no answer), refused.",
            "state",
            True,
            ["held", "unconfirmed", "refused"],
        ),
        ("Commands, by command and outcome: ok, or a code.", "outcome", False, ["ok"]),
        ("Packets through the plane", "direction", True, []),
        ("Never a list: because this is a sentence", "kind", True, []),
    ],
)
def test_the_values_of_labels_come_from_the_help_text(text: str, label: str, only: bool, values: list[str]) -> None:
    assert metrics.label_values(text, label, only) == values


def test_instruments_have_the_name_that_prometheus_shows() -> None:
    registry = CollectorRegistry()

    assert metrics.exposed_name(Counter("rillcast_x", "X", registry=registry)) == "rillcast_x_total"
    assert metrics.exposed_name(Histogram("rillcast_y", "Y", registry=registry)) == "rillcast_y"


def test_a_label_whose_values_are_not_told_is_a_fault() -> None:
    registry = CollectorRegistry()
    told = Counter("rillcast_a", "Ends, by how: here, there", ["how"], registry=registry)
    an_enum = Counter("rillcast_b", "Ends, by reason (`EndReason`)", ["how"], registry=registry)
    untold = Counter("rillcast_c", "Ends, somehow", ["how"], registry=registry)

    assert metrics.faults_of(told) == metrics.faults_of(an_enum) == []
    assert ["how" in fault for fault in metrics.faults_of(untold)] == [True]


def test_settings_are_shown_with_unit_limits_and_default() -> None:
    fields = MediaSettings.model_fields

    assert settings.value_in_words("drain_timeout_s", fields["drain_timeout_s"]) == "Number in seconds, at least 0"
    assert settings.value_in_words("max_egress_bps", fields["max_egress_bps"]) == "Whole number in bit/s, at least 1"
    assert settings.default_in_words(fields["media_bind"]) == "`0.0.0.0,::`"
    assert settings.default_in_words(fields["gso"]) == "`true`"
    assert settings.default_in_words(fields["region"]) == "empty"


def test_a_subject_says_who_sends_and_who_takes_it() -> None:
    play = next(subject for subject in messages.all_subjects() if subject.name == "edge_play")

    assert play.text == "rc.v1.edge.play.<node>"
    assert play.structs == ["PlayRequest", "SessionAnswer"]
    assert (messages.senders(play), messages.takers(play)) == (["signaling"], ["edge"])


def test_a_subject_without_a_docstring_keeps_the_page_from_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "NODE_FORGOTTEN", f"{subjects.PREFIX}.node.forgotten", raising=False)

    with pytest.raises(Undocumented, match="NODE_FORGOTTEN has no docstring"):
        messages.render()


def test_lines_are_wrapped_and_words_never_broken() -> None:
    text = markdown.bullet("a sentence with ``code`` in it " * 10)

    assert max(map(len, text.splitlines())) <= markdown.WIDTH
    assert text.startswith("- a sentence with `code` in it a")
    assert all(line.startswith("  ") for line in text.splitlines()[1:])
