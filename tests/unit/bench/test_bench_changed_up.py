"""What is changed of a cluster that is measured: its bus in the clear or by TLS, its nodes under a profiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from rillcast.cli.plan import Keys, Ports, Wishes, nats_config, services
from tests.bench.changed_up import configured, profiled, told
from tests.bench.join_cost import BusKind, with_bus
from tests.e2e.cluster import Code

OURS = nats_config(4222, Path("/store"), Path("/own.pem"), "authorization {\n}\n")
BEFORE_TLS = OURS.replace(OURS[OURS.index("tls {") : OURS.index("jetstream {")], "")


def test_the_configuration_of_nats_has_tls_or_not_as_is_wanted() -> None:
    assert "tls {" not in configured(OURS, "/made.pem", tls=False)
    assert configured(OURS, "/made.pem", tls=False) == BEFORE_TLS
    assert configured(OURS, "/made.pem", tls=True) == OURS
    added = configured(BEFORE_TLS, "/made.pem", tls=True)
    assert added.startswith('tls {\n  cert_file: "/made.pem"')
    assert added.endswith(BEFORE_TLS)


def test_nodes_are_told_the_same_as_nats() -> None:
    keys = Keys(Path("/seeds"), Path("/tokens"), Path("/own-ca.pem"))
    for spec in services(Wishes(ports=Ports(), edges=1, origins=1, transcoders=1, consul=None), {}, keys):
        kind = spec.env[next(name for name in spec.env if name.endswith("NODE_ID"))].partition("-")[0].upper()
        clear = told(spec.env, "/ca.pem", tls=False)
        assert clear[f"RILLCAST_{kind}_NATS_URL"].startswith("nats://127.0.0.1:")
        assert clear[f"RILLCAST_{kind}_NATS_CA"] == ""
        assert told(spec.env, "/ca.pem", tls=True) == spec.env


def test_nodes_of_a_state_without_tls_get_an_authority() -> None:
    told_before = {"RILLCAST_NATS_URL": "nats://127.0.0.1:4222", "RILLCAST_NATS_TOKEN": ""}

    assert told(told_before, "/ca.pem", tls=True) == {
        "RILLCAST_NATS_URL": "tls://127.0.0.1:4222",
        "RILLCAST_NATS_CA": "/ca.pem",
        "RILLCAST_NATS_TOKEN": "",
    }


@pytest.mark.parametrize("bus", [BusKind.CLEAR, BusKind.TLS])
def test_such_a_cluster_is_started_by_another_program(tmp_path: Path, bus: BusKind) -> None:
    code = with_bus(Code(), bus, str(tmp_path))

    assert with_bus(Code(), BusKind.OWN, str(tmp_path)) == Code()
    launcher, _, mode, _, certificate, _, authority, _ = code.up
    assert (Path(launcher).name, mode) == ("changed_up.py", bus)
    assert "PRIVATE KEY" in Path(certificate).read_text()
    assert "PRIVATE KEY" not in Path(authority).read_text()


def test_a_node_is_profiled_under_its_own_name() -> None:
    python, launcher, file, module = profiled("edge-1", ("/python", "-m", "services.edge"), "/profiles")

    assert (python, Path(launcher).name, file, module) == (
        "/python",
        "profiled_service.py",
        "/profiles/edge-1",
        "services.edge",
    )
    with pytest.raises(ValueError, match="no module"):
        profiled("nats", ("/nats-server", "--config", "x"), "/profiles")
