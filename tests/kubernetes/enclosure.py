"""Where the whole test runs: processes, network and mounts of its own, which end with it whatever becomes of it.

Linux, root and what `NEEDED` lists. Nothing outside sees a port, a mount, an interface or a process of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from rillcast.testing.servers import find_consul, find_nats_server
from tests.e2e.cluster import ROOT

NEEDED = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok"),
    *("prometheus", "prometheus-adapter", "ip", "setpriv", "unshare", "nsenter", "mount", "chroot"),
)
"""Programs on PATH. helm is that of `deploy/helm/get-tools`."""
_INSIDE = "RILLCAST_TEST_ENCLOSURE"
TOOLS = "RILLCAST_TEST_TOOLS"
LAB = Path("/run/rillcast-lab")
"""In memory, and gone at the end: what pods write, and their namespaces' names."""


def missing() -> str:
    """Why this machine cannot do it; empty if it can."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    if os.geteuid() != 0:
        return "namespaces and mounts are made by root"
    if absent := [program for program in NEEDED if shutil.which(program) is None]:
        return f"not on PATH: {', '.join(absent)}"
    return ""


def is_inside() -> bool:
    """Whether this process is in there."""
    return _INSIDE in os.environ


def helm_tools() -> Path:
    """The folder with helm, made if need be. Raises CalledProcessError with what was said on stderr."""
    script = ROOT / "deploy/helm/get-tools"
    done = subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


def consul() -> str:
    """A Consul that is there already; empty for none: then nodes find each other over NATS."""
    try:
        return find_consul(get=False)
    except FileNotFoundError:
        return ""


def enter(arguments: list[str]) -> int:
    """Call this module's package again, inside. Returns its exit code. What needs the internet is got before."""
    inside = {
        **os.environ,
        _INSIDE: "1",
        TOOLS: str(helm_tools()),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    unshare = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    command = ("setpriv", "--pdeathsig", "KILL", *unshare, sys.executable, "-m", "tests.kubernetes", *arguments)
    process = subprocess.Popen(command, env=inside)

    def pass_on(number: int, _frame: object) -> None:
        """unshare does not: it waits for its child."""
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all of them
    return process.wait()


def furnish() -> None:
    """Once, inside: a `/run` of its own with what names network namespaces, and names that nobody outside resolves."""
    for command in (
        ("mount", "--make-rprivate", "/"),
        ("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "lab", "/run"),
    ):
        subprocess.run(command, check=True)
    Path("/run/netns").mkdir()
    LAB.mkdir()


@cache
def programs() -> dict[str, str]:
    """Where programs are that images have, by the name of the image and of the command."""
    return {"nats": find_nats_server(), "consul": consul()}
