"""The units of deploy/systemd under a real systemd: nodes come up inside their fences, carry media, drain, and are
watched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rillcast.cli.tls_files import AUTHORITY, keep_in_folder
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import keep_seeds, seed_file, server_config
from rillcast.testing.eventually import eventually
from tests.process.booted_systemd import BootedMachine, booted_machine, missing

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
NATS = """
listen: "127.0.0.1:4222"
server_name: "n0"
tls {
  cert_file: "/run/credentials/rillcast-nats.service/server.pem"
  key_file: "/run/credentials/rillcast-nats.service/server.pem"
}
jetstream { store_dir: "/var/lib/rillcast/nats" }
"""
PYTHON = "/opt/rillcast/.venv/bin/python"
KINDS = (NodeKind.LICENSE, NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER, NodeKind.SIGNALING)
ADMIN = {kind: 9_100 + number for number, kind in enumerate(KINDS)}
LIBRARIES = {"LD_LIBRARY_PATH": "/opt/python/lib"}
"""Those of Python itself, wherever this machine has them."""
WATCHDOG_S = 4


def configuration(folder: Path) -> Path:
    """What lies in /etc/rillcast of a machine that runs everything."""
    folder.mkdir()
    seeds = keep_seeds(folder / "keys")
    (folder / "nats.conf").write_text(NATS + server_config(seeds))
    keep_in_folder(folder / "made")
    (folder / "tls").mkdir()
    shutil.copy(folder / "made" / "nats.pem", folder / "tls" / "server.pem")
    shutil.copy(folder / "made" / AUTHORITY, folder / AUTHORITY)
    (folder / AUTHORITY).chmod(0o644)
    common = {"RILLCAST_NATS_URL": "tls://127.0.0.1:4222", "RILLCAST_NATS_CA": f"/etc/rillcast/{AUTHORITY}"}
    write_settings(folder / "cluster.env", common | LIBRARIES)
    for kind, port in ADMIN.items():
        write_settings(folder / f"{kind}.env", {f"RILLCAST_{kind.upper()}_ADMIN_PORT": str(port)})
    folder.chmod(0o755)
    assert seed_file(folder / "keys", BusUser.EDGE).stat().st_mode & 0o077 == 0
    return folder


def write_settings(file: Path, settings: dict[str, str]) -> None:
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


async def drop_in(machine: BootedMachine, unit: str, *lines: str) -> None:
    """Change a unit, as `systemctl edit` does."""
    folder = f"/etc/systemd/system/{unit}.service.d"
    text = "[Service]\n" + "\n".join(lines) + "\n"
    await machine.run("/bin/sh", "-c", 'mkdir -p "$1" && printf "%s" "$2" > "$1/$3.conf"', "sh", folder, text, unit)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BootedMachine]:
    """Every kind of node and NATS, started by systemd."""
    if why := missing():
        (pytest.fail if os.environ.get("RILLCAST_REQUIRE_ALL") == "1" else pytest.skip)(why)
    folder = tmp_path_factory.mktemp("systemd")
    (folder / "machine").mkdir()
    async with booted_machine(folder / "machine", configuration(folder / "etc")) as booted:
        # There is no journal.
        for unit in ("rillcast@", "rillcast-nats"):
            await drop_in(booted, unit, "StandardOutput=append:/run/%n.log", "StandardError=append:/run/%n.log")
        await drop_in(booted, "rillcast@license", f"WatchdogSec={WATCHDOG_S}")
        await booted.run("systemctl", "daemon-reload")
        for unit in ("rillcast-nats", *(f"rillcast@{kind}" for kind in KINDS)):
            await start(booted, unit)
        yield booted


async def start(machine: BootedMachine, unit: str) -> None:
    try:
        await machine.run("systemctl", "start", unit)
    except AssertionError as error:
        status = await machine.run("systemctl", "status", "--no-pager", unit, must=False)
        raise AssertionError(f"{error}\n{status}\n{await log_of(machine, unit)}") from None


async def log_of(machine: BootedMachine, unit: str) -> str:
    return await machine.run("cat", f"/run/{unit}.service.log", must=False)


async def takes_work(machine: BootedMachine, kind: NodeKind) -> None:
    async def says() -> bool:
        return await machine.show(f"rillcast@{kind}", "StatusText") == "takes new work"

    await eventually(says, 60, f"{kind} taking new work")


async def test_each_kind_comes_up_and_says_so(machine: BootedMachine) -> None:
    for kind in KINDS:
        assert await machine.show(f"rillcast@{kind}", "ActiveState") == "active"
        await takes_work(machine, kind)
        assert "Traceback" not in await log_of(machine, f"rillcast@{kind}")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_node_has_no_privilege_and_reads_its_own_key_alone(machine: BootedMachine, kind: NodeKind) -> None:
    pid = await machine.show(f"rillcast@{kind}", "MainPID")
    rows = (line.split(":", 1) for line in (await machine.run("cat", f"/proc/{pid}/status")).splitlines())
    status = {name: value.split() for name, value in rows}

    assert int(status["Uid"][0]) >= 61_184, "the first of systemd's dynamic users"
    assert all(int(status[name][0], 16) == 0 for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb"))
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    inside = ("nsenter", "-t", pid, "-m", "-S", status["Uid"][0], "-G", status["Gid"][0], "-U")
    assert await machine.run(*inside, "ls", f"/run/credentials/rillcast@{kind}.service") == "nats.nkey"
    for other in (f"/etc/rillcast/keys/{kind}.nkey", "/run/credentials/rillcast-nats.service/server.pem"):
        said = await machine.run(*inside, "cat", other, must=False)
        assert said.startswith("cat: ") and said.endswith(("Permission denied", "No such file or directory"))
    for place in ("/etc/x", "/opt/rillcast/x", "/var/lib/x"):
        assert "cannot touch" in await machine.run(*inside, "touch", place, must=False)


async def test_media_goes_through_nodes_inside_their_fences(machine: BootedMachine) -> None:
    path = "LD_LIBRARY_PATH={LD_LIBRARY_PATH}".format_map(LIBRARIES)
    bench = ("env", "-C", "/opt/rillcast", path, PYTHON, "-m", "rillcast.cli", "bench")
    await takes_work(machine, NodeKind.SIGNALING)
    command = " ".join((*bench, "publish", "http://127.0.0.1:5080/live/whip/", "--stream", "show", "--seconds", "60"))
    await machine.run("/bin/sh", "-c", f"({command}) > /run/publish.log 2>&1 &")
    watch = (*bench, "viewers", "http://127.0.0.1:5080/live/whep/show", "-n", "3", "--seconds", "3", "--json")

    async def watched() -> str:
        return await machine.run(*watch)

    told = await eventually(watched, 60, "three viewers", every_s=1.0)

    figures = json.loads(told.splitlines()[-1])
    assert figures["connected"] == 3
    assert figures["steady"]["packets"] > 300
    assert figures["steady"]["bad_decrypts"] == 0


async def test_a_node_whose_loop_stands_still_is_started_again(machine: BootedMachine) -> None:
    unit = f"rillcast@{NodeKind.LICENSE}"
    before = await machine.show(unit, "MainPID")

    await machine.run("kill", "-STOP", before)

    async def is_another() -> bool:
        return await machine.show(unit, "MainPID") not in {before, "0"} and await machine.show(unit, "NRestarts") == "1"

    await eventually(is_another, WATCHDOG_S * 3 + 30, "another process")
    await takes_work(machine, NodeKind.LICENSE)


async def test_a_node_that_is_stopped_drains_and_ends_in_order(machine: BootedMachine) -> None:
    unit = f"rillcast@{NodeKind.EDGE}"

    await machine.run("systemctl", "stop", unit)

    assert await machine.show(unit, "Result") == "success"
    assert await machine.show(unit, "ExecMainStatus") == "0"
    assert "Drained" in await log_of(machine, unit)


async def test_a_setting_that_makes_no_sense_is_not_tried_again(machine: BootedMachine) -> None:
    unit = f"rillcast@{NodeKind.TRANSCODER}"
    await machine.run("systemctl", "stop", unit)
    await machine.run("/bin/sh", "-c", "echo RILLCAST_TRANSCODER_DREAM=1 >> /etc/rillcast/transcoder.env")

    said = await machine.run("systemctl", "start", unit, must=False)

    assert "failed" in said
    assert await machine.show(unit, "ExecMainStatus") == "2"
    assert await machine.show(unit, "ActiveState") == "failed"
    assert await machine.show(unit, "NRestarts") == "0"
    assert "RILLCAST_TRANSCODER_DREAM: there is no such setting" in await log_of(machine, unit)
