"""What the container of this machine needs at its start: its keys from the store of secrets, and its settings.

rillcast.service calls this before each start. While something is missing it fails, says what, and is called again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from metadata import CloudFault, Place, cloud, machine_env

DATA = Path("/var/lib/rillcast/nats")
"""Where server.py has mounted the disk of NATS."""
RUN = Path("/run/rillcast")
"""In memory; gone with the machine."""
CONTAINER = "/run/rillcast"
"""Where the container sees the keys."""
USER = 10_001
"""The user in the image; deploy/docker/Dockerfile makes it."""
MEDIA_PORT, RELAY_PORT, ADMIN_PORT, HTTP_PORT = 50_000, 51_000, 9_100, 5_080
MOST_WORKERS = 64
"""So many ports from the first one are open for media, and for relays."""
MEDIA_KINDS = ("origin", "edge", "transcoder")
CLIENT_KINDS = ("origin", "edge")
"""Kinds to which clients send media."""
HERE = Path(__file__).resolve().parent


def settings(env: Mapping[str, str], place: Place, processors: int) -> dict[str, str]:
    """The environment of a node. Raises CloudFault if clients could not reach it."""
    kind = env["KIND"]
    own = f"RILLCAST_{kind.upper()}_"
    found = {
        "RILLCAST_NODE_ID": f"{kind}-{place.machine}"[:64],
        "RILLCAST_REGION": place.region,
        "RILLCAST_ZONE": place.zone,
        "RILLCAST_ADVERTISE_ADDRESS": place.private,
        "RILLCAST_ADMIN_HOST": "0.0.0.0",
        "RILLCAST_ADMIN_PORT": str(ADMIN_PORT),
        "RILLCAST_NATS_URL": ",".join(f"tls://{server}:4222" for server in env["NATS_SERVERS"].split(",")),
        "RILLCAST_NATS_CA": f"{CONTAINER}/ca.pem",
        "RILLCAST_NATS_NKEY_FILE": f"{CONTAINER}/nats.nkey",
        "RILLCAST_KV_REPLICAS": "3",
        "RILLCAST_LOG_FORMAT": "json",
        "RILLCAST_DRAIN_TIMEOUT_S": env["DRAIN_S"],
    }
    if kind in MEDIA_KINDS:
        found["RILLCAST_WORKERS"] = str(max(1, min(processors, MOST_WORKERS)))
        found[f"{own}RELAY_PORT"] = str(RELAY_PORT)
    if kind in CLIENT_KINDS:
        if not place.public:
            raise CloudFault(f"this {kind} has no public address: its clients could not reach it")
        found[f"{own}MEDIA_PORT"] = str(MEDIA_PORT)
        found[f"{own}ADVERTISE_MEDIA_ADDRESSES"] = place.public
    if kind == "signaling":
        found |= {
            f"{own}PORT": str(HTTP_PORT),
            f"{own}TRUSTED_PROXIES": env["PROXIES"],
            # Also from the machine itself, for `docker exec rillcast rillcast status`.
            f"{own}REMOTE_ALLOWED_CIDR": f"{env['OPERATORS']},127.0.0.0/8,::1/128",
            f"{own}ADMIN_PASSWORD_FILE": f"{CONTAINER}/admin-password",
            f"{own}LOCAL_TOKEN_PATH": "/tmp/rillcast-operator-token",
        }
    if kind == "license":
        found["RILLCAST_TOOLS_NATS_NKEY_FILE"] = f"{CONTAINER}/tools.nkey"
    return found


def nats_config(env: Mapping[str, str], template: str) -> str:
    """The configuration of one of the NATS servers."""
    routes = ", ".join(f'"tls://{server}:6222"' for server in env["NATS_SERVERS"].split(","))
    return template.replace("@NAME@", env["NATS_NAME"]).replace("@ROUTES@", routes)


def bundle(text: str) -> dict[str, str]:
    """The files in a secret as `rillcast cloud-keys` writes it, by name. Raises CloudFault."""
    try:
        files = json.loads(text)
    except ValueError as error:
        raise CloudFault("the secret is no JSON: put there what `rillcast cloud-keys` has written") from error
    if not isinstance(files, dict) or not files or not all(isinstance(one, str) for one in files.values()):
        raise CloudFault("the secret has no files: put there what `rillcast cloud-keys` has written")
    if strange := [name for name in files if Path(name).name != name or name.startswith(".")]:
        raise CloudFault(f"the secret has a file of a strange name: {strange[0]!r}")
    return files


def write(folder: Path, files: Mapping[str, str], owner: int | None) -> None:
    """All of them anew, for their reader alone. `owner`: who that is, whom only root can name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for name, text in files.items():
        path = folder / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as file:
            file.write(text)
        if owner is not None:
            os.chown(path, owner, owner)
    if owner is not None:
        os.chown(folder, owner, owner)


def main() -> None:
    """Exit code 1 and one line when something is missing."""
    try:
        env = machine_env()
        here = cloud(env)
        files = bundle(here.secret())
        if env["KIND"] == "nats":
            if not DATA.is_mount():
                raise CloudFault(f"the disk of NATS is not at {DATA}")
            files["nats.conf"] = nats_config(env, (HERE / "nats.conf").read_text(encoding="utf-8"))
            lines = {}
        else:
            lines = settings(env, here.place(), os.cpu_count() or 1)
    except CloudFault as error:
        sys.exit(f"this machine cannot begin yet: {error}")
    write(RUN / "keys", files, USER)
    (RUN / "node.env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8")


if __name__ == "__main__":
    main()
