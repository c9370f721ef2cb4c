"""Completion of commands and options by shells."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum

from typer import completion as of_typer

PROGRAM = "rillcast"
VARIABLE = "_RILLCAST_COMPLETE"
"""Set by the scripts when they ask what there is."""


class Shell(StrEnum):
    """Whose scripts there are."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion_script(shell: Shell) -> str:
    """What the shell reads."""
    made = of_typer.get_completion_script  # type: ignore[attr-defined]  # it is made nowhere else
    return str(made(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value))


def prepare_completion() -> None:
    """Called once, before the command runs: lets Typer answer the scripts."""
    if VARIABLE in os.environ:
        of_typer.completion_init()  # type: ignore[attr-defined]


def asked_part(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """The first word after the program's name, also while a shell asks how to complete it."""
    if VARIABLE not in environment:
        return argv[1] if len(argv) > 1 else ""
    line = environment.get("COMP_WORDS") or environment.get("_TYPER_COMPLETE_ARGS", "")
    words = line.split()
    return words[1] if len(words) > 1 else ""
