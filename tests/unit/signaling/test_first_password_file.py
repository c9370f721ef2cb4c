"""The first operator's password in a file: where it can be read, and in no log."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest

from rillcast.contracts.subjects import BUCKET_ACCOUNTS
from rillcast.runtime.errors import StartError
from rillcast.testing.confidences import overheard
from services.signaling.app import Signaling
from services.signaling.config import SignalingSettings
from services.signaling.core.wire import read_files
from tests.unit.signaling.signaling_harness import Cluster


async def test_the_password_is_in_the_file_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "first-password"
    made = Cluster(SignalingSettings(first_password_path=str(path)))
    with overheard() as told:
        service = await Signaling.build(made.settings, made.host, read_files(made.settings))
        name, password = path.read_text().split()
        transport = httpx.ASGITransport(service.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5080") as http:
            answer = await http.post("/rest/v2/users/authenticate", json={"email": name, "password": password})
        service.operators.hashes.close()
        await service.core.tasks.close()
        await made.host.close()
    assert answer.json()["success"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in told.logs
    printed = capfd.readouterr()
    assert password not in told.logs + told.spans + printed.out + printed.err


async def test_no_account_is_made_whose_password_could_be_written_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "not there" / "first-password"
    made = Cluster(SignalingSettings(first_password_path=str(path)))
    with pytest.raises(StartError, match=r"RILLCAST_SIGNALING_FIRST_PASSWORD_PATH: cannot write .*not there"):
        await Signaling.build(made.settings, made.host, read_files(made.settings))
    assert await (await made.host.kv(BUCKET_ACCOUNTS)).entries() == []
