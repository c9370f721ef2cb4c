"""A link that is slow: python -m tests.chaos.slow_link DEVICE SECONDS

Makes a TUN device in the present network namespace. What is routed into it comes out again so many seconds later, in
its order. It says ``ready`` and runs until it is killed; the device goes with it.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
MOST_BYTES = 64 * 1024 * 1024
"""That are on their way; more are lost, as on a real link."""


def main() -> None:
    device, delay_s = sys.argv[1], float(sys.argv[2])
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
    subprocess.run(["ip", "link", "set", device, "up"], check=True)
    print("ready", flush=True)
    held: deque[tuple[float, bytes]] = deque()
    size = 0
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        readable, _, _ = select.select([tun], [], [], wait)
        if readable:
            packet = os.read(tun, 65_535)
            if size + len(packet) <= MOST_BYTES:
                held.append((time.monotonic() + delay_s, packet))
                size += len(packet)
        while held and held[0][0] <= time.monotonic():
            packet = held.popleft()[1]
            size -= len(packet)
            with suppress(OSError):  # there is no way to it any more
                os.write(tun, packet)


if __name__ == "__main__":
    main()
