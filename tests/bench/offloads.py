"""Which offloads of a device are on, by ethtool's ioctl; as JSON:  python -m tests.bench.offloads lo"""

from __future__ import annotations

import array
import fcntl
import json
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
GSSET_INFO, GSTRINGS, GFEATURES = 0x37, 0x1B, 0x3A
FEATURES, NAME_SIZE = 4, 32
WANTED = ("tx-checksum-ip-generic", "tx-generic-segmentation", "tx-udp-segmentation", "rx-gro", "rx-udp-gro-forwarding")


def features(device: str) -> dict[str, bool]:
    """Of `WANTED`, those the kernel knows. OSError when there is no such device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        counted = _ask(control, device, struct.pack("=IIQI", GSSET_INFO, 0, 1 << FEATURES, 0))
        count = struct.unpack_from("=I", counted, 16)[0]
        strings = _ask(control, device, struct.pack("=III", GSTRINGS, FEATURES, count) + bytes(count * NAME_SIZE))
        blocks = (count + 31) // 32
        states = _ask(control, device, struct.pack("=II", GFEATURES, blocks) + bytes(blocks * 16))
    names = [strings[12 + i * NAME_SIZE :][:NAME_SIZE].split(b"\0")[0].decode() for i in range(count)]
    # Per block of 32 features: available, requested, active, never changed.
    active = [struct.unpack_from("=I", states, 8 + 16 * (i // 32) + 8)[0] >> (i % 32) & 1 for i in range(count)]
    return {name: bool(on) for name, on in zip(names, active, strict=True) if name in WANTED}


def _ask(control: socket.socket, device: str, command: bytes) -> bytes:
    buffer = array.array("B", command)
    request = struct.pack("16sP", device.encode()[:15], buffer.buffer_info()[0]) + bytes(16)
    fcntl.ioctl(control.fileno(), SIOCETHTOOL, request)
    return buffer.tobytes()


if __name__ == "__main__":
    print(json.dumps(features(sys.argv[1])))
