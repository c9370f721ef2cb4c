"""Processes that make the keys of one stack at one time: one makes them, and all have the same."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from rillcast.cli.compose_keys import write_keys
from rillcast.cli.server_certificates import TlsServer, certificates, fault
from rillcast.cli.tls_files import FIRST, keep_in_folder, now_utc
from rillcast.contracts.permissions import BusUser
from rillcast.runtime.bus.nats_users import keep_seeds, public_key
from rillcast.runtime.discovery.consul_acl import keep_tokens

AT_ONCE = 4
Work = Callable[[Path], object]


def _run(work: Work, folder: Path, begin: Barrier, answers: multiprocessing.Queue[object]) -> None:
    begin.wait(30)
    answers.put(work(folder))


def at_once(work: Work, folder: Path) -> list[object]:
    """What this returns in each of some processes that begin together."""
    context = multiprocessing.get_context("fork")
    begin, answers = context.Barrier(AT_ONCE), context.Queue()
    workers = [context.Process(target=_run, args=(work, folder, begin, answers)) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(30)
    return found


def test_one_of_them_makes_the_certificates(tmp_path: Path) -> None:
    said = at_once(keep_in_folder, tmp_path)

    assert sorted(map(str, said)) == [*[""] * (AT_ONCE - 1), FIRST]
    authorities = (tmp_path / "ca.pem").read_bytes()
    assert len(certificates(authorities)) == 1
    assert not fault(authorities, {one: (tmp_path / f"{one}.pem").read_bytes() for one in TlsServer}, now_utc())


def test_all_have_the_same_seeds_and_the_same_tokens(tmp_path: Path) -> None:
    for work in (keep_seeds, keep_tokens):
        first, *others = at_once(work, tmp_path / work.__name__)
        assert all(other == first for other in others)


def test_two_starts_of_compose_make_one_set_of_keys(tmp_path: Path) -> None:
    said = at_once(write_keys_here, tmp_path)

    assert sorted(map(str, said)) == [*[""] * (AT_ONCE - 1), FIRST]
    users = (tmp_path / "nats/users.conf").read_text()
    for user in BusUser:
        assert public_key((tmp_path / user / "nats.nkey").read_text()) in users
    assert len({path.read_bytes() for path in tmp_path.glob("*/ca.pem")}) == 1


def write_keys_here(folder: Path) -> str:
    return write_keys(folder, own=False)
