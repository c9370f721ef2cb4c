"""What `docker compose up` needs before anything else: the keys of the cluster, each in the volume of its reader."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

from rillcast.cli.faults import writing
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.registry import RegistryUser
from rillcast.runtime.bus.nats_users import new_seed, server_config
from rillcast.runtime.discovery.consul_acl import MANAGEMENT, access_config, keep_tokens, token_file
from rillcast.runtime.secret_files import write_secret

NODES_UID = 10_001
"""The user of the containers of nodes and of NATS; `deploy/docker/Dockerfile` makes it."""
GRAFANA_UID = 472
CONSUL_UID = 100
PROMETHEUS_UID = 65_534
CONSUL_NODE = "consul"
"""The name in Consul of the container that it runs in; `deploy/consul/agent.hcl` says so."""
CONSUL_FOLDER, CONSUL_DATA, CONSUL_SETUP = "consul", "consul-data", "consul-setup"
ACCESS_NAME, TOKEN_NAME = "access.json", "consul.token"
NATS_FOLDER, NATS_DATA, GRAFANA_FOLDER = "nats", "nats-data", "grafana"
SEED_NAME, USERS_NAME, PASSWORD_NAME = "nats.nkey", "users.conf", "admin-password"


def write_keys(folder: Path, *, grafana_password: str = "", own: bool = True) -> None:
    """Make what is missing below `folder`, where each volume is mounted under the name of its reader. What is there
    stays, so the keys outlive the containers. `grafana_password`: instead of a random one. `own`: give each file to
    the user that reads it, which only root can. Raises CannotGoOn."""
    with writing(folder):
        seeds = {user: _keep(folder / user / SEED_NAME, new_seed(), NODES_UID, own=own) for user in BusUser}
        users = folder / NATS_FOLDER / USERS_NAME
        users.parent.mkdir(exist_ok=True)
        users.write_text(server_config(seeds), encoding="ascii")
        _keep(
            folder / GRAFANA_FOLDER / PASSWORD_NAME, grafana_password or secrets.token_urlsafe(18), GRAFANA_UID, own=own
        )
        _write_consul(folder, own=own)
        (folder / NATS_DATA).mkdir(exist_ok=True)
        if own:
            _give(folder / NATS_DATA, NODES_UID)
            for path in (users, users.parent):
                os.chown(path, NODES_UID, NODES_UID)


def _write_consul(folder: Path, *, own: bool) -> None:
    """The tokens: all of them for who makes Consul know them, and its own for each reader. New ones begin an empty
    Consul, in which no former one works."""
    setup, data = folder / CONSUL_SETUP, folder / CONSUL_DATA
    data.mkdir(exist_ok=True)
    if not token_file(setup, MANAGEMENT).exists():
        _empty(data)
    tokens = keep_tokens(setup)
    readers = {folder / CONSUL_FOLDER / ACCESS_NAME: (json.dumps(access_config(tokens)), CONSUL_UID)}
    for user, token in tokens.users.items():
        if user is not RegistryUser.AGENT:
            uid = PROMETHEUS_UID if user is RegistryUser.PROMETHEUS else NODES_UID
            readers[folder / user / TOKEN_NAME] = (token, uid)
    for path, (text, uid) in readers.items():
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o700)
        write_secret(path, f"{text}\n")
        if own:
            _give(path.parent, uid)
    if own:
        _give(setup, NODES_UID)
        _give(data, CONSUL_UID)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _keep(path: Path, text: str, uid: int, *, own: bool) -> str:
    """The text of the file, written if there is none; nobody but its reader can read it."""
    path.parent.mkdir(exist_ok=True)
    if path.exists() and (kept := path.read_text(encoding="utf-8").strip()):
        text = kept
    else:
        new = path.with_suffix(".new")
        new.touch(0o600)
        new.write_text(f"{text}\n", encoding="utf-8")
        new.replace(path)
    path.parent.chmod(0o700)
    if own:
        os.chown(path, uid, uid)
        os.chown(path.parent, uid, uid)
    return text


def _give(folder: Path, uid: int) -> None:
    """The folder and all that is in it, which an earlier version may have written as root."""
    os.chown(folder, uid, uid)
    for path in folder.rglob("*"):
        os.chown(path, uid, uid, follow_symlinks=False)
