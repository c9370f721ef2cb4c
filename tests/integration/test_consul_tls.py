"""TLS to a real Consul: who is trusted, what is refused in words, and a certificate that is renewed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.consul_discovery import ConsulDiscovery
from rillcast.runtime.discovery.consul_tls import ConsulTls
from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.authority import Authority
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import ConsulAgent, consul_agent, need_consul

INFO = NodeInfo(
    node=NodeId("edge-1"), kind=NodeKind.EDGE, version="1", admin_address="127.0.0.1:1", incarnation="a" * 16
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    need_consul()
    return Authority(tmp_path / "ours")


@asynccontextmanager
async def tls_agent(
    authority: Authority, *, name: str = "127.0.0.1", verify: bool = False
) -> AsyncIterator[ConsulAgent]:
    certificate, key = authority.issue("agent", name)
    clients = certificate.with_name("clients.pem")
    clients.write_bytes(authority.file.read_bytes())
    shown = {"cert_file": str(certificate), "key_file": str(key), "ca_file": str(clients)}
    async with consul_agent(tls={**shown, "verify_incoming": verify}) as agent:
        yield agent


def settings(agent: ConsulAgent, **files: Path) -> NodeSettings:
    known = {"discovery": "consul", "consul_url": agent.tls_url}
    return NodeSettings.model_validate(known | {name: str(file) for name, file in files.items()})


@asynccontextmanager
async def discovery(chosen: NodeSettings) -> AsyncIterator[ConsulDiscovery]:
    made = ConsulDiscovery(chosen.consul_url, tls=ConsulTls(chosen), look_every_s=0.2)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def refusal(chosen: NodeSettings) -> str:
    with pytest.raises(StartError) as refused:
        async with discovery(chosen) as made:
            await made.register(INFO)
    return str(refused.value)


async def registers(chosen: NodeSettings) -> None:
    async with discovery(chosen) as made:
        await made.register(INFO)
        await made.announce(True)
        await eventually(lambda: INFO.node in made.nodes(NodeKind.EDGE), what="the node being found")


async def test_an_agent_whose_authority_is_named_is_trusted_and_no_other_one(
    authority: Authority, tmp_path: Path
) -> None:
    async with tls_agent(authority) as agent:
        await registers(settings(agent, consul_ca=authority.file))
        for words in (
            await refusal(settings(agent, consul_ca=Authority(tmp_path / "other").file)),
            await refusal(settings(agent)),
        ):
            assert words.startswith(f"Consul at {agent.tls_url}: its certificate is refused: ")
            assert words.endswith("(see RILLCAST_CONSUL_CA)")


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    async with tls_agent(authority, name="consul.example") as agent:
        assert "its certificate is refused" in await refusal(settings(agent, consul_ca=authority.file))


async def test_an_agent_without_tls_is_told_nothing(authority: Authority) -> None:
    async with consul_agent() as agent:
        url = agent.url.replace("http://", "https://")
        chosen = settings(agent, consul_ca=authority.file).model_copy(update={"consul_url": url})
        assert "no TLS connection comes about" in await refusal(chosen)


async def test_only_a_named_authority_vouches_not_those_of_the_system_besides(authority: Authority) -> None:
    async with tls_agent(authority) as agent:
        subjects = ConsulTls(settings(agent, consul_ca=authority.file)).context.get_ca_certs()

        assert len(subjects) == 1


async def test_a_node_shows_its_certificate_and_a_renewed_one_after_that(authority: Authority, tmp_path: Path) -> None:
    async with tls_agent(authority, verify=True) as agent:
        assert "no TLS connection comes about" in await refusal(settings(agent, consul_ca=authority.file))
        certificate, key = authority.issue("node", "edge-1")
        chosen = settings(agent, consul_ca=authority.file, consul_certificate=certificate, consul_certificate_key=key)
        async with discovery(chosen) as made:
            await made.register(INFO)
            await eventually(lambda: made.reachable, what="the first answer")

            certificate.write_text("in the middle of being written")
            await agent.kill()
            await eventually(lambda: not made.reachable, what="the loss being noticed")
            await agent.start()
            await eventually(lambda: made.reachable, 20, what="the connection with the former certificate")

            await agent.kill()
            await eventually(lambda: not made.reachable, what="the loss being noticed")
            other = Authority(tmp_path / "other")
            # The agent now refuses the former certificate.
            authority.file.with_name("clients.pem").write_bytes(other.file.read_bytes())
            for ours, new in zip((certificate, key), other.issue("node", "edge-1"), strict=True):
                ours.write_bytes(new.read_bytes())
            await agent.start()
            await eventually(lambda: made.reachable, 20, what="the connection with the new certificate")


async def test_another_authority_is_trusted_once_its_file_says_so_and_the_former_one_no_more(
    authority: Authority, tmp_path: Path
) -> None:
    other, served = Authority(tmp_path / "other"), [tmp_path / "ours" / name for name in ("agent.pem", "agent.key")]
    async with tls_agent(authority) as agent:
        tls = ConsulTls(settings(agent, consul_ca=authority.file))
        made = ConsulDiscovery(agent.tls_url, tls=tls, look_every_s=0.2)
        await made.open()
        await made.register(INFO)
        await eventually(lambda: made.reachable, what="the first answer")
        before = tls.context

        authority.file.write_text("in the middle of being written")
        await agent.kill()
        await eventually(lambda: not made.reachable, what="the loss being noticed")
        assert tls.context is before
        for file, new in zip(served, other.issue("agent", "127.0.0.1"), strict=True):
            file.write_bytes(new.read_bytes())
        authority.file.write_bytes(other.file.read_bytes())
        await agent.start()
        await eventually(lambda: made.reachable, 20, what="the connection by the new authority")
        assert len(tls.context.get_ca_certs()) == 1
        await made.close()


@pytest.mark.parametrize("setting", ["consul_ca", "consul_certificate"])
def test_a_file_that_is_none_ends_the_start_in_words(tmp_path: Path, setting: str) -> None:
    authority, broken = Authority(tmp_path / "ours"), tmp_path / "broken.pem"
    broken.write_text("no certificate")
    certificate, key = authority.issue("x")
    files = {"consul_ca": authority.file, "consul_certificate": certificate, "consul_certificate_key": key}
    for file, why in ((broken, "not usable"), (tmp_path / "missing.pem", "No such file")):
        named = {name: str(path) for name, path in (files | {setting: file}).items()}
        with pytest.raises(StartError, match=rf"RILLCAST_{setting.upper()}: {file}.*{why}"):
            ConsulTls(NodeSettings.model_validate({"consul_url": "https://127.0.0.1:1", **named}))
