"""Writes every file of the client anew and says which ones have changed."""

from __future__ import annotations

import sys

from scripts.client.written import FOLDER, PARTS, written
from scripts.reference.found import ROOT


def main() -> int:
    """Files that nothing belongs to any more are deleted."""
    fresh = written()
    for path, text in fresh.items():
        file = ROOT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"{path} is written anew")
    for stale in stray_files():
        (ROOT / stale).unlink()
        print(f"{stale} is deleted")
    return 0


def stray_files() -> list[str]:
    """Files in the written packages that nothing writes."""
    found = [file for part in PARTS for file in (ROOT / FOLDER / part).glob("*.py")]
    return sorted({file.relative_to(ROOT).as_posix() for file in found} - written().keys())


if __name__ == "__main__":
    sys.exit(main())
