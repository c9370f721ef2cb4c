"""The pages in docs/reference say what the code says: each is rendered anew and compared."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pydantic import SecretStr

from rillcast.runtime.settings import NodeSettings
from scripts.reference import metrics, settings
from scripts.reference.found import kinds, trees
from scripts.reference.pages import ELSEWHERE, FOLDER, PAGES

WRITTEN = {**{f"{FOLDER}/{name}": page for name, page in PAGES.items()}, **ELSEWHERE}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_page_says_what_the_code_says(root: Path, name: str) -> None:
    page = root / name

    fresh = page.exists() and page.read_text(encoding="utf-8") == WRITTEN[name]()

    assert fresh, f"{name} is stale; run: make reference"


def test_there_is_no_page_that_nobody_writes(root: Path) -> None:
    assert {path.name for path in (root / FOLDER).glob("*.md")} == {*PAGES, "README.md"}


def test_the_list_of_pages_names_every_page(root: Path) -> None:
    text = (root / FOLDER / "README.md").read_text(encoding="utf-8")

    assert [name for name in PAGES if f"]({name})" not in text] == []


@pytest.mark.parametrize("kind", kinds())
def test_a_node_reads_the_variables_that_the_page_names(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    cls = settings.services()[kind]
    ignored = []
    for owner in (base for base in settings.classes() if issubclass(cls, base)):
        for name, _ in settings.fields(owner):
            with monkeypatch.context() as environment:
                environment.setenv(settings.variable(owner, name), "nonsense")
                if read_or_refused(cls, name) not in ("nonsense", ["nonsense"], SecretStr("nonsense"), "refused"):
                    ignored.append(name)

    assert ignored == []


def read_or_refused(cls: type[NodeSettings], name: str) -> object:
    try:
        return getattr(cls(), name)
    except ValueError:
        return "refused"


def test_instruments_are_declared_in_modules_called_metrics_only() -> None:
    elsewhere = [
        f"{module}:{node.lineno}"
        for module, tree in trees().items()
        if not module.endswith(".metrics")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client"
        for alias in node.names
        if alias.name in {form.__name__ for form in metrics.FORMS}
    ]

    assert elsewhere == []
