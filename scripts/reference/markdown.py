"""The few forms of Markdown that the pages use, in lines of at most 120 columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

WIDTH = 120


def page(title: str, sources: str, introduction: str, parts: Iterable[str]) -> str:
    """A whole page. `sources` names the code that it was written from."""
    written = f"Written by `make reference` from {sources}. Do not change it by hand."
    return "\n\n".join([f"# {title}", paragraph(written), prose(introduction), *parts]) + "\n"


def prose(text: str) -> str:
    """A docstring as Markdown: each paragraph wrapped anew, double backticks made single ones."""
    text = re.sub(r"``([^`]*)``", r"`\1`", text)
    return "\n\n".join(paragraph(part) for part in text.strip().split("\n\n"))


def paragraph(text: str) -> str:
    """One paragraph, wrapped."""
    return _fill(text, "", "")


def bullet(text: str) -> str:
    """One entry of a list, wrapped. `text` may have the form of a docstring."""
    return _fill(re.sub(r"``([^`]*)``", r"`\1`", text), "- ", "  ")


def bullets(texts: Iterable[str]) -> str:
    """A list whose entries begin with a dash."""
    return "\n".join(bullet(text) for text in texts)


def link(name: str) -> str:
    """A link to the heading on the same page that holds just this name."""
    return f"[{name}](#{name.lower()})"


def _fill(text: str, first: str, others: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
