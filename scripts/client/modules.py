"""The text of a module of Python."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence

from scripts.reference.found import ROOT


class Imports:
    """What a module imports."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = defaultdict(set)

    def add(self, module: str, name: str = "") -> None:
        """A name of a module, or the module itself."""
        self._names[module].add(name)

    def text(self) -> str:
        """As lines, which `formatted` sorts."""
        lines = ["from __future__ import annotations"]
        for module, names in self._names.items():
            if "" in names:
                lines.append(f"import {module}")
            if listed := sorted(names - {""}):
                lines.append(f"from {module} import {', '.join(listed)}")
        return "\n".join(lines)


def module(about: str, imports: Imports, parts: Sequence[str]) -> str:
    """With a docstring that says where it comes from."""
    head = f'"""{about}\n\nWritten by `make reference` from the tables of REST. Do not change it by hand.\n"""'
    return "\n\n".join([head, imports.text(), *parts]) + "\n"


def formatted(text: str, name: str) -> str:
    """As ruff sorts its imports and formats it. Raises `CalledProcessError` for what is no Python."""
    for command in (["check", "--quiet", "--select", "I", "--fix"], ["format"]):
        argv = [sys.executable, "-m", "ruff", *command, "--stdin-filename", name, "-"]
        text = subprocess.run(argv, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text
