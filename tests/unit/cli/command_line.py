"""The command line against a server that answers as the test says."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from rillcast.cli import operators
from rillcast.cli.ending import ended
from rillcast.cli.main import ALONE, PARTS
from rillcast.client import Client

SERVER = "http://rillcast.test"
Reply = Callable[[httpx.Request], httpx.Response]


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


@dataclass
class Line:
    """Commands that ask a server of the test."""

    reply: Reply = lambda _: httpx.Response(200, json={"success": True})
    asked: list[str] = field(default_factory=list)
    """Method, path and query, and the body if there was one."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = request.read().decode()
        self.asked.append(f"{request.method} {request.url.raw_path.decode()}" + (f" {body}" if body else ""))
        return self.reply(request)

    def client_of(self, who: operators.Operator) -> Client:
        return Client(who.base, token=who.token, session=who.session, transport=httpx.MockTransport(self.answer))

    def run(self, *argv: str, typed: str = "", width: int = 200) -> Ran:
        """As `rillcast` with these words."""
        root = typer.Typer()
        for name, module in PARTS.items():
            if argv[0] == name:
                root.add_typer(importlib.import_module(module).app, name=name)
        for alone in ALONE:
            root.add_typer(importlib.import_module(alone).app)
        runner = CliRunner(env={"COLUMNS": str(width), "RILLCAST_SERVER": SERVER, "TERM": "dumb"})
        code = 0

        def run() -> None:
            nonlocal code
            code = ended(lambda: root(list(argv), prog_name="rillcast"))

        wrapper = typer.Typer()
        wrapper.command()(run)
        result = runner.invoke(wrapper, [], input=typed)
        return Ran(code or result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Line:
    """A server that says of everything that it was done, and a user without sessions."""
    made = Line()
    for module in ("rillcast.cli.operators", "rillcast.cli.commands.login"):
        monkeypatch.setattr(f"{module}.client_of", made.client_of)
    monkeypatch.setenv("RILLCAST_SESSION_FILE", str(tmp_path / "sessions.json"))
    monkeypatch.setenv("RILLCAST_RUN_DIR", str(tmp_path / "run"))
    for name in ("RILLCAST_TOKEN", "RILLCAST_PASSWORD", "RILLCAST_SIGNALING_LOCAL_TOKEN_PATH", "RILLCAST_CA"):
        monkeypatch.delenv(name, raising=False)
    return made
