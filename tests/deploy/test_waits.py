"""No wait of a test ends with a bare TimeoutError, which says neither what was waited for nor what was seen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "rillcast/testing")
WAITS = frozenset({"asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for"})
INSTEAD = "use `within` or `eventually` of rillcast.testing.eventually, or catch the TimeoutError"
WAITS_MADE_HERE = "rillcast/testing/eventually.py"
"""The waits of which all others are made."""


def bare_waits(node: ast.AST, caught: bool = False) -> Iterator[int]:
    """The lines of the waits whose TimeoutError nobody catches in the same function."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in WAITS and not caught:
        yield node.lineno
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        caught = False
    for child in ast.iter_child_nodes(node):
        yield from bare_waits(child, caught or _catches(node, child))


def _catches(node: ast.AST, child: ast.AST) -> bool:
    """Whether `child` is a statement of the block of `node`, and a TimeoutError of it goes no further."""
    if isinstance(node, ast.Try):
        return child in node.body and any(_of_timeouts(handler.type) for handler in node.handlers)
    if isinstance(node, ast.With | ast.AsyncWith):
        return child in node.body and any(_suppresses(item.context_expr) for item in node.items)
    return False


def _of_timeouts(caught: ast.expr | None) -> bool:
    names = {ast.unparse(one) for one in ast.walk(caught)} if caught is not None else {"BaseException"}
    return bool(names & {"TimeoutError", "OSError", "Exception", "BaseException"})


def _suppresses(context: ast.expr) -> bool:
    return (
        isinstance(context, ast.Call)
        and ast.unparse(context.func) in {"suppress", "contextlib.suppress", "pytest.raises"}
        and any(_of_timeouts(argument) for argument in context.args)
    )


def test_every_wait_says_what_it_waits_for() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py") if "node_modules" not in file.parts]
    assert len(files) > 400
    texts = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}
    waiting = {
        name: text for name, text in texts.items() if name != WAITS_MADE_HERE and any(wait in text for wait in WAITS)
    }
    bare = [
        f"{name}:{line}: a bare wait; {INSTEAD}"
        for name, text in waiting.items()
        for line in bare_waits(ast.parse(text))
    ]
    assert bare == []


@pytest.mark.parametrize(
    "code",
    [
        "async with asyncio.timeout(1): pass",
        "async with one, asyncio.timeout(1): pass",
        "await asyncio.wait_for(x, 1)",
        "async with asyncio.timeout_at(1): pass",
        "try: await asyncio.wait_for(x, 1)\nexcept ValueError: pass",
        "try: pass\nexcept TimeoutError: await asyncio.wait_for(x, 1)",
        "with suppress(ValueError):\n  await asyncio.wait_for(x, 1)",
        "try:\n  async def f():\n    await asyncio.wait_for(x, 1)\nexcept TimeoutError: pass",
    ],
)
def test_a_bare_wait_is_found(code: str) -> None:
    assert list(bare_waits(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'async with within(1, "x"): pass',
        "try: await asyncio.wait_for(x, 1)\nexcept (OSError, TimeoutError): pass",
        "try: await asyncio.wait_for(x, 1)\nexcept Exception: pass",
        "with suppress(OSError):\n  async with asyncio.timeout(1): pass",
        "with suppress(TimeoutError):\n  async with asyncio.timeout(1): pass",
        "with pytest.raises(TimeoutError):\n  await asyncio.wait_for(x, 1)",
        "await asyncio.wait([x], timeout=1)",
    ],
)
def test_a_wait_whose_end_somebody_handles_is_none(code: str) -> None:
    assert not list(bare_waits(ast.parse(code)))
