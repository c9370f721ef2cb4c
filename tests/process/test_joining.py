"""A new machine gets its keys from one that has them: once, for a while, and from nobody else."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import msgspec
import pytest

from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.joining import inviting
from rillcast.cli.joining.coming import ask
from rillcast.cli.joining.inviting import Invitation
from rillcast.cli.joining.wire import Answer, Token, read_token, settings_in
from rillcast.cli.tls_files import AUTHORITY, keep_in_folder
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import keep_seeds, new_seed
from rillcast.testing.eventually import eventually, within

EDGE, ORIGIN = NodeKind.EDGE, NodeKind.ORIGIN
SETTINGS = "# the cluster\nRILLCAST_NATS_URL=tls://10.0.0.1:4222,tls://10.0.0.2:4222\nRILLCAST_KV_REPLICAS=3\n"


class Inviting:
    """An invitation in this process."""

    def __init__(self) -> None:
        self.seeds = {EDGE: new_seed(), ORIGIN: new_seed()}
        self.told: list[str] = []
        self.made = Invitation(Answer(settings=SETTINGS, seeds=self.seeds), self.told.append)

    async def __aenter__(self) -> Inviting:
        self.token = await self.made.open("127.0.0.1", 0)
        self._over = asyncio.create_task(self.made.until_over(60))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.cancel()
        await asyncio.wait((self._over,))
        self.made._server.close()

    async def ended(self) -> bool:
        async with within(20, "the end of the invitation"):
            return await asyncio.shield(self._over)

    async def refusal(self, token: Token, *kinds: NodeKind) -> str:
        with pytest.raises(CannotGoOn) as caught:
            await ask(token, kinds)
        return caught.value.sentence


async def test_who_comes_with_the_token_gets_the_keys_it_asks_for_and_the_invitation_is_over() -> None:
    async with Inviting() as host:
        answer = await ask(read_token(host.token.written()), [EDGE])

        assert answer.seeds == {EDGE: host.seeds[EDGE]}
        assert answer.settings == SETTINGS
        assert await host.ended() is True
        assert len(host.told) == 1
        assert "(127.0.0.1) has got the keys of: edge" in host.told[0]
        assert "nobody answers" in await host.refusal(host.token, EDGE)


async def test_of_two_who_come_at_once_one_gets_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Inviting() as host:
        both = await asyncio.gather(ask(host.token, [EDGE]), ask(host.token, [EDGE]), return_exceptions=True)

    assert sum(isinstance(one, Answer) for one in both) == 1
    assert sum(isinstance(one, CannotGoOn) for one in both) == 1


@pytest.mark.parametrize(
    ("secret", "kinds", "why"),
    [
        ("another", (EDGE,), "its token is not of this invitation"),
        ("", (EDGE,), "its token is not of this invitation"),
        (None, (NodeKind.LICENSE,), "the token is for other kinds of node"),
    ],
)
async def test_others_get_nothing_and_are_counted(secret: str | None, kinds: tuple[NodeKind, ...], why: str) -> None:
    async with Inviting() as host:
        token = host.token if secret is None else msgspec.structs.replace(host.token, secret=secret)

        assert f"refuses: {why}" in await host.refusal(token, *kinds)

        assert host.made.refused == {why: 1}
        assert host.told == [f"refused 127.0.0.1: {why}"]
        assert (await ask(host.token, [EDGE])).seeds, "the token is as good as before"


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"x" * 100_000, b"{}\n", b"\xff\xfe\n"])
async def test_what_makes_no_sense_is_refused_and_harms_nobody(said: bytes) -> None:
    async with Inviting() as host:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", host.token.port, ssl=context)
        writer.write(said)
        writer.close()
        await eventually(lambda: host.made.refused.total() == 1, 15, "the refusal")
        assert (await ask(host.token, [EDGE])).seeds
        assert reader is not None


async def test_silent_connections_are_closed_and_their_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inviting, "PATIENCE_S", 0.5)
    monkeypatch.setattr(inviting, "AT_ONCE", 2)
    async with Inviting() as host:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        opened = [await asyncio.open_connection("127.0.0.1", host.token.port, ssl=context) for _ in range(4)]
        await eventually(lambda: host.made.refused["too many at one time"] == 2, 15, "two that are too many")
        await eventually(lambda: host.made.refused.total() == 4, 15, "the end of the silent ones")
        assert (await ask(host.token, [EDGE])).seeds
        for _, writer in opened:
            writer.close()


async def test_an_impostor_hears_no_secret() -> None:
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())
        writer.close()

    context, _ = inviting._identity()
    async with Inviting() as host:
        server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
        async with server:
            elsewhere = msgspec.structs.replace(host.token, port=server.sockets[0].getsockname()[1])
            assert "it shows another certificate" in await host.refusal(elsewhere, EDGE)
    assert heard == b""


async def test_nobody_gets_anything_when_the_time_is_over() -> None:
    made = Invitation(Answer(settings=SETTINGS, seeds={EDGE: new_seed()}), print)
    token = await made.open("127.0.0.1", 0)

    assert await made.until_over(0.05) is False

    with pytest.raises(CannotGoOn, match="nobody answers"):
        await ask(token, [EDGE])


@pytest.mark.parametrize(
    "text", ["", "rillcast-join-", "rillcast-join-e30", "SUAFOO", "rillcast-join-!!!!", "x" * 9_999]
)
def test_what_is_no_token_is_named(text: str) -> None:
    with pytest.raises(WrongUse, match="no token"):
        read_token(text)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("RILLCAST_NATS_NKEY=SUA", "is a secret"),
        ("RILLCAST_NATS_PASSWORD=x", "is a secret"),
        ("RILLCAST_CONSUL_TOKEN=x", "is a secret"),
        ("RILLCAST_NATS_URL=nats://b,nats://ada:pw@a:4222", "has a user or a password in it"),
        ("PATH=/evil", "is no setting"),
        ("LD_PRELOAD=/evil.so", "is no setting"),
        ("nonsense", "is no setting"),
    ],
)
def test_settings_that_are_secret_or_none_are_refused(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        settings_in(f"RILLCAST_NATS_URL=nats://x\n{line}\n")


# ---- the commands


async def command(*words: str) -> Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    program = "from rillcast.cli.main import main; main()"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *words), env=environment | {"COLUMNS": "300"}, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> tuple[int | None, str, str]:
    async with within(60, "the end of the command"):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def cluster(folder: Path) -> tuple[str, ...]:
    """What the machine with the keys has, as options of `invite`."""
    keep_seeds(folder / "nats-keys")
    keep_in_folder(folder / "tls")
    (folder / "cluster.env").write_text(f"{SETTINGS}RILLCAST_NATS_CA={folder / 'tls' / AUTHORITY}\n")
    here = ("--address", "127.0.0.1", "--port", "0")
    return ("--keys", str(folder / "nats-keys"), "--settings", str(folder / "cluster.env"), *here)


async def test_a_machine_joins_by_one_command(tmp_path: Path) -> None:
    host = await command("invite", "--kind", "edge", "--kind", "origin", *cluster(tmp_path))
    assert host.stdout is not None
    async with within(60, "the token"):
        token = (await host.stdout.readline()).decode().strip()
    into, units = tmp_path / "etc", tmp_path / "units"
    units.mkdir()
    places = ("--into", str(into), "--units", str(units))

    code, out, err = await ended(await command("join", token, "--kind", "edge", *places))

    assert code == 0, err
    assert "systemctl start rillcast@edge" in out
    assert (await ended(host))[0] == 0
    key = into / "keys" / "edge.nkey"
    assert key.read_text() == (tmp_path / "nats-keys" / f"{BusUser.EDGE}.nkey").read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert os.listdir(key.parent) == ["edge.nkey"]
    assert (into / "ca.pem").read_bytes() == (tmp_path / "tls" / AUTHORITY).read_bytes()
    assert settings_in((into / "cluster.env").read_text())["RILLCAST_NATS_CA"] == str(into / "ca.pem")
    assert (units / "multi-user.target.wants" / "rillcast@edge.service").resolve() == units / "rillcast@.service"
    assert (units / "rillcast@edge.service.d" / "kind.conf").exists()

    code, _, err = await ended(await command("join", token, "--kind", "origin", *places))
    assert code == 1
    assert "nobody answers at 127.0.0.1" in err


async def test_a_machine_that_has_such_a_key_already_does_not_use_the_token_up(tmp_path: Path) -> None:
    host = await command("invite", "--kind", "edge", *cluster(tmp_path))
    assert host.stdout is not None
    async with within(60, "the token"):
        token = (await host.stdout.readline()).decode().strip()
    into, units = tmp_path / "etc", tmp_path / "units"
    (into / "keys").mkdir(parents=True)
    units.mkdir()
    (into / "keys" / "edge.nkey").write_text("mine")

    code, _, err = await ended(await command("join", token, "--into", str(into), "--units", str(units)))

    assert code == 1
    assert "this machine has the key of edge already" in err
    assert (into / "keys" / "edge.nkey").read_text() == "mine"
    (into / "keys" / "edge.nkey").unlink()
    assert (await ended(await command("join", token, "--into", str(into), "--units", str(units))))[0] == 0
    assert (await ended(host))[0] == 0


async def test_an_invitation_that_nobody_uses_ends(tmp_path: Path) -> None:
    code, out, err = await ended(await command("invite", "--kind", "edge", "--for", "1s", *cluster(tmp_path)))

    assert code == 1
    assert out.startswith("rillcast-join-")
    assert "nobody came with the token in 1s" in err
