"""docs/by-hand.md, command by command, on three machines that are namespaces with a systemd in each."""

from __future__ import annotations

import asyncio
import json
import os
import re
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from rillcast.testing.eventually import eventually, within
from tests.process.booted_systemd import ROOT, BootedMachine, booted_machine, missing

MACHINES = ("one", "two", "three")
BLOCK = re.compile(r"^```sh\n# on (one|two|three)(, and leave it running)?\n(.*?)^```$", re.M | re.S)
TOKEN = "rillcast-join-…"
LIBRARIES = "LD_LIBRARY_PATH=/opt/python/lib"
"""Those of Python itself, wherever this machine has them."""
COMMAND = f'#!/bin/sh\nPYTHONPATH=/opt/rillcast {LIBRARIES} exec /opt/rillcast/.venv/bin/python -m rillcast.cli "$@"\n'
BLOCK_S = 100


@asynccontextmanager
async def three_machines(folder: Path) -> AsyncIterator[dict[str, BootedMachine]]:
    """10.0.0.1 to 10.0.0.3, with the command `rillcast` on each. The first one is also the switch between them."""
    made: dict[str, BootedMachine] = {}
    async with AsyncExitStack() as stack:
        for name in MACHINES:
            (folder / name).mkdir()
            (folder / f"{name}-etc").mkdir()
            booting = booted_machine(folder / name, folder / f"{name}-etc", name)
            made[name] = machine = await stack.enter_async_context(booting)
            unit = "/etc/systemd/system/rillcast@.service.d"
            told = f"[Service]\nEnvironment={LIBRARIES}\nStandardError=append:/run/%n.log\n"
            await machine.run("/bin/sh", "-c", f'mkdir {unit} && printf "%s" "$1" > {unit}/test.conf', "sh", told)
            place = "/usr/local/bin/rillcast"
            await machine.run("/bin/sh", "-c", f'printf "%s" "$1" > {place}; chmod 755 {place}', "sh", COMMAND)
        one = made["one"]
        await one.run("ip", "link", "add", "lan", "type", "bridge")
        await one.run("ip", "link", "set", "lan", "up")
        await one.run("ip", "addr", "add", "10.0.0.1/24", "dev", "lan")
        for number, name in enumerate(MACHINES[1:], 2):
            way, pid = f"to-{name}", made[name].pid
            there = ("peer", "name", "eth0", "netns", str(pid))
            await _here("ip", "link", "add", way, "netns", str(one.pid), "type", "veth", *there)
            await one.run("ip", "link", "set", way, "master", "lan", "up")
            await made[name].run("ip", "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")
            await made[name].run("ip", "link", "set", "eth0", "up")
        yield made


async def _here(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said


async def begin(machine: BootedMachine, commands: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *machine.inside(), "/bin/bash", "-euo", "pipefail", "-c", commands, stdout=PIPE, stderr=STDOUT
    )


async def carried_out(machine: BootedMachine, commands: str) -> str:
    process = await begin(machine, commands)
    async with within(BLOCK_S, f"the end of {commands}"):
        said = (await process.communicate())[0].decode()
    if process.returncode:
        found = "systemctl --no-pager status 'rillcast*'; cat /run/*.log"
        raise AssertionError(f"{commands}\n{said}\n{await machine.run('/bin/sh', '-c', found, must=False)}")
    return said


@pytest.mark.timeout(400)
async def test_the_page_is_carried_out_and_a_stream_is_watched(tmp_path: Path) -> None:
    if why := missing():
        (pytest.fail if os.environ.get("RILLCAST_REQUIRE_ALL") == "1" else pytest.skip)(why)
    blocks = BLOCK.findall((ROOT / "docs/by-hand.md").read_text())
    assert len(blocks) >= 9
    async with three_machines(tmp_path) as machines:
        said = await page_carried_out(machines, blocks)

    figures = json.loads(said.splitlines()[-1])
    assert figures["connected"] == 1
    assert figures["steady"]["packets"] > 100
    assert figures["steady"]["bad_decrypts"] == 0


async def page_carried_out(machines: dict[str, BootedMachine], blocks: list[tuple[str, str, str]]) -> str:
    """What the last block said that ended by itself."""
    token, said, waiting = "", "", list[Process]()
    for name, stays, text in blocks:
        assert token or TOKEN not in text
        commands = text.replace(TOKEN, token)
        if not stays:
            # The stream is live a moment after its publisher has begun.
            patience_s = 60 if "bench viewers" in commands else 0
            carry_out = partial(carried_out, machines[name], commands)
            said = await (eventually(carry_out, patience_s, commands, every_s=1.0) if patience_s else carry_out())
            continue
        process = await begin(machines[name], commands)
        if "rillcast invite" in commands:
            waiting.append(process)
            assert process.stdout is not None
            async with within(60, "the token"):
                token = (await process.stdout.readline()).decode().strip()
            assert token.startswith("rillcast-join-"), token
    for process in waiting:
        async with within(30, "the end of an invitation"):
            assert await process.wait() == 0
    return said
