"""Settings: where they come from, and how nonsense is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from rillcast.runtime.settings import MediaSettings, env_prefix, load_settings


class EdgeSettings(MediaSettings):
    model_config = env_prefix("edge")

    linger_s: float = Field(default=30.0, gt=0)
    table: str = ""
    table_file: str = ""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for key in os.environ:
        if key.startswith("RILLCAST_"):
            monkeypatch.delenv(key)


def refusal(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load_settings(EdgeSettings)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_defaults_name_the_node_after_its_kind() -> None:
    one, other = load_settings(EdgeSettings), load_settings(EdgeSettings)
    assert one.node_id.startswith("edge-")
    assert one.node_id != other.node_id
    assert one.discovery == "nats"


def test_the_service_s_own_variable_beats_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RILLCAST_REGION", "shared")
    monkeypatch.setenv("RILLCAST_ZONE", "zone")
    monkeypatch.setenv("RILLCAST_EDGE_REGION", "own")
    settings = load_settings(EdgeSettings)
    assert (settings.region, settings.zone) == ("own", "zone")


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RILLCAST_ADVERTISE_MEDIA_ADDRESSES", "192.0.2.1, 2001:db8::1")
    assert load_settings(EdgeSettings).advertise_media_addresses == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize(
    ("advertised", "bound", "listens"),
    [
        ("", "", "0.0.0.0"),
        ("192.0.2.1", "", "0.0.0.0"),
        ("2001:db8::1", "", "::"),
        ("2001:db8::1", "::1", "::1"),
    ],
)
def test_relays_listen_where_other_nodes_are_told_to_reach_them(
    monkeypatch: pytest.MonkeyPatch, advertised: str, bound: str, listens: str
) -> None:
    monkeypatch.setenv("RILLCAST_ADVERTISE_ADDRESS", advertised)
    monkeypatch.setenv("RILLCAST_EDGE_RELAY_BIND", bound)
    assert load_settings(EdgeSettings).relays_listen_at == listens


def test_a_setting_that_is_a_file_itself_is_not_read_into_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "table").write_text("what is in it")
    monkeypatch.setenv("RILLCAST_EDGE_TABLE_FILE", str(tmp_path / "table"))
    settings = load_settings(EdgeSettings)
    assert (settings.table, settings.table_file) == ("", str(tmp_path / "table"))


def test_a_secret_can_come_from_a_file_and_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("RILLCAST_NATS_TOKEN_FILE", str(tmp_path / "token"))
    settings = load_settings(EdgeSettings)
    assert settings.nats_token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_a_missing_secret_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RILLCAST_NATS_TOKEN_FILE", "/nowhere/token")
    (line,) = refusal(capsys)
    assert line.startswith("RILLCAST_NATS_TOKEN_FILE: cannot read /nowhere/token")


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("RILLCAST_EDGE_WORKERS", "zero", "integer"),
        ("RILLCAST_CONSUL_URL", "http://consul:8500/proxied", "scheme, host and port only"),
        ("RILLCAST_WORKERS", "0", "greater than or equal to 1"),
        ("RILLCAST_EDGE_ADMIN_PORT", "70000", "65535"),
        ("RILLCAST_EDGE_LINGER_S", "-1", "greater than 0"),
        ("RILLCAST_NATS_URL", "http://x", "nats://"),
        ("RILLCAST_CONSUL_URL", "consul:8500", "http://"),
        ("RILLCAST_ADVERTISE_ADDRESS", "host.example", "IPv4 or IPv6"),
        ("RILLCAST_EDGE_NODE_ID", "a.b", "letters, digits"),
        ("RILLCAST_EDGE_REGION", "r" * 65, "at most 64 characters"),
        ("RILLCAST_EDGE_ZONE", "z" * 300, "at most 64 characters"),
        ("RILLCAST_DISCOVERY", "etcd", "'nats' or 'consul'"),
        ("RILLCAST_EDGE_MEDIA_BIND", "0.0.0.0,nonsense", "nonsense"),
        ("RILLCAST_LOG_LEVEL", "loud", "'debug'"),
    ],
)
def test_nonsense_is_one_line_with_the_variable_and_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str, value: str, part: str
) -> None:
    monkeypatch.setenv(key, value)
    (line,) = refusal(capsys)
    assert line.startswith(f"{key}: ")
    assert part in line


def test_every_fault_gets_its_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RILLCAST_EDGE_WORKERS", "x")
    monkeypatch.setenv("RILLCAST_EDGE_PIN", "perhaps")
    lines = refusal(capsys)
    assert sorted(line.split(":")[0] for line in lines) == ["RILLCAST_EDGE_PIN", "RILLCAST_EDGE_WORKERS"]


def test_a_misspelt_own_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RILLCAST_EDGE_WORKRES", "2")
    assert refusal(capsys) == ["RILLCAST_EDGE_WORKRES: there is no such setting"]


def test_variables_of_other_services_are_none_of_its_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RILLCAST_ORIGIN_WORKERS", "nonsense")
    assert load_settings(EdgeSettings).workers == 1


def test_ports_must_fit_all_workers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RILLCAST_EDGE_MEDIA_PORT", "65535")
    monkeypatch.setenv("RILLCAST_EDGE_WORKERS", "2")
    (line,) = refusal(capsys)
    assert "media_port + workers" in line
