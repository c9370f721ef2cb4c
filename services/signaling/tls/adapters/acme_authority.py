"""Certificate authorities that speak ACME (RFC 8555), such as Let's Encrypt, through certbot's library."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from rillcast.runtime.http.certificate import KeyPair
from services.signaling.tls.ports import AuthorityFault

REQUEST_TIMEOUT_S = 20
"""Of one request to the authority."""
FINISH_TIMEOUT = timedelta(minutes=2)
"""For the authority to ask for the proofs and to issue."""
Result = TypeVar("Result")


class AcmeAuthority:
    """One directory of an authority, asked over HTTPS."""

    def __init__(self, directory: str, contact: str, ca_file: str = "") -> None:
        """`directory`: its URL. `contact`: an e-mail address or empty. `ca_file`: whom to trust instead of the usual
        authorities, for one of one's own."""
        self._directory = directory
        self._contact = contact
        self._ca_file = ca_file

    async def order(self, account_key: bytes, names: Sequence[str]) -> AcmeOrder:
        """See `Authority.order`."""
        return await _in_thread(lambda: self._order(account_key, names))

    def _order(self, account_key: bytes, names: Sequence[str]) -> AcmeOrder:
        connection = self._connection(account_key)
        key = _new_key()
        pending = connection.new_order(crypto_util.make_csr(key, list(names)))
        return AcmeOrder(connection, key, pending)

    def _connection(self, account_key: bytes) -> client.ClientV2:
        """Signed in. An account that is there already is found by its key."""
        network = client.ClientNetwork(
            JWKEC(key=load_pem_private_key(account_key, None)),
            alg=ES256,
            verify_ssl=self._ca_file or True,  # type: ignore[arg-type]  # handed to requests as it is
            user_agent="rillcast",
            timeout=REQUEST_TIMEOUT_S,
        )
        connection = client.ClientV2(client.ClientV2.get_directory(self._directory, network), network)
        if connection.external_account_required():
            raise AuthorityFault("the authority wants external account binding, which is not supported")
        account = messages.NewRegistration.from_data(email=self._contact or None, terms_of_service_agreed=True)
        try:
            connection.new_account(account)
        except errors.ConflictError as known:
            connection.query_registration(messages.RegistrationResource(uri=known.location, body=account))
        return connection


class AcmeOrder:
    """See `Order`."""

    def __init__(self, connection: client.ClientV2, key: bytes, pending: messages.OrderResource) -> None:
        self._connection = connection
        self._key = key
        self._pending = pending
        self._asked = [_by_http(authorization) for authorization in pending.authorizations]
        self.proofs = {asked.chall.encode("token"): asked.chall.validation(connection.net.key) for asked in self._asked}

    async def finish(self) -> KeyPair:
        """See `Order.finish`."""
        return await _in_thread(self._finish)

    def _finish(self) -> KeyPair:
        deadline = datetime.now() + FINISH_TIMEOUT
        for asked in self._asked:
            if asked.status == messages.STATUS_PENDING:
                self._connection.answer_challenge(asked, asked.chall.response(self._connection.net.key))
        issued = self._connection.poll_and_finalize(self._pending, deadline)
        return KeyPair(issued.fullchain_pem.encode(), self._key)


def _by_http(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for challenge in authorization.body.challenges:
        if isinstance(challenge.chall, challenges.HTTP01):
            return challenge
    raise AuthorityFault(f"the authority does not look at {authorization.body.identifier.value} by HTTP")


def _new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


async def _in_thread(work: Callable[[], Result]) -> Result:
    """The result of `work`, in a thread for which nobody waits when the node ends. Raises `AuthorityFault`."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, fault = None, None
        try:
            result = work()
        except AuthorityFault as error:
            fault = error
        except (errors.Error, messages.Error, requests.RequestException, JoseError, ValueError, KeyError) as error:
            fault = AuthorityFault(_sentence(error))
        except Exception as error:  # noqa: BLE001 - it would be lost in this thread
            loop.call_soon_threadsafe(settle, None, error)
            return
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, fault)

    threading.Thread(target=run, name="acme", daemon=True).start()
    return await done


def _sentence(error: Exception) -> str:
    if isinstance(error, errors.ValidationError):
        faults = [
            f"{authorization.body.identifier.value}: {challenge.error.detail}"
            for authorization in error.failed_authzrs
            for challenge in authorization.body.challenges
            if challenge.error is not None
        ]
        return "the authority could not see that a name leads here: " + "; ".join(faults)
    if isinstance(error, errors.TimeoutError):
        return "the authority did not answer in time"
    if isinstance(error, messages.Error):
        return f"the authority refuses: {error.detail or error.typ}"
    return f"the authority cannot be asked: {error}"
