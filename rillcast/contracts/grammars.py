"""Texts that have a grammar: the pattern that decoding checks, and the words that a refusal shows in its place."""

from __future__ import annotations

import re

import msgspec

_words: dict[str, str] = {}


def grammar(pattern: str, words: str) -> msgspec.Meta:
    """The rule that a text is matched by `pattern` from its first to its last character. `words` say what may stand
    there, for the sentence "Expected …".

    The rule means the same in Python and in a JSON schema. In Python ``$`` alone also matches in front of a line break
    at the end.
    """
    whole = rf"^(?:{pattern})(?!\n)$"
    _words[f"`str` matching regex {whole!r}"] = words
    return msgspec.Meta(pattern=whole)


def matches(rule: msgspec.Meta, text: str) -> bool:
    """Whether a text obeys a rule that `grammar` made."""
    return re.search(rule.pattern or "", text) is not None


def in_words(refusal: str) -> str:
    """A refusal of msgspec, with the words of a grammar in place of its pattern."""
    for pattern, words in _words.items():
        refusal = refusal.replace(pattern, words)
    return refusal
