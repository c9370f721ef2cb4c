"""Options that all commands share which ask a signaling instance."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer
from rich.console import Console

from rillcast.cli.operators import Operator, address, asking, operator
from rillcast.cli.run_folder import RunFolder
from rillcast.client import Client

ROOT = Path(__file__).resolve().parents[2]
PANEL = "Server"
RunDir = Annotated[
    Path, typer.Option(envvar="RILLCAST_RUN_DIR", help="Where state and logs are kept.", rich_help_panel=PANEL)
]
Server = Annotated[
    str,
    typer.Option(
        "--server",
        "--url",
        envvar="RILLCAST_SERVER",
        help="Address of a signaling node. Default: the stack running in this folder, else the last login.",
        rich_help_panel=PANEL,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="File with a token. Default: RILLCAST_TOKEN, else what signaling left on this machine.",
        rich_help_panel=PANEL,
    ),
]
User = Annotated[
    str,
    typer.Option(
        help="Sign in with this name. The password is RILLCAST_PASSWORD, or asked for.", rich_help_panel=PANEL
    ),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar="RILLCAST_CA",
        help="File with the certificates that vouch for the server. Default: those of the system.",
        rich_help_panel=PANEL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="What the server answers, as JSON.")]


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which instance is asked, and as whom."""

    server: Server = ""
    run_dir: RunDir = ROOT / ".run"
    token_file: TokenFile = None
    user: User = ""
    ca: Authority = None

    def address(self) -> str:
        """Which instance. Raises CannotGoOn."""
        return address(self.server, RunFolder(self.run_dir))

    def operator(self) -> Operator:
        """As whom. Raises CannotGoOn."""
        return operator(self.server, RunFolder(self.run_dir), self.token_file, self.user, authority=self.ca)

    @contextmanager
    def asking(self) -> Iterator[Client]:
        """A client that is let in, if what it shows holds. Raises CannotGoOn."""
        with asking(self.operator()) as client:
            yield client


Given = ParamSpec("Given")
_SHARED = get_type_hints(Where, include_extras=True)


def asks(function: Callable[Concatenate[Where, Given], None]) -> Callable[..., None]:
    """A command with these options besides its own. `function` gets what they say as its first argument."""
    first, *own = inspect.signature(function).parameters.values()
    hints = get_type_hints(function, include_extras=True)
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(Where, name), annotation=hint)
        for name, hint in _SHARED.items()
    ]
    typed = [one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY) for one in own]

    @functools.wraps(function)
    def run(**given: Any) -> None:
        where = Where(**{name: given.pop(name) for name in _SHARED})
        function(where, **given)  # type: ignore[call-arg]

    run.__signature__ = inspect.Signature([*typed, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in [*typed, *shared]}
    del hints[first.name]
    return run


def console() -> Console:
    """Of the output, at this moment."""
    return Console()
