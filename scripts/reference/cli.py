"""docs/reference/cli.md: the commands of `rillcast` with their arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from rillcast.cli import main
from scripts.reference.faults import Undocumented
from scripts.reference.found import ROOT
from scripts.reference.markdown import bullets, page, prose

INTRODUCTION = """
After `make setup` the command is `.venv/bin/rillcast`. In containers it is on the path:
`docker compose exec signaling rillcast status`. A fault that the user can mend is one line and the exit code 1.
"""


def render() -> str:
    """The page. Raises `Undocumented` for commands without a help text."""
    main.mount_parts("")
    whole = get_command(main.app)
    if faults := [f"`{path}` has no help text" for path, command in _walk(whole, "rillcast") if not command.help]:
        raise Undocumented(faults)
    parts = [part for path, command in _walk(whole, "rillcast") for part in _section(path, command)]
    return page("The command line", "`rillcast/cli`", INTRODUCTION, parts)


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A command and all below it, with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(below, f"{path} {name}")


def _section(path: str, command: Any) -> Iterator[str]:
    yield f"## `{path}`"
    yield prose(inspect.cleandoc(command.help))
    if entries := [_parameter(parameter) for parameter in command.params if parameter.name != "help"]:
        yield bullets(entries)


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    name = ", ".join(parameter.opts) if is_option else str(parameter.name).upper()
    words = [f"`{name}`"]
    if parameter.required:
        words.append("(must be given)")
    elif (default := _default(parameter)) != "":
        words.append(f"(default: `{default}`)")
    if help_text := getattr(parameter, "help", None):
        words.append(f"– {help_text}")
    if parameter.envvar:
        words.append(f"Environment: `{parameter.envvar}`.")
    return " ".join(words)


def _default(parameter: Any) -> str:
    default = parameter.default
    if default is None or callable(default) or default is False:
        return ""
    return str(default).replace(str(ROOT), ".")
