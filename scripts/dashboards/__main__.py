"""Writes all dashboards anew, removes those that are no longer made, and says what has changed."""

from __future__ import annotations

from pathlib import Path

from scripts.dashboards.all import FOLDER, rendered

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Write what differs."""
    folder, files = ROOT / FOLDER, rendered()
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{FOLDER}/{name} is written anew")
    for path in folder.glob("*.json"):
        if path.name not in files:
            path.unlink()
            print(f"{FOLDER}/{path.name} is removed")


if __name__ == "__main__":
    main()
