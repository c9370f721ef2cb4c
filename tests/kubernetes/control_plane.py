"""etcd, the API server with its controllers and scheduler, and kwok, which keeps the machines."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rillcast.testing.eventually import eventually
from tests.kubernetes.api import Api, Json, Refused
from tests.kubernetes.network import HERE, SIMULATED_PODS, Network, Place

PORT = 6443
URL = f"https://{HERE}:{PORT}"
STAGES = Path(__file__).with_name("stages.yaml")
MACHINES = 6
ZONES = ("a", "b", "c")
LIVE = "live"
"""The namespace whose pods are processes."""
UP_S = 180.0
VOLUMES_FOR_CHART = 16
Server = asyncio.subprocess.Process


class Certificates:
    """Of the cluster, by one authority."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.authority = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.authority))

    def issue(self, user: str, group: str = "", addresses: Sequence[str] = ("localhost",)) -> tuple[Path, Path]:
        """The files of certificate and key, of a user of the API server or of a server."""
        made = self._ca.issue_cert(*addresses, common_name=user, organization_name=group or None)
        certificate, private = (self._folder / f"{user}{end}" for end in (".pem", ".key"))
        certificate.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(private))
        return certificate, private

    def signing_key(self) -> tuple[Path, Path]:
        """The files of a public and a private key, for the tokens of service accounts."""
        key = ec.generate_private_key(ec.SECP256R1())
        public, private = self._folder / "accounts.pub", self._folder / "accounts.key"
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
        private.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
        return public, private


@dataclass(frozen=True)
class Cluster:
    """What runs."""

    api: Api
    kubeconfig: Path
    """Of an administrator."""
    authority: Path
    folder: Path
    machines: dict[str, Place]
    network: Network


@asynccontextmanager
async def server(folder: Path, name: str, *arguments: str) -> AsyncIterator[Server]:
    """A program until the end of the block. What it says goes into a file beside the others."""
    with (folder / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(name, *arguments, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def control_plane(folder: Path) -> AsyncIterator[Cluster]:
    """A cluster with ready machines, until the end of the block."""
    network = Network()
    await network.begin()
    keys = folder / "keys"
    keys.mkdir()
    certificates = Certificates(keys)
    admin = certificates.issue("administrator", "system:masters")
    kubeconfig = _kubeconfig(folder / "kubeconfig", certificates.authority, admin)
    async with AsyncExitStack() as stack:
        api = Api(URL, certificates.authority, admin)
        stack.push_async_callback(api.close)
        etcd = ("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--logger=zap", "--log-level=warn")
        await stack.enter_async_context(server(folder, "etcd", *etcd))
        public, private = certificates.signing_key()
        apiserver = _apiserver(certificates, public, private)
        await stack.enter_async_context(server(folder, "kube-apiserver", *apiserver))
        await eventually(
            lambda: _is_ready(api), UP_S, "the API server is ready", not_yet=(httpx.HTTPError,), every_s=0.5
        )
        common = (f"--kubeconfig={kubeconfig}", "--leader-elect=false")
        ours = (f"--service-account-private-key-file={private}", f"--root-ca-file={certificates.authority}")
        await stack.enter_async_context(server(folder, "kube-controller-manager", *common, *ours))
        await stack.enter_async_context(server(folder, "kube-scheduler", *common))
        machines = {name: await network.machine(name) for name in (f"machine-{n + 1}" for n in range(MACHINES))}
        for number, (name, place) in enumerate(machines.items()):
            await _make_machine(api, name, place, ZONES[number % len(ZONES)])
        kwok = (f"--config={STAGES}", f"--kubeconfig={kubeconfig}", "--manage-all-nodes", f"--cidr={SIMULATED_PODS}")
        await stack.enter_async_context(server(folder, "kwok", *kwok, "--node-lease-duration-seconds=40"))
        await eventually(lambda: _all_ready(api), UP_S, "all machines are ready", every_s=0.5)
        yield Cluster(api, kubeconfig, certificates.authority, folder, machines, network)


def _apiserver(certificates: Certificates, public: Path, private: Path) -> list[str]:
    own = certificates.issue("kube-apiserver", addresses=(HERE, "127.0.0.1", "10.96.0.1", "localhost"))
    proxy = certificates.issue("aggregator")
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        *(f"--secure-port={PORT}", f"--advertise-address={HERE}", "--service-cluster-ip-range=10.96.0.0/16"),
        *(f"--tls-cert-file={own[0]}", f"--tls-private-key-file={own[1]}"),
        f"--client-ca-file={certificates.authority}",
        "--service-account-issuer=https://kubernetes.default.svc",
        *(f"--service-account-key-file={public}", f"--service-account-signing-key-file={private}"),
        "--authorization-mode=Node,RBAC",
        # So that the API of metrics is a part of the whole.
        f"--requestheader-client-ca-file={certificates.authority}",
        "--requestheader-allowed-names=aggregator",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        *(f"--proxy-client-cert-file={proxy[0]}", f"--proxy-client-key-file={proxy[1]}"),
    ]


def _kubeconfig(path: Path, authority: Path, admin: tuple[Path, Path]) -> Path:
    user = {"client-certificate": str(admin[0]), "client-key": str(admin[1])}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": URL, "certificate-authority": str(authority)}}],
        "users": [{"name": "administrator", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "administrator"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


async def _is_ready(api: Api) -> bool:
    return await api.text("/readyz") == "ok"


async def _make_machine(api: Api, name: str, place: Place, zone: str) -> None:
    """A machine of 16 processors, with an address for the cluster and one for everybody, which are the same here."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": "lab",
        "topology.kubernetes.io/zone": zone,
    }
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    await api.create("/api/v1/nodes", made)
    room = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    kinds = (("InternalIP", place.address), ("ExternalIP", place.address), ("Hostname", name))
    status = {
        "addresses": [{"type": kind, "address": address} for kind, address in kinds],
        "capacity": room,
        "allocatable": room,
    }
    await api.patch(f"/api/v1/nodes/{name}/status", {"status": status})


async def _all_ready(api: Api) -> bool:
    machines = await api.items("/api/v1/nodes")
    return all(condition(one, "Ready") == "True" and not one["spec"].get("taints") for one in machines)


def condition(item: Json, kind: str) -> str:
    """The status of a condition of an object; empty when it has none of that type."""
    found = item.get("status", {}).get("conditions") or []
    return next((str(one["status"]) for one in found if one["type"] == kind), "")


async def make_namespace(api: Api, name: str) -> None:
    """Once it has the account and the certificate that pods need."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await api.create("/api/v1/namespaces", body)

    async def furnished() -> bool:
        await api.get(f"/api/v1/namespaces/{name}/configmaps/kube-root-ca.crt")
        await api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default")
        return True

    await eventually(furnished, 60, f"{name} has an account and a certificate", not_yet=(Refused,), every_s=0.2)


async def make_volumes(api: Api, folder: Path, count: int, name: str) -> None:
    """Folders of this machine as volumes that may be claimed."""
    for number in range(count):
        own = folder / f"{name}-{number}"
        own.mkdir(parents=True)
        spec = {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(own)},
        }
        body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{name}-{number}"}, "spec": spec}
        await api.create("/api/v1/persistentvolumes", body)


def scheduler() -> str:
    """In which class of this machine's scheduler all of it runs, for the page."""
    return {os.SCHED_OTHER: "ordinary", os.SCHED_IDLE: "idle", os.SCHED_BATCH: "batch"}.get(
        os.sched_getscheduler(0), "other"
    )
