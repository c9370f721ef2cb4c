"""The attacks of `tests.bench.attacks` on signaling. Each runs in a process of its own, from one address, and prints
what came of it.

python -m tests.bench.attack_kinds KIND PORT
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from tests.bench.flood_kinds import Target, get, post
from tests.bench.machine import ROOT

OFFERS = ROOT / "tests/vectors/sdp"
HELD_S = 5.0
TRICKLE_S = 3.0
WATCHED_S = 30.0
GET_HEAD = get("/static/ticker.js")[:-2]


def one_head(target: Target, chunks: Iterable[bytes]) -> str:
    """One request whose head never ends: how much of it was taken, and what was answered."""
    sock, taken, answer = target.connect(), 0, b""
    with suppress(OSError):
        sock.sendall(GET_HEAD)
        for chunk in chunks:
            sock.sendall(chunk)
            taken += len(chunk)
            if select.select([sock], [], [], 0)[0]:
                break
    with suppress(OSError):
        answer = sock.recv(4_096)
    said = answer.split(b"\r\n")[0].decode() or "closed"
    return f"“{said}” when at most {taken / 1e6:.1f} MB were written"


def many_headers(target: Target) -> str:
    return one_head(target, (b"x: y\r\n" * 10_000 for _ in range(500)))


def one_header(target: Target) -> str:
    return one_head(target, (b"x: " * (not n) + b"y" * 65_536 for n in range(3_200)))


def idle(target: Target) -> str:
    """Connections on which nothing comes, and as many on which half a head trickles in."""
    began = time.monotonic()
    silent, trickling = ([target.connect() for _ in range(400)] for _ in range(2))
    for one in trickling:
        one.sendall(GET_HEAD)
    there, trickled, last = {*silent, *trickling}, began, 0.0
    while there and time.monotonic() - began < WATCHED_S:
        if time.monotonic() - trickled > TRICKLE_S:
            trickled = time.monotonic()
            for one in there.intersection(trickling):
                with suppress(OSError):
                    one.sendall(b"x: y\r\n")
        for one in _readable(there):
            if _ended(one):
                there.discard(one)
                one.close()
                last = time.monotonic() - began
    return f"{800 - len(there)} of 800 closed, the last after {last:.1f} s"


def _readable(there: set[socket.socket]) -> list[socket.socket]:
    by_number = {one.fileno(): one for one in there}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(100)]


def _ended(one: socket.socket) -> bool:
    try:
        return not one.recv(4_096)
    except OSError:
        return True


def silent_sockets(target: Target) -> str:
    """1,100 of them at once."""
    there = [target.connect() for _ in range(1_100)]
    time.sleep(HELD_S)
    return f"{len(there)} connected and held for {HELD_S:.0f} s"


def posts(target: Target, role: str, offer: bytes, count: int) -> str:
    """So many requests to join, one after another, by whoever then never sends a packet."""
    began, statuses = time.monotonic(), Counter[str]()
    for number in range(count):
        with target.connect() as sock:
            sock.settimeout(20)
            stream = f"flood{number}" if role == "whip" else "real"
            sock.sendall(post(f"/LiveApp/{role}/{stream}", offer, more="connection: close\r\n"))
            statuses[sock.recv(65_536).split(b" ", 2)[1].decode()] += 1
    told = ", ".join(f"{many} × {status}" for status, many in sorted(statuses.items()))
    return f"{told} in {time.monotonic() - began:.0f} s"


def publishes(target: Target) -> str:
    return posts(target, "whip", (OFFERS / "chromium-156-publish.sdp").read_bytes(), 600)


def views(target: Target) -> str:
    return posts(target, "whep", (OFFERS / "chromium-156-play.sdp").read_bytes(), 600)


def bad_requests(target: Target) -> str:
    """1,800, of three kinds that once were faults of ours."""
    offer = (OFFERS / "chromium-156-publish.sdp").read_bytes().replace(b"opus/48000/2", b"opus/0/2")
    kinds = (get("/static/%00"), get("/static/" + "a" * 300), post("/LiveApp/whip/bad", offer))
    statuses = Counter[str]()
    for number in range(1_800):
        with target.connect() as sock:
            sock.settimeout(20)
            sock.sendall(kinds[number % 3])
            statuses[sock.recv(65_536).split(b" ", 2)[1].decode()] += 1
    return ", ".join(f"{many} × {status}" for status, many in sorted(statuses.items()))


KINDS: dict[str, Callable[[Target], str]] = {
    "many-headers": many_headers,
    "one-header": one_header,
    "idle": idle,
    "silent": silent_sockets,
    "publishes": publishes,
    "views": views,
    "bad-requests": bad_requests,
}


def main() -> None:
    name, port = sys.argv[1:]
    os.nice(10)  # what is measured is not how the attack takes a CPU from its victim
    print(KINDS[name](Target(int(port), 0)))


if __name__ == "__main__":
    main()
