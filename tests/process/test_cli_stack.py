"""Starting and stopping real processes: nothing is left behind, and what goes wrong is said."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from rillcast.cli import process
from rillcast.cli import stack as stack_module
from rillcast.cli.faults import CannotGoOn
from rillcast.cli.plan import ProcessSpec
from rillcast.cli.stack import Stack
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import free_port

START_S = 60.0
"""For processes on a machine that has much else to do."""

LISTENER = """
import os, socket, subprocess, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
child = subprocess.Popen(["sleep", "600"])
print("listening", os.getpid(), child.pid, flush=True)
while True:
    server.accept()[0].close()
"""


def listener(name: str = "listener") -> ProcessSpec:
    port = free_port()
    return ProcessSpec(name, (sys.executable, "-c", LISTENER, str(port)), tcp_ports=(port,))


def pids_in(log: Path) -> list[int]:
    """The process and its own child, of its latest start."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("listening")]
    return [int(word) for word in lines[-1].split()[1:]] if lines else []


async def introduced(log: Path) -> list[int]:
    """The same, once they have said who they are: the process listens a moment before."""
    return await eventually(lambda: pids_in(log), START_S, "the listener having said who it is")


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_stopping_leaves_no_process_of_the_group(tmp_path: Path) -> None:
    stack = Stack(tmp_path, tmp_path, lambda _: None)
    await stack.start([listener("one"), listener("two")], START_S)

    def pids_of_all() -> list[int]:
        return pids_in(tmp_path / "one.log") + pids_in(tmp_path / "two.log")

    await eventually(lambda: len(pids_of_all()) == 4, what="both of each listen, and have said who they are")
    pids = pids_of_all()
    assert all(running(pid) for pid in pids)

    await stack.stop()

    await eventually(lambda: not [pid for pid in pids if running(pid)], what="the end of all")


async def test_a_process_that_ends_at_its_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    bad = ProcessSpec("bad", (sys.executable, "-c", "print('no luck'); raise SystemExit(3)"), tcp_ports=(free_port(),))
    stack = Stack(tmp_path, tmp_path, lambda _: None)

    with pytest.raises(CannotGoOn) as caught:
        await stack.start([bad], START_S)

    assert caught.value.sentence == "bad ended at its start (exit code 3)"
    assert caught.value.details == ["no luck"]
    await stack.stop()


async def test_a_process_that_never_gets_ready_is_named(tmp_path: Path) -> None:
    deaf = ProcessSpec("deaf", ("sleep", "600"), tcp_ports=(free_port(),))
    stack = Stack(tmp_path, tmp_path, lambda _: None)

    with pytest.raises(CannotGoOn, match="deaf is not ready after 0 s"):
        await stack.start([deaf], 0.3)

    await stack.stop()


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    stack = Stack(tmp_path, tmp_path, lambda _: None)

    with pytest.raises(CannotGoOn, match="cannot start ghost: /nowhere/ghost: No such file"):
        await stack.start([ProcessSpec("ghost", ("/nowhere/ghost",), tcp_ports=(1,))], 10)

    await stack.stop()


async def test_a_process_that_dies_later_is_reported_and_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    stack = Stack(tmp_path, tmp_path, said.append)
    await stack.start([listener()], START_S)
    stack.keep_up()
    first, its_child = await introduced(tmp_path / "listener.log")

    os.kill(first, signal.SIGKILL)

    await eventually(lambda: pids_in(tmp_path / "listener.log")[0] != first, START_S, "another start")
    assert said[0].startswith("listener ended (killed by signal 9)")
    await eventually(lambda: not running(its_child), what="the end of what the first had started")
    await stack.stop()


async def test_a_killed_supervisor_takes_its_processes_along(tmp_path: Path) -> None:
    spec = listener()
    program = (
        "import asyncio, sys; from pathlib import Path; from rillcast.cli.plan import ProcessSpec\n"
        "from rillcast.cli.stack import Stack\n"
        "async def main():\n"
        f"    here = Path({str(tmp_path)!r}); stack = Stack(here, here, print)\n"
        f"    await stack.start([ProcessSpec('listener', {spec.argv!r}, tcp_ports={spec.tcp_ports!r})], {START_S})\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    log = tmp_path / "listener.log"
    with subprocess.Popen([sys.executable, "-c", program]) as supervisor:  # noqa: ASYNC220  it is killed below
        await eventually(log.exists, START_S, "the start")
        process, its_child = await introduced(log)

        supervisor.kill()
        supervisor.wait()

    await eventually(lambda: not running(process), what="the end of what it supervised")
    os.kill(its_child, signal.SIGKILL)  # what a service starts is its own to tie to its life


TALKER = LISTENER.replace("while True:", "while print('x' * 1_000, flush=True) is None:")


async def test_a_log_that_grows_too_long_begins_anew_and_the_one_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_LOG_BYTES", 20_000)
    monkeypatch.setattr(stack_module, "TRIM_S", 0.02)
    port = free_port()
    spec = ProcessSpec("talker", (sys.executable, "-c", TALKER, str(port)), tcp_ports=(port,))
    stack = Stack(tmp_path, tmp_path, lambda _: None)
    await stack.start([spec], START_S)
    stack.keep_up()
    log, before = tmp_path / "talker.log", tmp_path / "talker.log.1"

    async def talks() -> bool:
        """One more line for each connection, and none is on its way before the next look at the log."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        writer.close()
        return before.exists() and 0 < log.stat().st_size < 20_000

    await eventually(talks, what="a log that began anew and goes on", every_s=0.001)
    await stack.stop()

    assert before.read_text().startswith("listening")
    assert set(log.read_text()) == {"x", "\n"}
