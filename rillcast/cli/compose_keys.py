"""What `docker compose up` needs before anything else: keys and certificates, each in the volume of its reader."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rillcast.cli.faults import WrongUse, writing
from rillcast.cli.server_certificates import NO_MORE, MoreNames, TlsServer
from rillcast.cli.tls_files import AUTHORITY, KeptFile, TlsFiles, keep_tls, now_utc
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.registry import RegistryUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import new_seed, server_config
from rillcast.runtime.discovery.consul_acl import MANAGEMENT, access_config, keep_tokens, token_file
from rillcast.runtime.secret_files import alone_in, keep_secret, update_secret

NODES_UID = 10_001
"""The user of the containers of nodes and of NATS; `deploy/docker/Dockerfile` makes it."""
GRAFANA_UID = 472
CONSUL_UID = 100
PROMETHEUS_UID = 65_534
CONSUL_NODE = "consul"
"""The name in Consul of the container that it runs in; `deploy/consul/agent.hcl` says so."""
CONSUL_FOLDER, CONSUL_SETUP = "consul", "consul-setup"
ACCESS_NAME, TOKEN_NAME, GOSSIP_KEY = "access.json", "consul.token", "gossip.key"
NATS_FOLDER, GRAFANA_FOLDER = "nats", "grafana"
COTURN_FOLDER, TURN_SECRET = "coturn", "turn-secret"
SIGNALING_DATA = "signaling-data"
"""Where the signaling container writes the operator's first password."""
SEED_NAME, USERS_NAME, PASSWORD_NAME = "nats.nkey", "users.conf", "admin-password"
CERTIFICATE = "server.pem"
"""The certificate of a server with its key, in the volume of that server."""
_SERVER = re.compile(r"[a-z][a-z0-9-]{0,30}")


def write_keys(
    folder: Path,
    *,
    grafana_password: str = "",
    own: bool = True,
    clock: Callable[[], datetime] = now_utc,
    more_names: MoreNames = NO_MORE,
    further: MoreNames = NO_MORE,
) -> str:
    """Make what is missing below `folder`, where each volume is mounted under the name of its reader. What is there
    stays, so the keys outlive the containers. `grafana_password`: instead of a random one. `own`: give each file to
    the user that reads it, which only root can. `more_names`: hosts of the servers besides those in compose. `further`:
    servers beside the first of their kind; each has a volume ``NAME-data``. Returns why there are new certificates, or
    nothing. Raises CannotGoOn."""
    with writing(folder):
        nats = folder / NATS_FOLDER
        nats.mkdir(exist_ok=True)
        with alone_in(nats):
            _write_nats(folder, further.get(TlsServer.NATS, ()), own=own)
            _write_consul(folder, further.get(TlsServer.CONSUL, ()), own=own)
            _close(folder / SIGNALING_DATA)
            if own:
                _give(folder / SIGNALING_DATA, NODES_UID)
            password = folder / GRAFANA_FOLDER / PASSWORD_NAME
            _keep(password, lambda: grafana_password or secrets.token_urlsafe(18), GRAFANA_UID, own=own)
            _keep(folder / COTURN_FOLDER / TURN_SECRET, lambda: secrets.token_urlsafe(32), NODES_UID, own=own)
            names = {one: (*more_names.get(one, ()), *further.get(one, ())) for one in TlsServer}
            files = tls_files(folder, own=own, several_consul=bool(further.get(TlsServer.CONSUL)))
            return keep_tls(files, clock(), names)


def tls_files(folder: Path, *, own: bool, several_consul: bool = False) -> TlsFiles:
    """Whom to trust lies with everybody who connects, and each certificate with the server that shows it.
    `several_consul`: servers of Consul connect to each other."""
    readers = dict.fromkeys((NATS_FOLDER, CONSUL_SETUP, *map(str, NodeKind)), NODES_UID)
    readers[RegistryUser.PROMETHEUS] = PROMETHEUS_UID
    if several_consul:
        readers[CONSUL_FOLDER] = CONSUL_UID
    authorities = [_kept(folder / reader / AUTHORITY, uid, own=own) for reader, uid in readers.items()]
    servers = {TlsServer.NATS: (NATS_FOLDER, NODES_UID), TlsServer.CONSUL: (CONSUL_FOLDER, CONSUL_UID)}
    shown = {server: _kept(folder / at / CERTIFICATE, uid, own=own) for server, (at, uid) in servers.items()}
    return TlsFiles(authorities, shown)


