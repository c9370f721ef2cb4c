"""Nothing that is shipped asks a host outside the installation, or tells clients to, before the operator names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from compose_servers import loaded

from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import NodeKind
from scripts.reference.settings import services

OURS = re.compile(r"localhost|127\.0\.0\.1|0\.0\.0\.0|\[?::1?\]?|[a-z][a-z0-9-]*")
"""Loopback, all addresses, and names without a dot: those of containers."""
URI = re.compile(r"(?:[a-z][a-z0-9+.-]*://|\b(?:stuns?|turns?):)(\[[0-9a-fA-F:.]+\]|[\w.-]+)")
NAMED_FIRST = {"acme_directory"}
"""Settings with a host that is asked only with another setting, which has no default: `acme_names`."""
WORDS_ONLY = {"www.w3.org"}
"""Names of XML's namespaces, which nobody fetches."""
PAGES = Path(__file__).parents[2] / "services/signaling/pages/static"
VENDORED = PAGES / "console/vendor"
OUR_PAGES = {path for path in PAGES.rglob("*.*") if VENDORED not in path.parents}
ASKS = re.compile(r"fetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|import\(|importScripts|new Worker|@import")
"""By what a script reaches another host."""
QUIET = {
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
}


def foreign(text: str) -> list[str]:
    """The hosts outside the installation that a text names in an address."""
    return [host for host in URI.findall(text) if not OURS.fullmatch(host)]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("stun:stun.example:3478", ["stun.example"]),
        ("turns:[2001:db8::1]:443", ["[2001:db8::1]"]),
        ("a https://cdn.example.org/x.js and tls://nats:4222", ["cdn.example.org"]),
        ("http://127.0.0.1:8500 http://[::1]:80 ws://localhost/", []),
        ("status: running", []),
    ],
)
def test_addresses_of_others_are_found(text: str, hosts: list[str]) -> None:
    assert foreign(text) == hosts


def texts(value: object) -> Iterator[str]:
    """All texts in a value."""
    match value:
        case str():
            yield value
        case dict():
            for key, one in value.items():
                yield from (*texts(key), *texts(one))
        case list() | tuple() | set() | frozenset():
            for one in value:
                yield from texts(one)


@pytest.mark.parametrize("kind", NodeKind)
def test_no_default_of_a_node_names_a_host_of_others(kind: NodeKind) -> None:
    fields = services()[kind].model_fields
    named = {
        name
        for name, field in fields.items()
        for text in texts(field.get_default(call_default_factory=True))
        if foreign(text)
    }

    assert named <= NAMED_FIRST
    assert fields.keys() & NAMED_FIRST == named, "the list has what is not there any more"


def test_a_certificate_is_asked_for_only_when_names_are_set() -> None:
    fields = services()[NodeKind.SIGNALING].model_fields

    assert fields["acme_names"].get_default(call_default_factory=True) == []
    assert fields["acme_terms_agreed"].default is False


def test_no_default_of_an_app_names_a_host_of_others() -> None:
    settings = msgspec.to_builtins(AppSettings(app_name=AppName("live")))

    assert [text for text in texts(settings) if foreign(text)] == []
    assert settings["stunServerUri"] == ""


@pytest.mark.parametrize("path", sorted(VENDORED.glob("*.js")), ids=lambda path: path.name)
def test_no_library_of_others_asks_anybody(path: Path) -> None:
    """They name hosts in their comments; nothing in them could ask one."""
    assert ASKS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", sorted(OUR_PAGES), ids=lambda path: path.name)
def test_no_page_loads_from_elsewhere(path: Path) -> None:
    assert set(foreign(path.read_text(encoding="utf-8"))) <= WORDS_ONLY
    assert re.findall(r"""(?:src|href|url|import|from)\s*[=(]?\s*["']//""", path.read_text(encoding="utf-8")) == []


def compose_files(root: Path) -> Iterator[Path]:
    yield root / "docker-compose.yml"
    yield from sorted((root / "deploy/compose").glob("*.yml"))


def test_containers_are_told_no_host_of_others(root: Path) -> None:
    found = {}
    for path in compose_files(root):
        for name, service in loaded(path)["services"].items():
            said = {key: service.get(key) for key in ("environment", "command")}
            if hosts := [host for text in texts(said) for host in foreign(text)]:
                found[f"{path.name}: {name}"] = hosts

    assert found == {}


def test_what_watches_the_cluster_looks_for_nothing_outside(root: Path) -> None:
    stack = loaded(root / "docker-compose.yml")["services"]

    assert {key: stack["grafana"]["environment"].get(key) for key in QUIET} == QUIET
    assert "disable_update_check = true" in (root / "deploy/consul/agent.hcl").read_text()
    assert (root / "deploy/helm/rillcast/files/agent.hcl").resolve() == root / "deploy/consul/agent.hcl"
