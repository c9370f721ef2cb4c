"""By what a publisher is known again when it returns."""

from __future__ import annotations

from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain.identity import Client, Credentials, credential_digest

LIVE, STREAM = AppName("live"), StreamId("s1")


def test_the_digest_follows_the_credentials_else_the_client() -> None:
    home, away = Client(address="192.0.2.1", user_agent="A"), Client(address="192.0.2.2", user_agent="A")
    token, subscriber = Credentials(token="t"), Credentials(subscriber_id="t")

    def digest(credentials: Credentials, client: Client, stream: StreamId = STREAM) -> str:
        return credential_digest(LIVE, stream, credentials, client)

    assert digest(token, home) == digest(token, away)
    assert digest(Credentials(), home) == digest(Credentials(), home) != digest(Credentials(), away)
    assert len({digest(token, home), digest(subscriber, home), digest(Credentials(), home)}) == 3
    assert digest(token, home) != digest(token, home, StreamId("s2"))
