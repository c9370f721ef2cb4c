"""What a stranger with only the clone relies on: links lead somewhere, lock files name no host, nothing is private."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

TEXT = {
    ".py",
    ".rs",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".lock",
    ".sh",
    ".js",
    ".html",
    ".css",
    ".hcl",
    ".conf",
    "",
}
FORBIDDEN = re.compile(
    "|".join(
        (
            "/" + "work" + r"/(main|shared|brief|\.library)",
            r"\.\./" + "shared",
            "files" + r"\.pythonhosted\.org",
            "registry" + r"\.npmjs\.org",
            "/" + "root/",
        )
    )
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Files of the repository; those not committed yet as well, unless ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]


def test_nothing_names_a_private_path_or_a_registry(root: Path, tracked: list[Path]) -> None:
    found = []
    for path in tracked:
        if path.suffix in TEXT and path.stat().st_size < 2_000_000:
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if FORBIDDEN.search(line):
                    found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:100]}")

    assert len(tracked) > 100
    assert found == []


def test_links_in_the_documentation_lead_somewhere(root: Path, tracked: list[Path]) -> None:
    dead = []
    for page in (path for path in tracked if path.suffix == ".md"):
        for target in LINK.findall(page.read_text()):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                dead.append(f"{page.relative_to(root)} → {target}")

    assert dead == []


def test_python_locks_hold_hashes_and_no_address(root: Path) -> None:
    for name in ("runtime", "node", "media", "build", "dev", "clouds", "images"):
        text = (root / f"requirements/{name}.lock").read_text()
        assert "://" not in text
        requirements = re.findall(r"^[a-z0-9].*", text, re.M)
        assert len(requirements) >= 4
        assert all(line.endswith("\\") for line in requirements), "a requirement without hashes"


def test_the_lock_holds_what_the_project_asks_for(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = {
        "node": project["project"]["dependencies"],
        "media": [*project["project"]["dependencies"], *extras["media"]],
        "runtime": [*project["project"]["dependencies"], *extras["media"], *extras["local"]],
        "images": project["dependency-groups"]["images"],
        "build": project["dependency-groups"]["build"],
        "clouds": project["dependency-groups"]["clouds"],
        "dev": extras["dev"],
    }
    for name, wanted in asked.items():
        locked = set(re.findall(r"^([a-z0-9-]+==[^\s;]+)", (root / f"requirements/{name}.lock").read_text(), re.M))
        missing = [spec for spec in wanted if re.sub(r"\[.*\]", "", spec).lower() not in locked]
        assert missing == [], f"run: make lock ({name})"


def test_cargo_lock_names_crates_io_only(root: Path) -> None:
    sources = set(re.findall(r'^source = "(.*)"', (root / "native/Cargo.lock").read_text(), re.M))

    assert sources == {"registry+https://github.com/rust-lang/crates.io-index"}


def test_node_locks_hold_no_address(tracked: list[Path]) -> None:
    for lock in (path for path in tracked if path.name == "package-lock.json"):
        assert '"resolved": "http' not in lock.read_text(), lock


def test_scripts_can_be_run(root: Path, tracked: list[Path]) -> None:
    scripts = [path for path in tracked if path.suffix in {"", ".py"} and path.read_bytes()[:2] == b"#!"]

    assert root / "scripts/setup.py" in scripts
    assert [path for path in scripts if not path.stat().st_mode & 0o100] == []


def test_no_two_modules_of_one_suite_share_a_name(root: Path, tracked: list[Path]) -> None:
    """Test folders are no packages, so pytest imports each module by its bare name and refuses a second one."""
    parts = [path.relative_to(root).parts for path in tracked if path.match("test_*.py")]
    seen = Counter((suite, inner[-1]) for _tests, suite, *inner in parts if inner)

    assert len(seen) > 100
    assert [name for name, times in seen.items() if times > 1] == []
