"""Writes both templates anew, and says which have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.clouds.aws import template as aws
from scripts.clouds.azure import template as azure

ROOT = Path(__file__).resolve().parents[2]
FILES: Mapping[str, Callable[[], str]] = {aws.PATH: aws.render, azure.PATH: azure.render}


def main() -> None:
    """Write what differs."""
    for name, render in FILES.items():
        path, text = ROOT / name, render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{name} is written anew")


if __name__ == "__main__":
    main()
