"""Copies the libraries of the console from npm into the tree: `python -m scripts.vendor`.

The one list of them is `LIBRARIES`: versions and hashes are pinned there. The copies are committed, so that neither an
installation nor a browser needs npm. `tests/deploy/test_vendored_libraries.py` fails when a copy is another than the
list says.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "services" / "signaling" / "pages" / "static" / "console" / "vendor"
NOTICE = "NOTICE.txt"
HEAD = """The libraries in this folder are copies from npm, written by scripts/vendor.py. Do not edit them.
They belong to their authors, and each comes under the license that is printed below it.
"""
_MAP = re.compile(rb"\n?//# sourceMappingURL=\S*\s*$")
_DEADLINE_S = 120


@dataclass(frozen=True)
class Copy:
    """One file of a package."""

    source: str
    """Where it lies in the package."""
    name: str
    """How it is called here."""
    sha256: str
    """Of what is written here, in hex."""
    export: str = ""
    """Of a script that is no module: the name that it defines, which is exported then."""


@dataclass(frozen=True)
class Library:
    """One package at one version."""

    package: str
    version: str
    integrity: str
    """SHA-512 of the package's archive, as npm writes it."""
    license: str
    """By its name in SPDX."""
    copies: tuple[Copy, ...] = ()
    """Empty for a library that another one carries within it; then only its license is copied."""
    license_file: str = "LICENSE"


LIBRARIES = (
    Library(
        "uplot",
        "1.6.32",
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        "MIT",
        (
            Copy(
                "dist/uPlot.iife.min.js",
                "uplot.js",
                "073f022c867cb9c40f0be28f5d680830857a5b3a04082c2473880c8328a12e04",
                "uPlot",
            ),
            Copy(
                "dist/uPlot.min.css",
                "uplot.css",
                "0cf09be05fa0760ca9a3330ea374f6655f08766c7b2b370e462afe98852147ce",
            ),
        ),
    ),
    Library(
        "cytoscape",
        "3.35.0",
        "sha512-sMvBIXiGMnhkCaWz2R06FwF/27MNlS+Tqvi17foO9UhnUg3XGZccKjxsvEqQFAQYMSSZmN5SxYzUYlQ0DOJJ3g==",
        "MIT",
        (
            Copy(
                "dist/cytoscape.esm.min.mjs",
                "cytoscape.js",
                "aa33b0103bbdb721aeb1506000cb6e056692400baba7264c552d000b09da01f2",
            ),
        ),
    ),
    Library(
        "cytoscape-dagre",
        "4.0.1",
        "sha512-hyNdh8Vp1nwzBcjHnM4c71G81bFhPmQYLXD2HM9AZIvl+8TrMzWEOPW45hF/XOBQiEguPcDQzi6VrXR1XBcXOA==",
        "MIT",
        (
            Copy(
                "dist/cytoscape-dagre.min.mjs",
                "cytoscape-dagre.js",
                "b5c757dce69857a5a72d31594773b9b14cd68e1d85d8f605ad745cf0c52c0611",
            ),
        ),
    ),
    Library(
        "@dagrejs/dagre",
        "3.0.0",
        "sha512-ZzhnTy1rfuoew9Ez3EIw4L2znPGnYYhfn8vc9c4oB8iw6QAsszbiU0vRhlxWPFnmmNSFAkrYeF1PhM5m4lAN0Q==",
        "MIT",
    ),
)


def main() -> int:
    """Write the folder anew. Nothing is written when a hash is wrong."""
    texts: dict[str, bytes] = {}
    licenses: dict[str, str] = {}
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for library in LIBRARIES:
            archive = _archive(library, Path(folder))
            if (found := integrity(archive.read_bytes())) != library.integrity:
                faults.append(f"{library.package}: the archive's integrity is {found}")
            with tarfile.open(archive) as packed:
                licenses[library.package] = _read(packed, library.license_file).decode()
                for copy in library.copies:
                    texts[copy.name] = as_copied(copy, _read(packed, copy.source))
                    if (sha256 := hashlib.sha256(texts[copy.name]).hexdigest()) != copy.sha256:
                        faults.append(f"{copy.name}: sha256 is {sha256}")
    if faults:
        print("\n".join(["Nothing was written; the list in scripts/vendor.py says something else:", *faults]))
        return 1
    texts[NOTICE] = notice(licenses).encode()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_bytes(text)
    print(sizes(texts))
    return 0


def as_copied(copy: Copy, text: bytes) -> bytes:
    """A file as it is written here: without the address of a map that is not here, and as a module."""
    text = _MAP.sub(b"", text).rstrip() + b"\n"
    return text + f"export default {copy.export};\n".encode() if copy.export else text


def integrity(archive: bytes) -> str:
    """As npm's lock files write it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


def notice(licenses: dict[str, str]) -> str:
    """The text that says whose the libraries are. `licenses`: by package."""
    parts = [HEAD]
    for library in LIBRARIES:
        files = ", ".join(copy.name for copy in library.copies) or "part of another library here"
        title = f"{library.package} {library.version} ({library.license}): {files}"
        parts.append(f"{title}\n{'=' * len(title)}\n\n{licenses[library.package].strip()}\n")
    return "\n".join(parts)


def sizes(texts: dict[str, bytes]) -> str:
    """A line for each file: its size, and its size as a browser loads it."""
    lines = (f"{name:20} {len(text):8} bytes, {len(gzip.compress(text)):7} compressed" for name, text in texts.items())
    return "\n".join(lines)


def _archive(library: Library, folder: Path) -> Path:
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{library.package}@{library.version}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_DEADLINE_S)
    return folder / done.stdout.strip().splitlines()[-1]


def _read(packed: tarfile.TarFile, name: str) -> bytes:
    found = packed.extractfile(f"package/{name}")
    if found is None:
        raise FileNotFoundError(name)
    return found.read()


if __name__ == "__main__":
    sys.exit(main())
