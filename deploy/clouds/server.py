"""Makes a fresh machine the NATS server whose name it was given: it takes the server's disk, and the name leads to it.

The disk must stay with the name. A server that comes back without what it had promised could vote twice, and what two
others had acknowledged could be lost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from metadata import Aws, CloudFault, Place, cloud, command, machine_env
from prepare import DATA, USER

PATIENCE_S = 600.0
"""How long the former machine may hold the disk while it ends."""
LOOK_EVERY_S = 5.0
AZURE_DISKS = ("/dev/disk/azure/data/by-lun/0", "/dev/disk/azure/scsi1/lun0")
NOTHING_THERE = 2
"""The exit code of blkid for a disk without a file system."""


def aws_device(volume: str) -> str:
    """Under which name Linux has a volume, whatever device it was attached as."""
    return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"


def record(name: str, address: str) -> str:
    """The change by which a name leads to an address, as Route 53 takes it."""
    names = {"Name": name, "Type": "A", "TTL": 10, "ResourceRecords": [{"Value": address}]}
    return json.dumps({"Changes": [{"Action": "UPSERT", "ResourceRecordSet": names}]})


def until(done: Callable[[], bool], what: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Ask again and again. Raises CloudFault when it takes too long."""
    end = clock() + PATIENCE_S
    while not done():
        if clock() > end:
            raise CloudFault(f"{what} has taken more than {PATIENCE_S:.0f} s")
        time.sleep(LOOK_EVERY_S)


def take_aws_disk(env: Mapping[str, str], place: Place) -> str:
    """Attach the volume; the path of its device. Raises CloudFault."""
    device = aws_device(env["VOLUME"])

    def attached() -> bool:
        if os.path.exists(device):
            return True
        try:
            command(
                "aws", "ec2", "attach-volume", "--volume-id", env["VOLUME"], "--instance-id", place.machine,
                "--device", "/dev/sdf", "--region", env["REGION"],
            )  # fmt: skip
        except CloudFault as error:
            print(f"asked again in {LOOK_EVERY_S:.0f} s: {error}", flush=True)
        return os.path.exists(device)

    until(attached, f"taking {env['VOLUME']}")
    return device


def azure_disk() -> str:
    """The path of the device. Raises CloudFault."""
    until(lambda: any(map(os.path.exists, AZURE_DISKS)), "finding the disk")
    return next(path for path in AZURE_DISKS if os.path.exists(path))


def mount(device: str, at: Path) -> None:
    """Make a file system where there is none, and mount it now and at each start. Raises CloudFault."""
    looked = subprocess.run(["blkid", device], capture_output=True, text=True, check=False)
    if looked.returncode == NOTHING_THERE:
        command("mkfs.ext4", "-q", device)
    elif looked.returncode != 0:
        raise CloudFault(f"blkid {device}: {looked.stderr.strip()}")
    at.mkdir(parents=True, exist_ok=True)
    line = f"{device} {at} ext4 defaults,nofail 0 2\n"
    with open("/etc/fstab", "r+", encoding="utf-8") as table:
        if line not in table.read():
            table.write(line)
    if not at.is_mount():
        command("mount", str(at))
    os.chown(at, USER, USER)


def main() -> None:
    """Exit code 1 and one line when it cannot be done."""
    try:
        env = machine_env()
        here = cloud(env)
        place = here.place()
        if isinstance(here, Aws):
            mount(take_aws_disk(env, place), DATA)
            command(
                "aws", "route53", "change-resource-record-sets", "--hosted-zone-id", env["NAMES"],
                "--change-batch", record(env["NATS_HOST"], place.private),
            )  # fmt: skip
        else:
            mount(azure_disk(), DATA)
    except CloudFault as error:
        sys.exit(f"this machine cannot become a NATS server: {error}")


if __name__ == "__main__":
    main()
