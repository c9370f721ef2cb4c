"""Groups of commands whose list is shown when nothing else is asked for."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

LIST = "list"


class ListFirst(TyperGroup):
    """``rillcast streams --app live`` is ``rillcast streams list --app live``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Called once for each call of the command."""
        completing = ctx.resilient_parsing and not args
        if not completing and (not args or (args[0].startswith("-") and args[0] != "--help")):
            args = [LIST, *args]
        return list(super().parse_args(ctx, args))


def group(about: str) -> typer.Typer:
    """One that has a command `list`."""
    help_text = f"{about} Without a command: list."
    return typer.Typer(help=help_text, short_help=about, cls=ListFirst, no_args_is_help=False)
