"""What a machine of a cloud gives its container: settings that exist, keys, and a configuration that NATS takes."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cloud_machine import FOLDER, Metadata, aws_answers, azure_answers, metadata_service, put_command, script

from rillcast.cli.cloud_keys import SERVERS, azure_parameters, write_cloud_keys
from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.tls_files import now_utc
from rillcast.contracts.permissions import BUCKETS, BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.bus.nats_login import Login
from rillcast.runtime.bus.nats_users import new_seed
from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.servers import ServerProcess, find_nats_server, free_port
from scripts.clouds.groups import ADMIN_PORT, GROUPS, HTTP_PORT, MEDIA_PORTS, RELAY_PORTS

Settings = dict[NodeKind, type[NodeSettings]]
NATS_NAMES = "nats-1.rillcast.internal,nats-2.rillcast.internal,nats-3.rillcast.internal"


@pytest.fixture
def service() -> Iterator[Metadata]:
    with metadata_service() as said:
        yield said


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `rillcast cloud-keys` has made."""
    folder = tmp_path_factory.mktemp("keys")
    write_cloud_keys(folder, "rillcast.internal")
    return folder


def machine_env(kind: str) -> dict[str, str]:
    more = {"PROXIES": "10.30.0.0/16", "OPERATORS": "198.51.100.0/24"} if kind == "signaling" else {}
    return {"CLOUD": "aws", "KIND": kind, "NATS_SERVERS": NATS_NAMES, "DRAIN_S": "120", **more}


@pytest.mark.parametrize("cloud", ["aws", "azure"])
@pytest.mark.parametrize("kind", NodeKind)
def test_what_a_machine_sets_is_accepted_by_its_service(  # noqa: PLR0917
    service: Metadata, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, kind: NodeKind,
    cloud: str,
) -> None:  # fmt: skip
    service.answers = aws_answers() if cloud == "aws" else azure_answers()
    place = script("metadata").cloud({"CLOUD": cloud}, service.base).place()
    files = script("prepare").bundle((keys / f"{kind}.json").read_text())
    script("prepare").write(tmp_path / "keys", files, None)
    found = script("prepare").settings(machine_env(kind), place, 2)
    for name in [name for name in os.environ if name.startswith("RILLCAST_")]:
        monkeypatch.delenv(name)
    for name, value in found.items():
        monkeypatch.setenv(name, value.replace("/run/rillcast", str(tmp_path / "keys")))

    loaded = settings[kind]()

    fields = settings[kind].model_fields
    for name in found:
        field = name.removeprefix(f"RILLCAST_{kind.upper()}_").removeprefix("RILLCAST_").lower()
        known = field in fields or (field.endswith("_file") and field.removesuffix("_file") in fields)
        assert known or name == "RILLCAST_TOOLS_NATS_NKEY_FILE", name
    assert Login(loaded).demands_tls
    assert loaded.advertise_address == "10.30.17.4"
    assert loaded.drain_timeout_s == 120
    assert loaded.kv_replicas == 3
    assert loaded.region and loaded.zone
    group = next(group for group in GROUPS if group.kind == kind)
    assert group.public == ("203.0.113.7" in getattr(loaded, "advertise_media_addresses", []))


def test_every_kind_of_node_has_a_group() -> None:
    assert {group.kind for group in GROUPS} == {str(kind) for kind in NodeKind}


def test_the_ports_are_those_that_the_templates_open() -> None:
    prepare = script("prepare")

    assert MEDIA_PORTS == (prepare.MEDIA_PORT, prepare.MEDIA_PORT + prepare.MOST_WORKERS - 1)
    assert RELAY_PORTS == (prepare.RELAY_PORT, prepare.RELAY_PORT + prepare.MOST_WORKERS - 1)
    assert (prepare.ADMIN_PORT, prepare.HTTP_PORT) == (ADMIN_PORT, HTTP_PORT)


@pytest.mark.parametrize("answers", [aws_answers(public=""), azure_answers(public="")])
def test_a_machine_without_a_public_address_becomes_no_edge(service: Metadata, answers: dict[str, str]) -> None:
    service.answers = answers
    cloud = "aws" if "/latest/meta-data/instance-id" in answers else "azure"
    place = script("metadata").cloud({"CLOUD": cloud}, service.base).place()

    with pytest.raises(script("metadata").CloudFault, match="no public address"):
        script("prepare").settings(machine_env("edge"), place, 2)
    assert script("prepare").settings(machine_env("transcoder"), place, 2)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"a": 1}', '{"../a": "b"}', '{".a": "b"}'])
def test_a_secret_that_is_none_of_ours_is_refused_in_words(text: str) -> None:
    with pytest.raises(script("metadata").CloudFault, match="secret"):
        script("prepare").bundle(text)


def test_keys_are_written_for_their_reader_alone_and_former_ones_are_gone(tmp_path: Path) -> None:
    script("prepare").write(tmp_path / "keys", {"old": "x"}, None)
    script("prepare").write(tmp_path / "keys", {"nats.nkey": "seed"}, None)

    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["nats.nkey"]
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys/nats.nkey").stat().st_mode & 0o777 == 0o400


