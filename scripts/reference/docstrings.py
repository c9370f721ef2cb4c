"""Docstrings of classes, and the strings that follow an assignment, which Python itself throws away.

The strings that follow an assignment are read from the source: ``name: type = default`` and then a line with a string.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType


@cache
def of_attributes(owner: type | ModuleType) -> dict[str, str]:
    """The docstring of each attribute that a class or a module assigns itself. Inherited ones are not looked at."""
    whole = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = whole.body[0].body if isinstance(owner, type) and isinstance(whole.body[0], ast.ClassDef) else whole.body
    return dict(_followed_by_a_string(body))


def of_class(cls: type) -> str:
    """The docstring of a class itself; empty when it has none or only inherits one."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def _followed_by_a_string(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, following in itertools.pairwise(body):
        name, text = _assigned_name(statement), _string(following)
        if name and text:
            yield name, inspect.cleandoc(text)


def _assigned_name(statement: ast.stmt) -> str:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return ""


def _string(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value if isinstance(statement.value.value, str) else ""
    return ""
