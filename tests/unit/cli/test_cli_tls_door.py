"""What `rillcast up` knows of signaling's port with TLS."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import trustme
from rich.console import Console

from rillcast.cli import ports
from rillcast.cli.faults import CannotGoOn
from rillcast.cli.plan import Keys, Ports, ProcessSpec, Wishes, services
from rillcast.cli.ports import require_free
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.tls_door import TlsDoor, tls_door
from rillcast.cli.up import Discovery, ForOperators, summary
from services.signaling.config import SignalingSettings

S = "RILLCAST_SIGNALING_"
KEYS = Keys(Path("/keys/seeds"), Path("/keys/tokens"), Path("/keys/tls/ca.pem"))


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "both.pem"
    trustme.CA().issue_cert("*.example.org", "live.example.org").private_key_and_cert_chain_pem.write_to_path(file)
    return {f"{S}TLS_CERTIFICATE": str(file), f"{S}TLS_KEY": str(file)}


def signaling(environment: dict[str, str], http: int = 5080) -> ProcessSpec:
    return next(s for s in services(Wishes(ports=Ports(http=http)), environment, KEYS) if s.name == "signaling-1")


def shown(environment: dict[str, str]) -> str:
    told = ForOperators(None, [], tls_door(environment))
    with io.StringIO() as text:
        table = summary(
            Wishes(), Discovery(None, ""), RunFolder(Path("x")), "http://127.0.0.1:5080/", took_s=1, told=told
        )
        Console(file=text, width=200).print(table)
        return text.getvalue()


def test_without_a_certificate_there_is_none() -> None:
    assert tls_door({f"{S}TLS_PORT": "5444"}) is None
    assert 5443 not in signaling({}).tcp_ports
    assert "https" not in shown({})


def test_the_default_port_is_that_of_signaling(certificate: dict[str, str]) -> None:
    door = tls_door(certificate)
    assert door is not None
    assert door.port == SignalingSettings.model_fields["tls_port"].default
    assert door.port in signaling(certificate).tcp_ports


@pytest.mark.parametrize("prefix", [S, "RILLCAST_"])
def test_its_port_is_looked_at_before_the_start(
    certificate: dict[str, str], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda kind, port: port != 5444)
    monkeypatch.setattr(ports, "_by_whom", lambda kind, port: "")
    with pytest.raises(CannotGoOn, match="TCP port 5444, which signaling-1 needs, is in use"):
        require_free([signaling(certificate | {f"{prefix}TLS_PORT": "5444"})])


def test_a_port_that_one_process_needs_twice_is_said(
    certificate: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda kind, port: True)
    spec = signaling(certificate | {f"{S}TLS_PORT": "47123"}, http=47123)
    with pytest.raises(CannotGoOn, match="TCP port 47123, which signaling-1 needs, is needed by signaling-1 as well"):
        require_free([spec])


def test_any_free_port_is_no_port_to_look_at(certificate: dict[str, str]) -> None:
    assert 0 not in signaling(certificate | {f"{S}TLS_PORT": "0"}).tcp_ports
    assert "the port is in the log of signaling" in shown(certificate | {f"{S}TLS_PORT": "0"})


def test_the_summary_has_a_name_of_the_certificate(certificate: dict[str, str]) -> None:
    text = shown(certificate)
    assert "https://live.example.org:5443/" in text
    assert "wss://live.example.org:5443/live/websocket" in text
    assert "https://live.example.org/ " in shown(certificate | {f"{S}PUBLIC_TLS_PORT": "443"})


def test_a_name_that_an_authority_is_asked_for_is_shown() -> None:
    assert "https://one.example.org:5443/" in shown({f"{S}ACME_NAMES": "one.example.org, two.example.org"})


@pytest.mark.parametrize("wrong", ["", "-1", "x", "٣", "65536", "9" * 5_000])
def test_settings_that_signaling_will_refuse_raise_nothing(tmp_path: Path, wrong: str) -> None:
    missing = str(tmp_path / "missing.pem")
    environment = {f"{S}TLS_CERTIFICATE": missing, f"{S}TLS_PORT": wrong, f"{S}PUBLIC_TLS_PORT": wrong}
    assert tls_door(environment) == TlsDoor(5443)


def test_without_a_name_it_is_the_address_of_the_machine() -> None:
    assert TlsDoor(5443).authority("192.0.2.7") == "192.0.2.7:5443"
    assert TlsDoor(5443, names=("*.example.org", "2001:db8::1")).authority("192.0.2.7") == "[2001:db8::1]:5443"
