"""Secrets on disk: whole, closed to others, kept, and the same for two processes that begin at once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rillcast.runtime.bus.nats_users import keep_seeds, seed_file
from rillcast.runtime.secret_files import alone_in, keep_secret, write_secret


def test_what_is_there_stays_and_an_emptied_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    assert keep_secret(path, lambda: "first") == "first"
    assert keep_secret(path, lambda: "second") == "first"
    path.write_text("")
    assert keep_secret(path, lambda: "third") == "third"


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    os.mkfifo(path)

    assert keep_secret(path, lambda: "made") == "made"
    assert path.read_text() == "made\n"


def test_only_the_owner_reads_it_whatever_was_left_there(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("open to all")
    path.chmod(0o644)
    (tmp_path / "secret.new").write_text("of a start that was killed")

    write_secret(path, "closed")

    assert path.read_text() == "closed"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_who_does_not_get_in_says_so_after_a_while(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(TimeoutError, match="another process"), alone_in(tmp_path, 0.0):
        pass


def test_a_seed_that_was_never_written_is_made(tmp_path: Path) -> None:
    seeds = keep_seeds(tmp_path)
    user = next(iter(seeds))
    seed_file(tmp_path, user).write_text("")

    again = keep_seeds(tmp_path)

    assert again[user].startswith("SU")
    assert {**again, user: ""} == {**seeds, user: ""}
