"""The version of the project: `python -m scripts.version` shows it, `python -m scripts.version 0.2.0` changes it.

It is decided in `pyproject.toml`. What cannot read it there repeats it, in the places below.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = {
    "pyproject.toml": r'^version = "(.*)"$',
    "native/Cargo.toml": r'^version = "(.*)"$',
    "native/crates/plane-py/pyproject.toml": r'^version = "(.*)"$',
    "native/crates/load-py/pyproject.toml": r'^version = "(.*)"$',
    "deploy/helm/rillcast/Chart.yaml": r"^(?:version|appVersion): (.*)$",
    "deploy/docker/Dockerfile": r"^ARG VERSION=(.*)$",
    "docs/kubernetes.md": r"rillcast:(\d+\.\d+\.\d+(?:-[a-z]+\.\d+)?)",
}
"""File and pattern; each match of the first group is the version."""
LOCK = "native/Cargo.lock"
IN_LOCK = r'^name = "rillcast-[\w-]+"\nversion = "(.*)"$'
FORM = re.compile(r"\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?")
"""Semantic versioning, with the words that Python's packages have as well."""


def stated(root: Path) -> dict[str, list[str]]:
    """The version that each file states, as often as it does."""
    places = {**PLACES, LOCK: IN_LOCK}
    return {name: re.findall(pattern, (root / name).read_text(), re.M) for name, pattern in places.items()}


def change(root: Path, version: str) -> None:
    """Write it to all places. Raises ValueError for what is no version."""
    if FORM.fullmatch(version) is None:
        raise ValueError(f"{version!r} is no version such as 0.2.0 or 0.2.0-rc.1")
    for name, pattern in {**PLACES, LOCK: IN_LOCK}.items():
        path = root / name
        path.write_text(re.sub(pattern, lambda found: _with(found, version), path.read_text(), flags=re.M))


def _with(found: re.Match[str], version: str) -> str:
    start = found.start(1) - found.start()
    return found[0][:start] + version + found[0][start + len(found[1]) :]


def main(arguments: list[str]) -> None:
    """What the command line asks for; a fault of its user ends it with a sentence."""
    match arguments:
        case []:
            for name, versions in stated(ROOT).items():
                print(f"{name}: {', '.join(sorted(set(versions)))}")
        case [version]:
            try:
                change(ROOT, version)
            except ValueError as error:
                sys.exit(str(error))
        case _:
            sys.exit("usage: python -m scripts.version [VERSION]")


if __name__ == "__main__":
    main(sys.argv[1:])
