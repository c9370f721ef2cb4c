"""The volumes of a pod, as folders of this machine."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.kubernetes.api import Api, Json
from tests.kubernetes.control_plane import LIVE

HERE = f"/api/v1/namespaces/{LIVE}"


async def furnish(api: Api, pod: Json, folder: Path) -> dict[str, Path]:
    """The folder of each volume, by name. Raises Refused while something that is named is not there."""
    made: dict[str, Path] = {}
    for volume in pod["spec"].get("volumes") or []:
        own = folder / volume["name"]
        own.mkdir(parents=True, exist_ok=True)
        made[volume["name"]] = await _one(api, pod, volume, own)
    return made


async def _one(api: Api, pod: Json, volume: Json, own: Path) -> Path:
    match volume:
        case {"emptyDir": _}:
            pass
        case {"secret": {"secretName": name}}:
            await _secret(api, name, own)
        case {"configMap": wish}:
            await _config(api, wish["name"], wish.get("items"), own)
        case {"projected": {"sources": sources}}:
            for source in sources:
                await _projected(api, pod, source, own)
        case {"persistentVolumeClaim": {"claimName": name}}:
            claim = await api.get(f"{HERE}/persistentvolumeclaims/{name}")
            found = await api.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
            return Path(found["spec"]["hostPath"]["path"])
        case _:
            raise AssertionError(f"a volume of a kind that is not known here: {volume}")
    return own


async def _secret(api: Api, name: str, own: Path) -> None:
    for entry, value in ((await api.get(f"{HERE}/secrets/{name}")).get("data") or {}).items():
        (own / entry).write_bytes(base64.b64decode(value))
        (own / entry).chmod(0o440)


async def _config(api: Api, name: str, items: list[Json] | None, own: Path) -> None:
    data = (await api.get(f"{HERE}/configmaps/{name}")).get("data") or {}
    paths = {one["key"]: one["path"] for one in items} if items else {key: key for key in data}
    for key, path in paths.items():
        (own / path).write_text(data[key])


async def _projected(api: Api, pod: Json, source: Json, own: Path) -> None:
    match source:
        case {"serviceAccountToken": wish}:
            meta = pod["metadata"]
            bound = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
            spec = {"expirationSeconds": wish["expirationSeconds"], "boundObjectRef": bound}
            asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
            account = pod["spec"]["serviceAccountName"]
            token = await api.create(f"{HERE}/serviceaccounts/{account}/token", asked)
            (own / wish["path"]).write_text(token["status"]["token"])
        case {"configMap": {"name": name, "items": items}}:
            await _config(api, name, items, own)
        case {"downwardAPI": {"items": items}}:
            for one in items:
                (own / one["path"]).write_text(field(pod, one["fieldRef"]["fieldPath"]))
        case _:
            raise AssertionError(f"a projected volume of a kind that is not known here: {source}")


def field(pod: Json, path: str) -> str:
    """What a `fieldRef` means."""
    found: object = pod
    for part in path.split("."):
        assert isinstance(found, dict)
        found = found[part]
    return str(found)
