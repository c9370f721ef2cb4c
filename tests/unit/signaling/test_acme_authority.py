"""Orders at an authority that speaks ACME: which proof is shown, when it is answered, and how faults are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.jwk import JWKEC

from services.signaling.tls.adapters import acme_authority
from services.signaling.tls.adapters.acme_authority import FINISH_TIMEOUT, AcmeAuthority
from services.signaling.tls.ports import AuthorityFault

DIRECTORY = "https://acme.example/directory"
TOKEN = b"t" * 16


def pem() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


ACCOUNT = pem()


def authorization(*offered: challenges.Challenge, status: messages.Status = messages.STATUS_PENDING) -> Any:
    """What the authority wants to see of the name ``live.example``."""
    bodies = tuple(messages.ChallengeBody(chall=chall, uri="u", status=status) for chall in offered)
    name = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value="live.example")
    return messages.AuthorizationResource(body=messages.Authorization(identifier=name, challenges=bodies))


def refusal(**fields: str) -> messages.Error:
    """An error document of the authority (RFC 8555 §6.7)."""
    made: messages.Error = messages.Error.from_json(fields)
    return made


class FakeClient:
    """An authority, in place of certbot's `acme.client.ClientV2`."""

    def __init__(self) -> None:
        self.net = SimpleNamespace(key=None)
        self.binding_required = False
        self.account_known = False
        self.fault: Exception | None = None
        self.authorizations = [authorization(challenges.HTTP01(token=TOKEN))]
        self.asked: list[str] = []
        self.options: dict[str, Any] = {}
        self.accounts: list[messages.NewRegistration] = []
        self.queried: list[messages.RegistrationResource] = []
        self.requested: x509.CertificateSigningRequest | None = None
        self.deadline: datetime | None = None

    def network(self, key: JWKEC, **options: Any) -> Any:
        self.net.key, self.options = key, options
        return self.net

    def external_account_required(self) -> bool:
        return self.binding_required

    def new_account(self, account: messages.NewRegistration) -> None:
        self.accounts.append(account)
        if self.account_known:
            raise errors.ConflictError("https://acme.example/account/7")

    def query_registration(self, known: messages.RegistrationResource) -> None:
        self.queried.append(known)

    def new_order(self, request: bytes) -> Any:
        if self.fault is not None:
            raise self.fault
        self.requested = x509.load_pem_x509_csr(request)
        return SimpleNamespace(authorizations=self.authorizations)

    def answer_challenge(self, asked: messages.ChallengeBody, response: challenges.HTTP01Response) -> None:
        assert response.simple_verify is not None
        self.asked.append(asked.chall.encode("token"))

    def poll_and_finalize(self, pending: Any, deadline: datetime) -> Any:
        self.deadline = deadline
        if self.fault is not None:
            raise self.fault
        return SimpleNamespace(fullchain_pem="the chain")


class InlineThread:
    """A thread that runs at once, so that no test waits for one."""

    def __init__(self, target: Callable[[], None], *, name: str, daemon: bool) -> None:
        assert daemon, "a node that ends waits for no authority"
        self.start = target


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()

    def made(directory: str, network: Any) -> FakeClient:
        assert (directory, network) == (DIRECTORY, fake.net)
        return fake

    monkeypatch.setattr(client, "ClientNetwork", fake.network)
    monkeypatch.setattr(client, "ClientV2", made)
    monkeypatch.setattr(made, "get_directory", lambda url, _network: url, raising=False)
    monkeypatch.setattr("threading.Thread", InlineThread)
    return fake


async def order(contact: str = "", ca_file: str = "") -> acme_authority.AcmeOrder:
    return await AcmeAuthority(DIRECTORY, contact, ca_file).order(ACCOUNT, ["live.example", "www.example"])


async def test_a_certificate_is_asked_for_all_names_and_comes_with_the_key_that_was_made_for_it(
    authority: FakeClient,
) -> None:
    pair = await (await order()).finish()

    assert authority.requested is not None
    names = authority.requested.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["live.example", "www.example"]
    assert pair.certificate == b"the chain"
    made = cast("ec.EllipticCurvePrivateKey", load_pem_private_key(pair.key, None))
    assert made.public_key() == authority.requested.public_key()
    assert pair.key != ACCOUNT


async def test_the_proof_is_shown_under_its_token_and_is_signed_by_the_account(authority: FakeClient) -> None:
    made = await order()
    proof = challenges.HTTP01(token=TOKEN)
    assert made.proofs == {proof.encode("token"): proof.validation(authority.net.key)}
    assert authority.asked == [], "nobody is told to look before the proofs can be read"