def test_the_secret_of_aws_is_read_with_the_role_of_the_machine(
    service: Metadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_command(tmp_path / "bin", "aws", 'echo "{\\"asked\\": \\"$*\\"}"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    here = script("metadata").cloud({"CLOUD": "aws", "SECRET": "arn:s", "REGION": "eu-central-1"}, service.base)

    asked = json.loads(here.secret())["asked"]

    assert asked == "secretsmanager get-secret-value --secret-id arn:s --query SecretString --output text" + (
        " --region eu-central-1"
    )


def test_the_secret_of_azure_is_read_with_the_identity_of_the_machine(service: Metadata) -> None:
    token = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
    service.answers = {token: '{"access_token": "t"}'}
    here = script("metadata").cloud({"CLOUD": "azure", "SECRET": f"{service.base}/secrets/edge"}, service.base)
    assert here.login("https://vault.azure.net") == {"Authorization": "Bearer t"}

    with pytest.raises(script("metadata").CloudFault, match="401"):
        here.secret()  # it showed the token, and not the header of the metadata service


# ---------------------------------------------------------------- keys


def test_keys_that_are_there_stay(tmp_path: Path) -> None:
    made = write_cloud_keys(tmp_path, "rillcast.internal")
    before = {path.name: path.read_text() for path in tmp_path.glob("*.json")}

    again = write_cloud_keys(tmp_path, "rillcast.internal")

    assert len(made) == 8
    assert again == ["nothing had to be made"]
    assert {path.name: path.read_text() for path in tmp_path.glob("*.json")} == before
    assert set(before) == {f"{reader}.json" for reader in [*NodeKind, *SERVERS]}
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*.json"))


def test_old_certificates_are_replaced_and_the_former_authority_is_trusted_still(tmp_path: Path) -> None:
    long_ago = now_utc() - timedelta(days=400)
    write_cloud_keys(tmp_path, "rillcast.internal", clock=lambda: long_ago)
    before = json.loads((tmp_path / "edge.json").read_text())

    made = write_cloud_keys(tmp_path, "rillcast.internal")

    after = json.loads((tmp_path / "edge.json").read_text())
    assert made == ["certificates for NATS"]
    assert after["ca.pem"].endswith(before["ca.pem"])
    assert after["nats.nkey"] == before["nats.nkey"]
    assert script("prepare").bundle((tmp_path / "nats-1.json").read_text())["routes.pem"] == after["ca.pem"]


def test_no_reader_has_the_key_of_another(keys: Path) -> None:
    bundles = {path.stem: json.loads(path.read_text()) for path in keys.glob("*.json")}
    seeds = [text for files in bundles.values() for name, text in files.items() if name.endswith(".nkey")]

    assert len(seeds) == len(set(seeds)) == 6
    assert "tools.nkey" in bundles["license"]
    for server in SERVERS:
        assert set(bundles[server]) == {"users.conf", "routes.pem", "server.pem"}
        assert not any(seed.strip() in json.dumps(bundles[server]) for seed in seeds)


def test_a_file_that_somebody_has_spoiled_and_a_strange_domain_are_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="no domain"):
        write_cloud_keys(tmp_path, "a b")
    (tmp_path / "edge.json").write_text("{")
    with pytest.raises(CannotGoOn, match=r"edge\.json is no JSON"):
        write_cloud_keys(tmp_path, "rillcast.internal")


def test_the_parameters_for_azure_have_every_secret(keys: Path) -> None:
    bundles = {path.stem: json.loads(path.read_text()) for path in keys.glob("*.json")}
    said = json.loads((keys / "azure/parameters.json").read_text())["parameters"]

    assert {name: json.loads(one["value"]) for name, one in said.items()} == {
        f"keys{reader.title().replace('-', '')}": files for reader, files in bundles.items()
    }
    assert json.loads(azure_parameters(bundles))["contentVersion"] == "1.0.0.0"


# ---------------------------------------------------------------- NATS


async def test_three_servers_with_our_keys_are_one_cluster_that_only_our_users_enter(
    keys: Path, tmp_path: Path
) -> None:
    routes = {server: free_port() for server in SERVERS}
    ports = {server: free_port() for server in SERVERS}
    servers: list[ServerProcess] = []
    for server in SERVERS:
        folder = tmp_path / server
        script("prepare").write(folder, script("prepare").bundle((keys / f"{server}.json").read_text()), None)
        said = {"NATS_SERVERS": NATS_NAMES, "NATS_NAME": server}
        config = script("prepare").nats_config(said, (FOLDER / "nats.conf").read_text())
        for name, port in routes.items():
            config = config.replace(f"tls://{name}.rillcast.internal:6222", f"tls://localhost:{port}")
        for was, now in {
            "/run/rillcast": str(folder),
            "/data": str(folder / "data"),
            "0.0.0.0:4222": f"127.0.0.1:{ports[server]}",
            "0.0.0.0:6222": f"127.0.0.1:{routes[server]}",
            'http: "127.0.0.1:8222"': "",
        }.items():
            assert was in config
            config = config.replace(was, now)
        (folder / "nats.conf").write_text(config)
        command = [find_nats_server(), "--config", str(folder / "nats.conf")]
        servers.append(ServerProcess(command, folder, lambda: True))
    ours = json.loads((keys / "license.json").read_text())
    (tmp_path / "ca.pem").write_text(ours["ca.pem"])
    urls = ",".join(f"tls://localhost:{port}" for port in ports.values())
    login = {"nats_url": urls, "nats_ca": str(tmp_path / "ca.pem"), "connect_timeout_s": "20"}
    mine = NodeSettings.model_validate(login | {"nats_nkey": ours["nats.nkey"]})
    other = NodeSettings.model_validate(login | {"nats_nkey": new_seed()})
    try:
        async with asyncio.TaskGroup() as starting:
            for one in servers:
                starting.create_task(one.start())
        connection = NatsConnection(mine, "license-1", user=BusUser.LICENSE)
        await connection.open()
        try:
            bucket = NatsKeyValue(connection, BUCKETS[0].name, replicas=3)
            await bucket.open(patience_s=30)
            assert connection.connected
        finally:
            await connection.close()
        with pytest.raises(StartError, match="refused the nkey"):
            await NatsConnection(other, "license-1", user=BusUser.LICENSE).open()
    finally:
        for one in servers:
            await one.kill()


# ---------------------------------------------------------------- the scripts


def test_scripts_for_aws_are_written_for_the_python_of_its_system() -> None:
    for path in FOLDER.glob("*.py"):
        if path.name != "measure.py":  # Azure's is newer
            ast.parse(path.read_text(), feature_version=(3, 9))


def test_shell_scripts_have_no_fault_that_shellcheck_knows() -> None:
    done = subprocess.run(["shellcheck", FOLDER / "boot", FOLDER / "run"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_unit_waits_for_longer_than_a_drain_takes() -> None:
    unit, boot = (FOLDER / "rillcast.service").read_text(), (FOLDER / "boot").read_text()
    waits = dict(re.findall(r"@(STOP_S|TIMEOUT_S)@/\$\(\(DRAIN_S \+ (\d+)\)\)", boot))

    assert "docker stop --time @STOP_S@ rillcast" in unit
    assert "TimeoutStopSec=@TIMEOUT_S@" in unit
    assert 5 < int(waits["STOP_S"]) < int(waits["TIMEOUT_S"])


def test_the_image_has_the_scripts_of_machines(root: Path) -> None:
    assert "COPY deploy/clouds /opt/rillcast/clouds\n" in (root / "deploy/docker/Dockerfile").read_text()
    assert "!deploy/clouds\n" in (root / "deploy/docker/Dockerfile.dockerignore").read_text()


def test_the_container_is_hardened_as_in_compose() -> None:
    said = (FOLDER / "run").read_text()

    for part in ("--read-only", "--tmpfs /tmp", "--cap-drop ALL", "no-new-privileges", "--user 10001:10001", "--init"):
        assert part in said
    assert "--privileged" not in said and "docker.sock" not in said


# ---------------------------------------------------------------- figures


def test_the_agent_of_cloudwatch_is_told_the_metrics_and_the_group(tmp_path: Path) -> None:
    said = {
        "GROUP": "g",
        "METRICS": "rillcast_edge_viewers,rillcast_plane_busy_ratio",
        "FIGURES_GROUP": "f",
        "REGION": "r",
    }
    agent = script("agent").agent(said, tmp_path / "p.yaml")["logs"]["metrics_collected"]["prometheus"]
    scraping = script("agent").scraping(said)["scrape_configs"][0]

    (declared,) = agent["emf_processor"]["metric_declaration"]
    assert declared["dimensions"] == [["AutoScalingGroupName"]]
    assert declared["metric_selectors"] == ["^rillcast_edge_viewers$", "^rillcast_plane_busy_ratio$"]
    assert scraping["static_configs"] == [{"targets": ["127.0.0.1:9100"], "labels": {"AutoScalingGroupName": "g"}}]


def test_azure_monitor_is_told_what_a_node_measures() -> None:
    text = (
        "# HELP rillcast_edge_viewers Viewers\nrillcast_edge_viewers 12.0\n"
        'rillcast_plane_busy_ratio{worker="0"} 0.25\nrillcast_plane_busy_ratio{worker="1"} 0.75\nrillcast_ready 1.0\n'
    )
    measure = script("measure")
    found = measure.samples(text, ["rillcast_edge_viewers", "rillcast_plane_busy_ratio"])

    assert found == {"rillcast_edge_viewers": [12.0], "rillcast_plane_busy_ratio": [0.25, 0.75]}
    said = measure.message("rillcast_plane_busy_ratio", found["rillcast_plane_busy_ratio"], now_utc())
    (series,) = said["data"]["baseData"]["series"]
    assert (series["min"], series["max"], series["sum"], series["count"]) == (0.25, 0.75, 1.0, 2)
