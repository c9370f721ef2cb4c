"""What Ant Media's SDKs send when they lose their network, and what pages send twice: each sequence of frames, and what
it hears. docs/compatibility.md has the same as a table.

A line of a sequence is the time in seconds, what the client says, and what it hears until its next line. A letter names
a peer connection of the client; ``A'`` is A after an ICE restart. Nodes answer at once, and what they have opened they
end as often as they are told.
"""

from __future__ import annotations

from collections import Counter

import pytest

from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import SessionAnswer
from rillcast.contracts.words import SessionState
from services.signaling.websocket.domain.effects import (
    Accept,
    Effect,
    End,
    OpenPublisher,
    OpenViewer,
    Reoffer,
    Send,
)
from tests.unit.signaling.talk import EDGE, STREAM, Talk, definitions

SEQUENCES = {
    # iOS, `reconnectIfRequires`: 3 s after ICE was disconnected, and 8 s after the last try; no `stop`.
    "iOS publishes": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
         8.0  publish    start
         8.1  offer B    takeConfiguration publish_started
        16.0  publish    start
        16.1  offer C    takeConfiguration publish_started
    """,
    "iOS plays": """
         0.0  play       takeConfiguration
         0.1  answer A   play_started
         8.0  play       takeConfiguration
         8.1  answer B   play_started
        16.0  play       takeConfiguration
        16.1  answer C   play_started
    """,
    "iOS loses its network before it has answered": """
         0.0  play       takeConfiguration
         3.1  play       takeConfiguration
         3.2  answer B   play_started
    """,
    "iOS loses its network before it has offered": """
         0.0  publish    start
         3.1  publish    start
         3.2  offer B    takeConfiguration publish_started
    """,
    # Android, `peerReconnectorRunnable`: after 3 s, and each 10 s; `stop` for publishers only.
    "Android publishes": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
         3.0  stop       publish_finished
         3.0  publish    start
         3.1  offer B    takeConfiguration publish_started
    """,
    "Android plays": """
         0.0  play       takeConfiguration
         0.1  answer A   play_started
         3.0  play       takeConfiguration
         3.1  answer B   play_started
        13.0  play       takeConfiguration
        13.1  answer C   play_started
    """,
    "Android restarts ICE": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
         9.0  offer A'   takeConfiguration
    """,
    # JavaScript 2.16.2, `tryAgain`: `stop`, and 0.5 s later anew.
    "JavaScript publishes": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
         3.5  stop       publish_finished
         4.0  publish    start
         4.1  offer B    takeConfiguration publish_started
    """,
    "JavaScript plays": """
         0.0  play       takeConfiguration
         0.1  answer A   play_started
         3.5  stop       play_finished
         4.0  play       takeConfiguration
         4.1  answer B   play_started
    """,
    # A page that calls `publish` or `play` twice keeps its peer connection. A publisher is not cut off. A viewer that
    # is offered another session of its edge connects anew, which this SDK does by itself at `server_will_stop`.
    "JavaScript publishes twice": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
         5.0  publish    start
         5.1  offer A    takeConfiguration
    """,
    "JavaScript plays twice": """
         0.0  play       takeConfiguration
         0.1  answer A   play_started
         5.0  play       takeConfiguration
         5.1  answer A   already_playing server_will_stop
    """,
    "JavaScript is clicked twice, to publish": """
         0.0  publish    start
         0.2  publish    already_publishing
         0.3  offer A    takeConfiguration publish_started
    """,
    "JavaScript is clicked twice, to play": """
         0.0  play       takeConfiguration
         0.2  play       already_playing
         0.3  answer A   play_started
    """,
    # Flutter makes a peer connection for each `start` and each offer, and does nothing by itself.
    "Flutter publishes again": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
         9.0  publish    start
         9.1  offer B    takeConfiguration publish_started
    """,
    "Flutter plays again": """
         0.0  play       takeConfiguration
         0.1  answer A   play_started
         9.0  play       takeConfiguration
         9.1  answer B   play_started
    """,
    # React Native does nothing by itself, and keeps its peer connection until `stop`.
    "React Native plays again": """
         0.0  play       takeConfiguration
         0.1  answer A   play_started
         9.0  play       takeConfiguration
         9.1  answer A   already_playing server_will_stop
         9.2  stop       play_finished
         9.2  play       takeConfiguration
         9.3  answer B   play_started
    """,
    "React Native publishes again": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
         9.0  publish    start
         9.1  offer A'   takeConfiguration
    """,
    # Our own pages close the peer connection and ask again.
    "a page of ours publishes": """
         0.0  publish    start
         0.1  offer A    takeConfiguration publish_started
        20.0  publish    start
        20.1  offer B    takeConfiguration publish_started
    """,
    "a page of ours plays": """
         0.0  play       takeConfiguration
         0.1  answer A   play_started
         5.0  play       takeConfiguration
         5.1  answer B   play_started
    """,
}


class Cluster:
    """Plays the nodes: they open what they are asked for at once, and media comes at once."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.opened: list[SessionId] = []
        self.ended: Counter[SessionId] = Counter()

    def says(self, words: list[str], now: float) -> list[str]:
        command, *peer = words
        fields: dict[str, str] = {}
        if peer:
            fields = {"type": command, "sdp": sdp_of(*peer)}
        return self.hears(self.talk.send("takeConfiguration" if peer else command, now, streamId=STREAM, **fields))

    def hears(self, effects: list[Effect]) -> list[str]:
        heard = []
        for effect in effects:
            match effect:
                case Send():
                    heard += definitions([effect])
                case OpenPublisher() | OpenViewer():
                    self.opened.append(effect.session)
                    heard += self.hears(self.talk.opened(effect.session))
                    heard += self.hears(self.talk.changed(effect.session, SessionState.MEDIA))
                case Reoffer():
                    answer = SessionAnswer(session=effect.session, node=EDGE, sdp="v=0")
                    heard += self.hears(self.talk.conversation.sessions.reoffered(answer))
                case Accept():
                    heard += self.hears(self.talk.changed(effect.session, SessionState.CONNECTED))
                case End():
                    self.ended[effect.session] += 1
                case _:
                    pass
        return heard


def sdp_of(peer: str) -> str:
    return f"v=0\r\na=ice-ufrag:{peer}\r\na=fingerprint:sha-256 {peer[0]}\r\n"


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_client_that_begins_anew_is_answered_at_once_and_leaves_nothing_behind(name: str) -> None:
    cluster = Cluster()

    for line in SEQUENCES[name].strip().splitlines():
        now, said, *_ = line.split()
        peer = line.split()[2:3] if said in ("offer", "answer") else []
        expected = line.split()[2 + len(peer) :]

        assert cluster.says([said, *peer], float(now)) == expected, line

    living = [session for session in cluster.opened if session not in cluster.ended]
    assert len(living) == 1
    assert set(cluster.ended.values()) <= {1}
    assert [slot.session for slot in cluster.talk.conversation._slots.all()] == living
    cluster.hears(cluster.talk.conversation.closed(sessions_stay=False))
    assert sorted(cluster.ended.elements()) == sorted(cluster.opened)
    assert cluster.talk.conversation.idle
