"""What can be checked about the doc comments of the Rust crates: none is too short to help, none leans on the one
beside it, and ever fewer public items have none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from test_prose import SHORTEST

CRATES = "native/crates"
FRAGMENT = re.compile(
    r"(?:and|or|but|so|when|in|after|until|with|if)\b"  # goes on with the sentence before
    r"|The same\b|Likewise\b|As (?:in\b|`)"  # cannot be read without another comment
    r"|Of (?:an?|the|one|all|its|each|every)\b"  # of what, only the name says
)
"""How a doc comment begins that says nothing when it is read alone."""
DOC = re.compile(r"\s*//[/!](?!/) ?(.*)")
ITEM = re.compile(
    r'\s*pub (?:unsafe |async |const |extern "C" )*(fn|struct|enum|trait|type|const|static|mod|union) +(\w+)'
)
MOST_UNDOCUMENTED = {
    "bench": 16,
    "crypto": 43,
    "fuzzing": 25,
    "load": 72,
    "plane": 45,
    "plane-driver": 8,
    "wire": 11,
}
"""How many public items of each crate may have no doc comment. A number may only go down; a crate that is not named
documents all. Whoever documents items takes the difference off."""
MOST_FAULTY = 0
"""How many doc comments may be wrong. It may only go down; so a new one has to be right."""


class Comment(NamedTuple):
    """A doc comment, whole, and where it begins."""

    place: str
    text: str


def comments(place: str, source: str) -> Iterator[Comment]:
    """The doc comments of a file, those of tests too."""
    block: list[str] = []
    begin = 0
    for number, line in enumerate([*source.splitlines(), ""], 1):
        found = DOC.match(line)
        if found is not None:
            begin = begin if block else number
            block.append(found[1])
        elif block:
            yield Comment(f"{place}:{begin}", " ".join(block).strip())
            block = []


def undocumented(source: str) -> Iterator[str]:
    """The public items of a file that have no doc comment, up to its tests."""
    documented = False
    for line in source.splitlines():
        if line.strip() == "#[cfg(test)]":
            return
        if DOC.match(line):
            documented = True
        elif not line.strip().startswith("#["):
            item = ITEM.match(line)
            if item is not None and not documented:
                yield item[2]
            documented = False


def fault(text: str) -> str:
    """What is wrong with a doc comment; empty when nothing is."""
    if len(text) < SHORTEST:
        return f"shorter than {SHORTEST} characters"
    return "begins as a fragment" if FRAGMENT.match(text) else ""


def sources(root: Path) -> Iterator[Path]:
    for file in sorted((root / CRATES).rglob("*.rs")):
        if "target" not in file.parts:
            yield file


def test_doc_comments_say_something_on_their_own(root: Path) -> None:
    found = [
        comment
        for file in sources(root)
        for comment in comments(str(file.relative_to(root)), file.read_text(encoding="utf-8"))
    ]

    assert len(found) > 1_000
    wrong = [f"{comment.place}: {why}: {comment.text!r}" for comment in found if (why := fault(comment.text))]
    assert len(wrong) <= MOST_FAULTY, "\n".join(wrong)


def test_ever_fewer_public_items_have_no_doc_comment(root: Path) -> None:
    without: Counter[str] = Counter()
    for file in sources(root):
        crate, *folders = file.relative_to(root / CRATES).parts
        if "tests" not in folders:
            without[crate] += len(list(undocumented(file.read_text(encoding="utf-8"))))

    more = {crate: number for crate, number in without.items() if number > MOST_UNDOCUMENTED.get(crate, 0)}
    assert not more, f"public items without a doc comment: {more}, and there were {MOST_UNDOCUMENTED}"


@pytest.mark.parametrize(
    "text",
    [
        "RFC 7741.",
        "Who sends.",
        "The same for viewers.",
        "As in `AddRelay`.",
        "As `execute`, for several.",
        "Of the last second; 0 while unknown.",
        "Likewise, but later than that.",
        "and the jitter is less than this.",
    ],
)
def test_a_fragment_is_found(text: str) -> None:
    assert fault(text)


@pytest.mark.parametrize("text", ["The SSRC of the one who sends.", "Offered to viewers.", "Asks for a keyframe."])
def test_a_sentence_is_none(text: str) -> None:
    assert not fault(text)


def test_comments_and_items_are_read_as_rust_does() -> None:
    source = """
//! A module of
//! two lines.

/// Documented here.
#[derive(Clone)]
pub struct One;
#[inline]
pub fn two() {}
pub(crate) fn inner() {}
//// no doc comment
pub const THREE: u8 = 3;
fn private() {}
#[cfg(test)]
mod tests { pub fn four() {} }
"""

    assert list(comments("f", source)) == [Comment("f:2", "A module of two lines."), Comment("f:5", "Documented here.")]
    assert list(undocumented(source)) == ["two", "THREE"]
