"""docs/reference/errors.md: the codes of refusals, in words."""

from __future__ import annotations

import ast
from functools import cache

from rillcast.contracts.errors import ErrorCode
from scripts.reference import docstrings
from scripts.reference.faults import Undocumented
from scripts.reference.found import processes, trees
from scripts.reference.markdown import page, paragraph, prose

INTRODUCTION = """
A refusal carries one of these codes, a sentence for a human, and sometimes the time after which it makes sense to try
again. Ant Media's clients receive the code as `definition`. WHIP and WHEP clients receive it in the body of the answer,
beside a status of HTTP.
"""


def render() -> str:
    """The page. Raises `Undocumented` for codes without a docstring."""
    meanings = docstrings.of_attributes(ErrorCode)
    if faults := [f"ErrorCode.{code.name} has no docstring" for code in ErrorCode if code.name not in meanings]:
        raise Undocumented(faults)
    parts = [part for code in ErrorCode for part in _section(code, meanings[code.name])]
    return page("Errors", "`rillcast/contracts/errors.py`", INTRODUCTION, parts)


def _section(code: ErrorCode, meaning: str) -> list[str]:
    return [f"### `{code.value}`", prose(meaning), paragraph(f"Said by: {_said_by(code)}.")]


def _said_by(code: ErrorCode) -> str:
    return ", ".join(processes({module for module, name in _uses() if name == code.name})) or "nobody"


@cache
def _uses() -> set[tuple[str, str]]:
    """Each module that reads a member of `ErrorCode`, and the name of the member."""
    return {
        (module, node.attr)
        for module, tree in trees().items()
        if not module.startswith(("rillcast.contracts", "rillcast.testing"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == ErrorCode.__name__
    }
