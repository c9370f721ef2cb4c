"""What stops `rillcast up` before anything is started."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.plan import ProcessSpec
from rillcast.cli.ports import require_free
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.up import choose_discovery


@pytest.mark.parametrize(("kind", "word"), [(socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP")])
def test_a_port_in_use_is_named_with_who_needs_and_who_holds_it(kind: socket.SocketKind, word: str) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        ports = (holder.getsockname()[1],)
        tcp, udp = (ports, ()) if word == "TCP" else ((), ports)
        spec = ProcessSpec("edge-1", ("true",), tcp_ports=tcp, udp_ports=udp)

        with pytest.raises(CannotGoOn) as caught:
            require_free([spec])

    assert caught.value.sentence.startswith(f"{word} port {ports[0]}, which edge-1 needs, is in use")
    assert f"(pid {os.getpid()})" in caught.value.sentence


def test_a_second_instance_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as first:
        first.remember("http://127.0.0.1:5080/")

        with pytest.raises(CannotGoOn, match=rf"already running at http://127.0.0.1:5080/ \(pid {os.getpid()}\)"):
            RunFolder(tmp_path).__enter__()

    with RunFolder(tmp_path) as again:
        assert again.url() is None


def test_consul_is_used_when_it_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RILLCAST_DISCOVERY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_discovery().consul is None
    assert "no consul on PATH" in choose_discovery().sentence

    (tmp_path / "consul").write_text("#!/bin/sh\n")
    (tmp_path / "consul").chmod(0o755)
    assert choose_discovery().consul == tmp_path / "consul"

    monkeypatch.setenv("RILLCAST_DISCOVERY", "nats")
    assert choose_discovery().consul is None


def test_consul_asked_for_and_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RILLCAST_DISCOVERY", "consul")

    with pytest.raises(CannotGoOn, match="no consul on PATH"):
        choose_discovery()