async def test_the_authority_is_told_to_look_when_the_order_is_finished(authority: FakeClient) -> None:
    made = await order()
    began = datetime.now()
    await made.finish()
    assert authority.asked == list(made.proofs)
    assert authority.deadline is not None
    assert timedelta(0) <= authority.deadline - began - FINISH_TIMEOUT < timedelta(minutes=1)


async def test_a_name_that_was_proved_before_is_not_looked_at_again(authority: FakeClient) -> None:
    authority.authorizations = [authorization(challenges.HTTP01(token=TOKEN), status=messages.STATUS_VALID)]
    await (await order()).finish()
    assert authority.asked == []


async def test_of_several_proofs_the_one_by_http_is_taken(authority: FakeClient) -> None:
    authority.authorizations = [authorization(challenges.DNS01(token=b"d" * 16), challenges.HTTP01(token=TOKEN))]
    assert list((await order()).proofs) == [challenges.HTTP01(token=TOKEN).encode("token")]


async def test_an_authority_that_does_not_look_by_http_is_of_no_use(authority: FakeClient) -> None:
    authority.authorizations = [authorization(challenges.DNS01(token=TOKEN))]
    with pytest.raises(AuthorityFault, match=r"does not look at live\.example by HTTP"):
        await order()


async def test_an_account_that_is_known_is_used(authority: FakeClient) -> None:
    authority.account_known = True
    await order()
    assert [one.uri for one in authority.queried] == ["https://acme.example/account/7"]
    assert authority.queried[0].body is authority.accounts[0]


@pytest.mark.parametrize(("contact", "contacts"), [("a@b.example", ("mailto:a@b.example",)), ("", ())])
async def test_the_account_agrees_to_the_terms_and_has_the_contact(
    authority: FakeClient, contact: str, contacts: tuple[str, ...]
) -> None:
    await order(contact)
    assert (authority.accounts[0].terms_of_service_agreed, authority.accounts[0].contact) == (True, contacts)
    assert authority.queried == []


@pytest.mark.parametrize(("ca_file", "verify"), [("", True), ("/ca.pem", "/ca.pem")])
async def test_whom_to_trust(authority: FakeClient, ca_file: str, verify: object) -> None:
    await order(ca_file=ca_file)
    assert authority.options["verify_ssl"] == verify
    assert authority.options["timeout"] > 0


async def test_an_authority_that_binds_accounts_is_refused_before_an_account_is_made(authority: FakeClient) -> None:
    authority.binding_required = True
    with pytest.raises(AuthorityFault, match="external account binding"):
        await order()
    assert authority.accounts == []


def not_seen() -> errors.ValidationError:
    failed = messages.ChallengeBody(
        chall=challenges.HTTP01(token=TOKEN), uri="u", error=refusal(detail="connection refused", type="x")
    )
    unasked = messages.ChallengeBody(chall=challenges.DNS01(token=TOKEN), uri="u")
    name = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value="live.example")
    body = messages.Authorization(identifier=name, challenges=(unasked, failed))
    return errors.ValidationError([messages.AuthorizationResource(body=body)])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (not_seen(), "the authority could not see that a name leads here: live.example: connection refused"),
        (errors.TimeoutError(), "the authority did not answer in time"),
        (refusal(detail="too many", type="urn:x"), "the authority refuses: too many"),
        (refusal(type="urn:x"), "the authority refuses: urn:x"),
        (requests.ConnectionError("no route"), "the authority cannot be asked: no route"),
        (ValueError("bad JSON"), "the authority cannot be asked: bad JSON"),
    ],
)
async def test_each_fault_is_one_sentence(authority: FakeClient, fault: Exception, words: str) -> None:
    authority.fault = fault
    with pytest.raises(AuthorityFault) as told:
        await order()
    assert str(told.value) == words


async def test_a_fault_while_it_issues_is_told_as_well(authority: FakeClient) -> None:
    made = await order()
    authority.fault = errors.TimeoutError()
    with pytest.raises(AuthorityFault, match="in time"):
        await made.finish()


async def test_a_bug_of_ours_is_no_fault_of_the_authority(authority: FakeClient) -> None:
    authority.fault = AssertionError("a bug")
    with pytest.raises(AssertionError, match="a bug"):
        await order()


async def test_who_no_longer_waits_is_not_told(authority: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Callable[[], None]] = []
    monkeypatch.setattr(
        InlineThread, "__init__", lambda self, target, **_: setattr(self, "start", lambda: begun.append(target))
    )
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))

    ordering = asyncio.create_task(order())
    await asyncio.sleep(0)
    ordering.cancel()
    await asyncio.gather(ordering, return_exceptions=True)
    begun[0]()
    await asyncio.sleep(1.0)

    assert ordering.cancelled()
    assert faults == []
