"""The units of deploy/systemd: systemd finds nothing wrong with them, and they expose as little as recorded here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from rillcast.contracts.words import NodeKind
from rillcast.runtime.settings import NodeSettings, load_settings

EXPOSURE = {"rillcast@.service": 1.2, "rillcast-nats.service": 1.2}
"""What `systemd-analyze security` of systemd 252 says, on a scale to 10: at 2 and below it writes OK. What is left is
that they use the network, Unix sockets and the files of the machine."""


@pytest.fixture
def units(root: Path, tmp_path: Path) -> Path:
    """The units, with programs that are there."""
    if shutil.which("systemd-analyze") is None:
        pytest.fail("there is no systemd-analyze (package systemd)")
    folder = tmp_path / "units"
    shutil.copytree(root / "deploy/systemd", folder)
    for unit in folder.glob("*.service"):
        if unit.is_file():
            unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.M))
    return folder


def analyze(*words: str) -> tuple[int, str]:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def instances(folder: Path) -> list[Path]:
    made = [folder / "rillcast-nats.service"]
    for kind in NodeKind:
        made.append(folder / f"rillcast@{kind}.service")
        shutil.copy(folder / "rillcast@.service", made[-1])
    return made


def test_systemd_finds_nothing_wrong_with_any_unit(units: Path) -> None:
    for unit in instances(units):
        assert analyze("verify", "--man=no", str(unit)) == (0, ""), unit.name


def test_the_drop_in_for_raw_egress_is_taken_and_adds_one_capability(units: Path) -> None:
    edge = next(unit for unit in instances(units) if unit.name == "rillcast@edge.service")
    folder = units / "rillcast@edge.service.d"
    shutil.copy(units / "raw-egress.conf", folder)

    assert analyze("verify", "--man=no", str(edge)) == (0, "")
    lines = (folder / "raw-egress.conf").read_text().splitlines()
    assert [line for line in lines if "CAP_" in line] == [
        "AmbientCapabilities=CAP_NET_RAW",
        "CapabilityBoundingSet=CAP_NET_RAW",
    ]


def test_a_misspelled_line_would_be_found(units: Path) -> None:
    unit = units / "rillcast-nats.service"
    unit.write_text(unit.read_text().replace("PrivateUsers=", "PrivateUser="))

    said = analyze("verify", "--man=no", str(unit))[1]

    assert "PrivateUser" in said
    assert "Unknown key" in said


@pytest.mark.parametrize("name", EXPOSURE)
def test_units_expose_as_little_as_recorded(units: Path, name: str) -> None:
    unit = units / name.replace("@", "@edge")
    if not unit.exists():
        shutil.copy(units / name, unit)

    said = analyze("security", "--offline=true", "--no-pager", str(unit))[1]

    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= EXPOSURE[name]


def test_every_kind_has_the_memory_that_compose_gives_it(root: Path) -> None:
    services = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    for kind in NodeKind:
        text = (root / f"deploy/systemd/rillcast@{kind}.service.d/kind.conf").read_text()
        assert re.findall(r"^MemoryMax=(\w+)$", text, re.M) == [
            services[kind]["deploy"]["resources"]["limits"]["memory"]
        ]


def test_systemd_waits_for_longer_than_a_drain(root: Path) -> None:
    text = (root / "deploy/systemd/rillcast@.service").read_text()
    (drain,) = re.findall(r"^Environment=RILLCAST_DRAIN_TIMEOUT_S=(\d+)$", text, re.M)
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.M)

    assert int(stop) >= int(drain) + 20


@pytest.mark.parametrize("kind", NodeKind)
def test_settings_in_units_are_settings(
    root: Path,
    settings: dict[NodeKind, type[NodeSettings]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: NodeKind,
) -> None:
    seed = tmp_path / "nats.nkey"
    seed.write_text("SUAA\n")
    files = (root / "deploy/systemd/rillcast@.service", root / f"deploy/systemd/rillcast@{kind}.service.d/kind.conf")
    pairs = [pair for file in files for pair in re.findall(r"(RILLCAST_\w+)=(\S+)", file.read_text())]
    assert len(pairs) >= 2
    for name, value in pairs:
        monkeypatch.setenv(name, value.replace("%d", str(tmp_path)))

    loaded = load_settings(settings[kind])

    assert loaded.drain_timeout_s == 120
    assert loaded.nats_nkey.get_secret_value() == "SUAA"
