"""The keys of the compose stack: each reader has its own file, and what is there stays."""

from __future__ import annotations

import stat
from pathlib import Path

from rillcast.cli.compose_keys import write_keys
from rillcast.contracts.permissions import BusUser
from rillcast.runtime.bus.nats_users import public_key


def test_each_user_has_a_seed_of_its_own_and_nats_knows_only_the_public_halves(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)

    users = (tmp_path / "nats/users.conf").read_text()
    seeds = {user: (tmp_path / user / "nats.nkey").read_text().strip() for user in BusUser}
    assert len(set(seeds.values())) == len(BusUser)
    for seed in seeds.values():
        assert f"nkey: {public_key(seed)}" in users
        assert seed not in users


def test_only_its_reader_can_read_a_key(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)

    for path in (*tmp_path.glob("*/nats.nkey"), tmp_path / "grafana/admin-password"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_second_start_changes_no_key_and_makes_an_emptied_one_anew(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)
    before = {path: path.read_text() for path in tmp_path.glob("*/*") if path.is_file()}
    write_keys(tmp_path, own=False, grafana_password="another")
    assert {path: path.read_text() for path in before} == before

    emptied = tmp_path / "edge/nats.nkey"
    emptied.write_text("")
    write_keys(tmp_path, own=False)
    assert public_key(emptied.read_text()) in (tmp_path / "nats/users.conf").read_text()


def test_a_password_that_the_operator_chose_is_taken(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False, grafana_password="chosen")

    assert (tmp_path / "grafana/admin-password").read_text() == "chosen\n"