def _kept(path: Path, uid: int, *, own: bool) -> KeptFile:
    return KeptFile(path, uid if own else None)


def further_servers(environment: Mapping[str, str]) -> MoreNames:
    """The servers beside the first of their kind, from NATS_SERVERS and CONSUL_SERVERS: names separated by commas.
    Raises WrongUse."""
    found: dict[TlsServer, tuple[str, ...]] = {}
    for server in TlsServer:
        name = f"{server.upper()}_SERVERS"
        found[server] = tuple(one.strip() for one in environment.get(name, "").split(",") if one.strip())
        for one in found[server]:
            if _SERVER.fullmatch(one) is None or one == server:
                raise WrongUse(f"{name} has {one!r}, which is no name of a server such as {server}-2")
    return found


def _write_nats(folder: Path, further: Sequence[str], *, own: bool) -> None:
    """The keys of its users, and what NATS is told of them."""
    seeds = {user: _keep(folder / user / SEED_NAME, new_seed, NODES_UID, own=own) for user in BusUser}
    nats, data = folder / NATS_FOLDER, _data_folders(folder, TlsServer.NATS, further)
    _close(nats)
    update_secret(nats / USERS_NAME, server_config(seeds), NODES_UID if own else None)
    if own:
        for one in (nats, *data):
            _give(one, NODES_UID)


def _data_folders(folder: Path, server: TlsServer, further: Sequence[str]) -> list[Path]:
    """The volumes with the data of the servers of a kind, that of the first one at first."""
    folders = [folder / f"{name}-data" for name in (server, *further)]
    for one in folders:
        one.mkdir(exist_ok=True)
    return folders


def _write_consul(folder: Path, further: Sequence[str], *, own: bool) -> None:
    """The tokens: all of them for who makes Consul know them, and its own for each reader. New ones begin an empty
    Consul, in which no former one works."""
    setup, data = folder / CONSUL_SETUP, _data_folders(folder, TlsServer.CONSUL, further)
    if not token_file(setup, MANAGEMENT).exists():
        for one in data:
            _empty(one)
    tokens = keep_tokens(setup)
    access = access_config(tokens)
    if further:
        access["encrypt"] = keep_secret(setup / GOSSIP_KEY, lambda: b64encode(secrets.token_bytes(32)).decode())
    readers = {folder / CONSUL_FOLDER / ACCESS_NAME: (json.dumps(access), CONSUL_UID)}
    for user, token in tokens.users.items():
        if user is not RegistryUser.AGENT:
            uid = PROMETHEUS_UID if user is RegistryUser.PROMETHEUS else NODES_UID
            readers[folder / user / TOKEN_NAME] = (token, uid)
    for path, (text, uid) in readers.items():
        _close(path.parent)
        update_secret(path, f"{text}\n", uid if own else None)
        if own:
            _give(path.parent, uid)
    if own:
        _give(setup, NODES_UID)
        for one in data:
            _give(one, CONSUL_UID)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _keep(path: Path, make: Callable[[], str], uid: int, *, own: bool) -> str:
    """The text of the file, made if there is none; nobody but its reader can read it."""
    _close(path.parent)
    text = keep_secret(path, make, uid if own else None)
    if own:
        _give(path.parent, uid)
    return text


def _close(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)


def _give(folder: Path, uid: int) -> None:
    """The folder and all that is in it, which an earlier version may have written as root."""
    os.chown(folder, uid, uid)
    for path in folder.rglob("*"):
        os.chown(path, uid, uid, follow_symlinks=False)
