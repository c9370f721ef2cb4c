"""The keys of a cluster whose machines get them from a cloud's store of secrets: a secret for each kind of reader.

A secret is a JSON object: the name of a file → its text. deploy/clouds/prepare.py writes those files at the machine.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography.x509 import DNSName, SubjectAlternativeName

from rillcast.cli.compose_keys import PASSWORD_NAME, SEED_NAME, USERS_NAME
from rillcast.cli.faults import CannotGoOn, WrongUse, writing
from rillcast.cli.server_certificates import RENEW_BEFORE, Authority, certificates
from rillcast.cli.tls_files import AUTHORITY, now_utc
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import new_seed, server_config
from rillcast.runtime.secret_files import alone_in, update_secret

SERVERS = ("nats-1", "nats-2", "nats-3")
"""The NATS servers of the templates."""
TOOLS_SEED = "tools.nkey"
SERVER, ROUTES = "server.pem", "routes.pem"
"""The certificate of a NATS server with its key, and whom it trusts as another server."""
AZURE_FOLDER, AZURE_PARAMETERS = "azure", "parameters.json"
_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"

Bundle = dict[str, str]


def write_cloud_keys(folder: Path, domain: str, clock: Callable[[], datetime] = now_utc) -> list[str]:
    """Make what is missing in `folder`: ``edge.json`` and so on, which only the owner can read, and the same once more
    as parameters of the template for Azure. `domain`: what the names of the NATS servers end in. Returns what was made,
    in words. Raises CannotGoOn and WrongUse."""
    if not domain.replace("-", "").replace(".", "").isalnum() or not domain.isascii():
        raise WrongUse(f"{domain!r} is no domain, such as rillcast.internal")
    names = {server: f"{server}.{domain.strip('.')}" for server in SERVERS}
    with writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        with alone_in(folder):
            found = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
            made: list[str] = []
            bundles = _bundles(found, names, clock(), made)
            (folder / AZURE_FOLDER).mkdir(mode=0o700, exist_ok=True)
            update_secret(folder / AZURE_FOLDER / AZURE_PARAMETERS, azure_parameters(bundles))
            for reader, files in bundles.items():
                update_secret(folder / f"{reader}.json", _written(files))
    return made or ["nothing had to be made"]


def azure_parameters(bundles: Mapping[str, Bundle]) -> str:
    """The parameters file for the template in deploy/azure."""
    values = {f"keys{reader.title().replace('-', '')}": {"value": _written(one)} for reader, one in bundles.items()}
    return json.dumps({"$schema": _SCHEMA, "contentVersion": "1.0.0.0", "parameters": values}, indent=2) + "\n"


def _bundles(
    found: Mapping[str, Bundle], names: Mapping[str, str], now: datetime, made: list[str]
) -> dict[str, Bundle]:
    """What each reader shall have. `made`: gets a line for each thing that is new."""
    homes: dict[BusUser, tuple[str, str]] = {user: (str(user), SEED_NAME) for user in BusUser}
    homes[BusUser.TOOLS] = (str(NodeKind.LICENSE), TOOLS_SEED)
    seeds: dict[BusUser, str] = {}
    for user, (reader, name) in homes.items():
        if not (kept := found.get(reader, {}).get(name, "")):
            made.append(f"a key for {user}")
        seeds[user] = kept or new_seed()
    authorities, shown = _certificates(found, names, now, made)
    readers: dict[str, Bundle] = {str(kind): {AUTHORITY: authorities} for kind in NodeKind}
    for user, (reader, name) in homes.items():
        readers[reader][name] = seeds[user]
    password = found.get(str(NodeKind.SIGNALING), {}).get(PASSWORD_NAME, "")
    if not password:
        made.append("a first password for the operator admin")
    readers[NodeKind.SIGNALING][PASSWORD_NAME] = password or secrets.token_urlsafe(18)
    users = server_config(seeds)
    for server, certificate in shown.items():
        readers[server] = {USERS_NAME: users, ROUTES: authorities, SERVER: certificate}
    return readers


def _certificates(
    found: Mapping[str, Bundle], names: Mapping[str, str], now: datetime, made: list[str]
) -> tuple[str, dict[str, str]]:
    """Whom to trust, and what each NATS server shows."""
    kept = {server: found.get(server, {}).get(SERVER, "") for server in names}
    former = next((files[AUTHORITY] for files in found.values() if files.get(AUTHORITY)), "")
    if former and all(_holds(kept[server], name, now) for server, name in names.items()):
        return former, kept
    made.append("certificates for NATS")
    authority = Authority(now)
    shown = {
        server: authority.certified(server, [name, "localhost", "127.0.0.1"], connects=True)
        for server, name in names.items()
    }
    return authority.trusted_with(former.encode()), shown


def _holds(pem: str, name: str, now: datetime) -> bool:
    """Whether a certificate is for this name, and for long enough."""
    if not (chain := certificates(pem.encode())):
        return False
    said = chain[0].extensions.get_extension_for_class(SubjectAlternativeName).value
    return name in said.get_values_for_type(DNSName) and chain[0].not_valid_after_utc - now > RENEW_BEFORE


def _written(files: Mapping[str, str]) -> str:
    return json.dumps(files, indent=2) + "\n"


def _read(path: Path) -> Bundle:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CannotGoOn(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise CannotGoOn(f"{path} has other things in it than files; delete it to have new keys made")
    return found
