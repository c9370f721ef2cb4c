"""There is one version, and whatever states it states the same."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from rillcast.runtime.process.version import product_version
from scripts.version import LOCK, PLACES, change, stated
from services.signaling.rest.adapters.examples import RECORDED

SECTION = re.compile(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.M)
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""Of Keep a Changelog 1.1.0."""


@pytest.fixture
def version(root: Path) -> str:
    found: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return found


def test_each_place_states_the_version_of_the_project(root: Path, version: str) -> None:
    for name, versions in stated(root).items():
        assert set(versions) == {version}, name
    assert len(stated(root)["deploy/helm/rillcast/Chart.yaml"]) == 2


def test_no_place_is_forgotten(root: Path) -> None:
    """Files whose form has a version: Python projects, charts, workspaces."""
    patterns = ("pyproject.toml", "native/crates/*/pyproject.toml", "deploy/helm/*/Chart.yaml", "native/Cargo.toml")
    found = {path for pattern in patterns for path in root.glob(pattern)}

    assert {str(path.relative_to(root)) for path in found} <= PLACES.keys()


def test_crates_take_the_version_of_the_workspace(root: Path) -> None:
    for path in (root / "native/crates").glob("*/Cargo.toml"):
        assert tomllib.loads(path.read_text())["package"]["version"] == {"workspace": True}, path


def test_what_runs_and_the_api_say_the_version_of_the_project(version: str) -> None:
    """The document of the API has what `product_version` says; `tests/unit/signaling` holds it to that."""
    assert Version(product_version()) == Version(version)
    assert f'"versionName": "{version}"' in RECORDED.read_text()


def test_the_chart_takes_the_image_of_its_version(root: Path) -> None:
    values = yaml.safe_load((root / "deploy/helm/rillcast/values.yaml").read_text())

    assert values["image"]["tag"] == "", "then it is appVersion"


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    for name in (*PLACES, LOCK):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("new", ["1.20.3", "1.0.0-rc.1"])
def test_a_new_version_is_written_everywhere_and_nothing_else_is(
    root: Path, copy: Path, version: str, new: str
) -> None:
    change(copy, new)

    assert {one for versions in stated(copy).values() for one in versions} == {new}
    change(copy, version)
    assert [name for name in (*PLACES, LOCK) if (copy / name).read_bytes() != (root / name).read_bytes()] == []


@pytest.mark.parametrize("wrong", ["", "1", "v1.0.0", "1.0.0.1", "1.0.0-x", '1.0.0"', "1.0.0\n"])
def test_what_is_no_version_is_refused_and_changes_nothing(root: Path, copy: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="is no version such as"):
        change(copy, wrong)

    assert [name for name in (*PLACES, LOCK) if (copy / name).read_bytes() != (root / name).read_bytes()] == []


def test_the_changelog_has_the_form_that_others_read(root: Path, version: str) -> None:
    text = (root / "CHANGELOG.md").read_text()
    sections = SECTION.findall(text)

    assert sections[0] == ("Unreleased", "")
    assert len(re.findall(r"^## ", text, re.M)) == len(sections), "a heading of another form"
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= KINDS
    released = [Version(name) for name, _ in sections[1:]]
    assert released == sorted(released, reverse=True)
    assert all(date for _, date in sections[1:]), "a release has its day"
    assert not released or released[0] <= Version(version)
