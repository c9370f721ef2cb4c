"""Writes every page and the client of REST anew, and says which files have changed."""

from __future__ import annotations

import subprocess
import sys

from scripts.reference.faults import Undocumented
from scripts.reference.found import ROOT


def main() -> int:
    """Return 1 when the code lacks a docstring that a page needs; each one is named on a line of its own."""
    # In a process of its own, since the page of the commands is made with the client that is written here.
    subprocess.run([sys.executable, "-m", "scripts.client"], check=True, cwd=ROOT)
    from scripts.reference.pages import ELSEWHERE, FOLDER, PAGES

    (ROOT / FOLDER).mkdir(exist_ok=True)
    faults: list[str] = []
    for name, page in {**{f"{FOLDER}/{name}": page for name, page in PAGES.items()}, **ELSEWHERE}.items():
        try:
            text = page()
        except Undocumented as error:
            faults += error.places
            continue
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{name} is written anew")
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
