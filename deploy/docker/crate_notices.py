"""Prints the licenses of the crates that are linked into one crate of a workspace, with their texts.

Usage: crate_notices.py CARGO_TOML CRATE [TRIPLE]; the triple is for another platform than this one. What only builds or
tests need is left out. A text that several crates have is printed once, with their names. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Package = dict[str, Any]
NAMES = ("license", "licence", "copying", "notice", "copyright", "unlicense")
DEPTH = 4
"""So deep in a crate lies the license of the C code that it brings along (BoringSSL, mimalloc)."""
MAX_TEXT_BYTES = 200_000
IGNORED_ENDINGS = {".rs", ".py", ".go", ".c", ".h", ".cc", ".toml", ".sh", ".json"}


def this_platform() -> str:
    """The triple for which rustc compiles by itself."""
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in version.splitlines() if line.startswith("host: "))


def metadata(manifest: Path, triple: str) -> dict[str, Any]:
    """What cargo knows of the workspace, for this platform."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", triple]
    done = subprocess.run([*command, "--manifest-path", str(manifest)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"cargo does not know the crates of {manifest}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def linked(found: dict[str, Any], root: str) -> list[Package]:
    """The crates from a registry that end up in the crate called `root`, by name."""
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    start = next((one for one, package in packages.items() if package["name"] == root), None)
    if start is None:
        sys.exit(f"the workspace has no crate {root}")
    seen, left = {start}, [start]
    while left:
        for dependency in nodes[left.pop()]["deps"]:
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if normal and dependency["pkg"] not in seen and not _is_a_macro(packages[dependency["pkg"]]):
                seen.add(dependency["pkg"])
                left.append(dependency["pkg"])
    return sorted((packages[one] for one in seen if packages[one]["source"]), key=lambda one: str(one["name"]))


def _is_a_macro(package: Package) -> bool:
    """It runs while others are compiled, and nothing of it is linked."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """(path in the crate, text) of its licenses and notices."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        named = path.name.lower().startswith(NAMES) and path.suffix.lower() not in IGNORED_ENDINGS
        if named and len(inside.parts) <= DEPTH and path.is_file() and path.stat().st_size <= MAX_TEXT_BYTES:
            yield str(inside), path.read_text(errors="replace").strip()


def notices(packages: list[Package]) -> str:
    """A list of the crates, and then each text once."""
    owners: dict[str, list[str]] = {}
    lines = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        lines.append(f"{name}: {package['license'] or 'see its text below'}")
        for path, text in texts(Path(package["manifest_path"]).parent):
            owners.setdefault(text, []).append(f"{name} ({path})")
    parts = ["\n".join(lines)]
    parts += ["-" * 80 + "\n" + "\n".join(names) + "\n\n" + text for text, names in owners.items()]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    if len(sys.argv) not in {3, 4}:
        sys.exit("usage: crate_notices.py CARGO_TOML CRATE [TRIPLE]")
    platform = sys.argv[3] if len(sys.argv) == 4 else this_platform()
    sys.stdout.write(notices(linked(metadata(Path(sys.argv[1]), platform), sys.argv[2])))
