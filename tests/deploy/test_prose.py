"""What can be checked about prose: lines fit a terminal, files that are named exist, docstrings say something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

WIDTH = 120
GENERATED = ("docs/benchmarks/",)
"""Pages of figures, written by the benchmarks."""
RECORDS = "docs/decisions/"
"""Records speak of the time when they were written; a file may have moved since."""
FILE = re.compile(r"[\w./-]*\w\.(?:py|rs|md|toml|yml|json|hcl|conf|js|html|mjs)")
FOLDER = re.compile(r"(?:rillcast|services|native|tests|deploy|docs|scripts)/[\w./-]*")
NOT_OURS = {"results.json", "quick.md", "/openapi/openapi.json", "/app/openapi/openapi.json"}
"""Files that a command writes, and addresses that look like files."""
SHORTEST = 17
"""Characters of a docstring at least: nothing shorter has been found to help anybody."""
LEANING = re.compile(r"(?:and|or|the|but|so|when|in|after|until|with|if)\b")
"""How a docstring begins that continues the one before: sorting or deleting one breaks both."""
ENDING = re.compile(r"[.!?)`…]$")
STOP_WORDS = {"a", "an", "the", "of", "its", "this", "one", "s", "is", "are", "to", "and", "in"}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
CODE = ("rillcast", "services", "scripts")


def pages(root: Path) -> list[Path]:
    folders = ("docs", "services", "deploy", "native", "tests")
    found = [*root.glob("*.md"), *(page for folder in folders for page in (root / folder).rglob("*.md"))]
    return [page for page in found if "node_modules" not in page.parts and "target" not in page.parts]


def prose_pages(root: Path) -> list[Path]:
    return [page for page in pages(root) if not str(page.relative_to(root)).startswith(GENERATED)]


def test_lines_of_pages_fit_a_terminal(root: Path) -> None:
    long = [
        f"{page.relative_to(root)}:{number} ({len(line)})"
        for page in prose_pages(root)
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > WIDTH and " " in line.strip()
    ]

    assert not long, "\n".join(long)


def test_files_and_folders_that_pages_name_exist(root: Path) -> None:
    missing = [
        f"{page.relative_to(root)}: {name}"
        for page in prose_pages(root)
        if RECORDS not in str(page)
        for name in named_paths(page.read_text(encoding="utf-8"))
        if not exists(root, page, name)
    ]

    assert not missing, "\n".join(missing)


def named_paths(text: str) -> list[str]:
    """Paths in the tree that stand alone between backticks; ``{a,b}`` stands for two of them."""
    spans = re.findall(r"`([^`\s]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    names = [name for span in spans for name in alternatives(span)]
    return [name for name in names if (FILE.fullmatch(name) or FOLDER.fullmatch(name)) and name not in NOT_OURS]


def alternatives(name: str) -> list[str]:
    if (found := re.fullmatch(r"(.*)\{([^}]*)\}(.*)", name)) is None:
        return [name]
    return [f"{found[1]}{choice}{found[3]}" for choice in found[2].split(",")]


def exists(root: Path, page: Path, name: str) -> bool:
    nearby = any((folder / name).exists() for folder in (page.parent, root))
    return nearby or ("/" not in name and any(root.glob(f"services/**/{name}")))


def test_a_path_between_backticks_is_found_in_the_text() -> None:
    text = (
        "`rillcast/x.py`, `domain/{a,b}.py`, `GET /x`, `x.y()`, `rc.v1.edge`\n```\n`in/code.py`\n```\n`rillcast/relay`"
    )

    assert named_paths(text) == ["rillcast/x.py", "domain/a.py", "domain/b.py", "rillcast/relay"]


def docstrings(root: Path) -> Iterator[tuple[str, str, str]]:
    """Place, name and text of every docstring of something public, attributes included."""
    for path in (path for top in CODE for path in sorted((root / top).rglob("*.py"))):
        for owner in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(owner, Documented):
                for name, text, line in texts(owner, path):
                    if not name.startswith("_"):
                        yield f"{path.relative_to(root)}:{line}", name, text


def texts(
    owner: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, path: Path
) -> Iterator[tuple[str, str, int]]:
    for before, statement in zip([None, *owner.body], owner.body, strict=False):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            text = statement.value.value
            name = assigned(before) if before is not None else getattr(owner, "name", path.stem)
            if isinstance(text, str) and name:
                yield name, text, statement.lineno


def assigned(statement: ast.stmt) -> str:
    target = getattr(statement, "target", None) or getattr(statement, "targets", [None])[0]
    return getattr(target, "id", getattr(target, "attr", ""))


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower()))


@pytest.mark.parametrize(
    ("name", "text", "says_nothing"),
    [
        ("stop", "Send soon.", True),
        ("viewers_of_app", "The viewers of an app.", True),
        ("CarriedStream", "A carried stream.", True),
        ("jitter_ms", "and the jitter is less than this.", True),
        ("viewers_of_app", "How many viewers the streams of an app have.", False),
    ],
)
def test_a_docstring_that_is_short_or_repeats_the_name_or_leans_on_another_says_nothing(
    name: str, text: str, says_nothing: bool
) -> None:
    assert nothing_said(name, text) is says_nothing


def nothing_said(name: str, text: str) -> bool:
    repeats = not words(text) - words(name.replace("_", " ")) - STOP_WORDS
    says_little = len(text) < SHORTEST and not text.startswith("See `")
    return says_little or repeats or LEANING.match(text) is not None


def test_docstrings_say_something(root: Path) -> None:
    empty = [f"{place} {name}: {text!r}" for place, name, text in docstrings(root) if nothing_said(name, text)]

    assert not empty, "\n".join(empty)


def test_docstrings_of_constants_and_fields_end_like_sentences(root: Path) -> None:
    """So that none goes on in the next one."""
    unfinished = [
        f"{place} {name}: {text!r}"
        for place, name, text in docstrings(root)
        if "\n\n" not in text and not ENDING.search(text.rstrip())
    ]

    assert not unfinished, "\n".join(unfinished)
