"""Scales the edges of the compose stack from 1 to 3 and back under viewers: `python -m scripts.scaling`. Needs Docker.

One group of viewers joins before, and another one while there are three edges. In the end compose stops two of them:
they drain, and their viewers go on at the first one. Exit code 1 when a viewer was lost. The stack goes on running.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ["docker", "compose", "-f", "docker-compose.yml", "-f", "deploy/compose/load.yml", "--profile", "load"]
NODES = ["signaling", "origin", "edge", "transcoder", "license"]
STREAM = "load"
POLL_S = 2.0
WAIT_S = 300.0


def compose(*arguments: str, **environment: str) -> str:
    """What compose prints. Ends the run where it fails."""
    done = subprocess.run(
        [*COMPOSE, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"docker compose {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def status() -> dict[str, Any]:
    """What the cluster says of itself."""
    found: dict[str, Any] = json.loads(compose("exec", "-T", "signaling", "rillcast", "status", "--json"))
    return found


def sessions() -> dict[str, int]:
    """Viewers at each edge that takes work or drains."""
    nodes = status()["nodes"]
    return {one["info"]["node"]: one["load"]["sessions"] for one in nodes if one["info"]["kind"] == "edge"}


def eventually(what: str, true: Callable[[], bool]) -> None:
    """Wait for it, and end the run when it does not come."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come within {WAIT_S:.0f} s")
        time.sleep(POLL_S)
    print(f"{time.strftime('%X')} {what}", flush=True)


def watching(count: int, seconds: int) -> subprocess.Popen[str]:
    """A group of viewers, which ends by itself and then prints its figures."""
    command = ["run", "--no-deps", "--rm", "-T", "viewers", "viewers", "ws://signaling:5080/live/websocket", "--stream"]
    command += [STREAM, "-n", str(count), "--rate", "5", "--seconds", str(seconds), "--json"]
    return subprocess.Popen([*COMPOSE, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def figures(group: subprocess.Popen[str], count: int) -> tuple[dict[str, Any], list[str]]:
    """(its result, who was lost in words)."""
    out, err = group.communicate()
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        return {}, [f"a group has no figures: {(err or out).strip()[-1000:]}"]
    lost = []
    if found["connected"] != count:
        lost.append(f"{count - found['connected']} of {count} did not connect: {found['failures']}")
    if found["ended"]:
        lost.append(f"sent away: {found['ended']}")
    if found["steady"]["receiving"] != count:
        lost.append(f"{count - found['steady']['receiving']} of {count} got nothing in the end")
    return found, lost


def main() -> None:
    """Scale edges up and down once under viewers, and print what they had. Ends with 1 if somebody lost anything."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--viewers", type=int, default=20, help="in each of the two groups")
    parser.add_argument("--seconds", type=int, default=240, help="how long the first group watches; the other one half")
    wishes = parser.parse_args()
    compose("up", "--detach", "--wait", "--no-recreate", "--scale", "edge=1", *NODES)
    eventually("one edge is ready", lambda: len(sessions()) == 1)
    compose("up", "--detach", "--no-deps", "--force-recreate", "publisher", LOAD_SECONDS=str(wishes.seconds * 4))
    eventually("the stream is live", lambda: any(STREAM in str(one) for one in status()["streams"]))

    first = watching(wishes.viewers, wishes.seconds)
    eventually(f"{wishes.viewers} viewers watch", lambda: sum(sessions().values()) >= wishes.viewers)
    compose("up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale", "edge=3", "edge")
    eventually("three edges are ready", lambda: len(sessions()) == 3)
    second = watching(wishes.viewers, wishes.seconds // 2)
    eventually(f"{2 * wishes.viewers} viewers watch", lambda: sum(sessions().values()) >= 2 * wishes.viewers)
    before = sessions()
    print(f"at each edge: {sorted(before.values(), reverse=True)}", flush=True)

    began = time.monotonic()
    compose("up", "--detach", "--no-deps", "--no-recreate", "--scale", "edge=1", "edge")
    took = time.monotonic() - began
    eventually("one edge is left", lambda: len(sessions()) == 1)
    results = [figures(group, wishes.viewers) for group in (first, second)]
    moves = sum(found.get("moves", 0) for found, _ in results)
    lost = [sentence for _, sentences in results for sentence in sentences]
    gaps = [found["steady"]["longest_gap_us"] / 1e6 for found, _ in results if found]
    print(f"two edges ended within {took:.1f} s; {moves} moves; the longest gap without a packet was {max(gaps):.2f} s")
    print(f"of {2 * wishes.viewers} viewers: {'nobody was lost' if not lost else '; '.join(lost)}")
    compose("rm", "--stop", "--force", "publisher")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
