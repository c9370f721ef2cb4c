"""What is built in: licenses that go with Apache-2.0, one version of each crate, and nothing that was withdrawn.

Known holes are in databases that a test does not reach: `make audit` asks them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ALLOWED_PYTHON = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0"),
    *("MPL-2.0", "Zlib"),
}
"""They ask for a notice, or (MPL) for their own changed files; nothing of them is changed here."""
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""The older way to name a license, which is less exact."""
BY_HAND = {"protobuf": "BSD-3-Clause"}
"""Packages whose metadata name no license in either way; read in their license files."""


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be fulfilled with these licenses. ``/`` is crates.io's older ``OR``."""
    text = expression.replace("/", " OR ")
    while (inner := re.search(r"\(([^()]*)\)", text)) is not None:
        verdict = "Apache-2.0" if is_allowed(inner[1], allowed) else "nothing"
        text = text[: inner.start()] + verdict + text[inner.end() :]
    return any(all(one.strip() in allowed for one in choice.split(" AND ")) for choice in text.split(" OR "))


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT/GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND Apache-2.0", True),
        ("(GPL-3.0-only AND MIT) OR LGPL-2.1", False),
        ("", False),
    ],
)
def test_expressions_are_understood(expression: str, verdict: bool) -> None:
    assert is_allowed(expression, {"MIT", "Apache-2.0"}) is verdict


@functools.cache
def crates(root: Path) -> list[dict[str, Any]]:
    """Every crate of the lock file."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    done = subprocess.run([*command, "--manifest-path", root / "native/Cargo.toml"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"the crates are not all here yet: {done.stderr.decode()[:200]}")
    packages: list[dict[str, Any]] = json.loads(done.stdout)["packages"]
    return packages


@functools.cache
def rules(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "native/deny.toml").read_text())


def test_every_crate_may_be_linked_into_the_product(root: Path) -> None:
    allowed = set(rules(root)["licenses"]["allow"])
    refused = {p["name"]: p["license"] for p in crates(root) if not is_allowed(p["license"] or "", allowed)}
    assert refused == {}


def test_no_license_is_allowed_that_no_crate_has(root: Path) -> None:
    licenses = [p["license"] or "" for p in crates(root)]
    everything = set(rules(root)["licenses"]["allow"])
    unused = {one for one in everything if all(is_allowed(text, everything - {one}) for text in licenses)}
    named = {one for one in unused if not any(one in text for text in licenses)}
    assert named == set()


def test_a_crate_is_there_twice_only_with_a_reason(root: Path) -> None:
    versions = Counter(p["name"] for p in crates(root))
    excused = {entry["crate"]: entry["reason"] for entry in rules(root)["bans"]["skip"]}
    left = Counter(p["name"] for p in crates(root) if f"{p['name']}@{p['version']}" not in excused)
    assert {name for name, count in left.items() if count > 1} == set()
    stale = {entry for entry in excused if versions[entry.partition("@")[0]] < 2}
    assert stale == set(), "these are there once by now"


def test_no_banned_crate_is_there(root: Path) -> None:
    banned = {entry["crate"] for entry in rules(root)["bans"]["deny"]}
    assert banned.isdisjoint(p["name"] for p in crates(root))


def index_entries(name: str) -> dict[str, dict[str, Any]]:
    """By version, what cargo has kept of the registry's index on this crate; empty if it has kept nothing."""
    home = Path.home() / ".cargo/registry/index"
    lower = name.lower()
    folder = f"{len(lower)}" if len(lower) < 3 else f"3/{lower[0]}" if len(lower) == 3 else f"{lower[:2]}/{lower[2:4]}"
    for path in home.glob(f"*/.cache/{folder}/{lower}"):
        texts = [part for part in path.read_bytes().split(b"\0") if part.startswith(b"{")]
        return {entry["vers"]: entry for entry in map(json.loads, texts)}
    return {}


def test_no_locked_crate_was_withdrawn(root: Path) -> None:
    """As far as cargo knew when it last read the index."""
    known = [(p, index_entries(p["name"]).get(p["version"])) for p in crates(root) if p["source"]]
    if not any(entry for _, entry in known):
        pytest.skip("cargo has kept nothing of the index here")
    assert [f"{p['name']} {p['version']}" for p, entry in known if entry and entry["yanked"]] == []


def python_license(name: str) -> str:
    metadata = importlib.metadata.metadata(name)
    if name.lower() in BY_HAND:
        return BY_HAND[name.lower()]
    for stated in (*metadata.get_all("License-Expression", []), *metadata.get_all("License", [])):
        if is_allowed(stated, ALLOWED_PYTHON):
            return str(stated)
    classifiers = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if line.startswith("License")
    ]
    return " OR ".join(CLASSIFIERS.get(one, one) for one in classifiers)


def test_every_python_package_may_be_shipped_with_the_product(root: Path) -> None:
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", (root / "requirements/runtime.lock").read_text(), re.M)
    installed = [name for name in names if _is_installed(name)]
    assert len(installed) > len(names) // 2, "the packages are not installed"
    refused = {n: python_license(n) for n in installed if not is_allowed(python_license(n), ALLOWED_PYTHON)}
    assert refused == {}


def _is_installed(name: str) -> bool:
    """Some are for other systems only."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
