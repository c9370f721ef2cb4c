"""Compose, .env.example and `rillcast up` set nothing that does not exist, and nothing that is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rillcast.cli.plan import Keys, Wishes, services
from rillcast.contracts.ids import AppName
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_login import Login
from rillcast.runtime.bus.nats_users import keep_seeds, new_seed
from rillcast.runtime.discovery.consul_acl import keep_tokens, new_token
from rillcast.runtime.settings import NodeSettings, load_settings
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.file_tables import read_apps

Settings = dict[NodeKind, type[NodeSettings]]
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::-([^}]*))?")
NOT_SETTINGS = {"RILLCAST_HTTP_PORT", "RILLCAST_PUBLIC_ADDRESS"}
"""Read by compose only."""


def compose(root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())
    return loaded


def example(root: Path) -> dict[str, str]:
    """Variables of .env.example with the values shown, commented out or not."""
    lines = (root / ".env.example").read_text().splitlines()
    return {m[1]: m[2] for line in lines if (m := re.fullmatch(r"#? ?([A-Z][A-Z0-9_]+)=(.*)", line))}


def field_of(variable: str, settings: Settings) -> str | None:
    """The settings field a variable sets in at least one service."""
    for kind, cls in settings.items():
        for prefix in (f"RILLCAST_{kind.upper()}_", "RILLCAST_"):
            name = variable.removeprefix(prefix).lower()
            if variable.startswith(prefix) and (
                name in cls.model_fields or name.removesuffix("_file") in cls.model_fields
            ):
                return name
    return None


def use_only(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for variable in [name for name in os.environ if name.startswith("RILLCAST_")]:
        monkeypatch.delenv(variable)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.parametrize("kind", NodeKind)
def test_what_compose_sets_is_accepted(
    root: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: NodeKind
) -> None:
    environment = {
        key: VARIABLE.sub(r"\2", value).rstrip("}")
        for key, value in compose(root)["services"][kind]["environment"].items()
        if not key.startswith("RILLCAST_TOOLS_")
    }
    seed, token = tmp_path / "nats.nkey", tmp_path / "consul.token"
    seed.write_text(new_seed())
    token.write_text(f"{new_token()}\n")
    files = {"RILLCAST_NATS_NKEY_FILE": str(seed), "RILLCAST_CONSUL_TOKEN_FILE": str(token)}
    use_only(monkeypatch, environment | files)

    loaded = settings[kind]()

    assert Login(loaded).demands_tls
    assert loaded.nats_ca == loaded.consul_ca
    assert loaded.discovery == "consul"
    assert [name for name in environment if field_of(name, {kind: settings[kind]}) is None] == []


@pytest.mark.parametrize("kind", NodeKind)
@pytest.mark.parametrize("consul", [None, Path("/bin/consul")])
def test_what_rillcast_up_sets_is_accepted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: NodeKind, consul: Path | None
) -> None:
    keep_seeds(tmp_path / "seeds")
    keep_tokens(tmp_path / "tokens")
    keys = Keys(tmp_path / "seeds", tmp_path / "tokens", tmp_path / "ca.pem")
    spec = next(spec for spec in services(Wishes(consul=consul), {}, keys) if spec.name == f"{kind}-1")
    others = {"RILLCAST_NATS_USER": "x", "RILLCAST_NATS_CA": "/of/another", "RILLCAST_CONSUL_CA": "/of/another"}
    use_only(monkeypatch, others | {name: value for name, value in spec.env.items() if name.startswith("RILLCAST_")})

    loaded = settings[kind]()

    assert Login(loaded).demands_tls
    assert loaded.nats_ca == str(keys.authority)
    assert loaded.discovery == ("consul" if consul else "nats")
    assert not consul or loaded.consul_ca == str(keys.authority)
    assert loaded.node_id == f"{kind}-1"
    assert f"http://{loaded.admin_host}:{loaded.admin_port}/readyz" == spec.ready_url
    assert [name for name in spec.env if name.startswith("RILLCAST_") and field_of(name, settings) is None] == []


def test_every_variable_in_the_example_exists(root: Path, settings: Settings) -> None:
    text = (root / "docker-compose.yml").read_text() + (root / "deploy/compose/outside.yml").read_text()
    of_compose = {match[1] for match in VARIABLE.finditer(text)}

    unknown = [name for name in example(root) if name not in of_compose and field_of(name, settings) is None]

    assert len(example(root)) > 15
    assert unknown == []


def test_every_variable_that_compose_reads_is_in_the_example(root: Path) -> None:
    text = (root / "docker-compose.yml").read_text() + (root / "deploy/compose/outside.yml").read_text()

    missing = {match[1] for match in VARIABLE.finditer(text)} - set(example(root))

    assert missing == set()


def test_the_example_shows_the_real_defaults(root: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    use_only(monkeypatch, {})
    of_compose = {m[1]: m[2] or "" for m in VARIABLE.finditer((root / "docker-compose.yml").read_text())}
    wrong = {}
    for name, shown in example(root).items():
        if name in NOT_SETTINGS and name not in of_compose:
            continue
        default = of_compose[name] if name in of_compose else shown_default(name, settings)
        if shown != default:
            wrong[name] = (shown, default)

    assert wrong == {}


def shown_default(variable: str, settings: Settings) -> str:
    """A field's default the way it is written in the environment."""
    for kind, cls in settings.items():
        name = field_of(variable, {kind: cls})
        if name is not None:
            default = cls.model_fields[name].get_default(call_default_factory=False)
            if isinstance(default, list):
                return ",".join(map(str, default))
            if isinstance(default, bool):
                return str(default).lower()
            return (
                default.get_secret_value()
                if hasattr(default, "get_secret_value")
                else f"{default:g}"
                if isinstance(default, float)
                else str(default)
            )
    raise AssertionError(f"{variable} sets nothing")


def test_the_ladder_overlay_mounts_settings_that_are_accepted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = yaml.safe_load((root / "deploy/compose/ladder.yml").read_text())["services"]["signaling"]
    source, target, _ = overlay["volumes"][0].split(":")

    assert overlay["environment"] == {"RILLCAST_SIGNALING_APPS_FILE": target}
    monkeypatch.setenv("RILLCAST_SIGNALING_APPS_FILE", str(root / source))
    settings = load_settings(SignalingSettings)
    apps = read_apps(settings.apps_file)

    assert "live" in settings.apps
    assert [rung.height for rung in apps[AppName("live")].encoder_settings] == [720, 480, 360]
