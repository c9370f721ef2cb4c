"""What one plane hands over to another one: it comes back as it was, and shows no secrets."""

from __future__ import annotations

import msgspec

from rillcast.media import protocol as p

SHOWN = p.ShownPacket(timestamp=5, digest=(1 << 64) - 1)
STATE = p.SrtpState(
    profile="AEAD_AES_128_GCM",
    local_key="bG9jYWwta2V5",
    remote_key="cmVtb3RlLWtleQ==",
    dtls="DTLS 1.3",
    srtcp_sent=7,
    close_notify="Z29vZGJ5ZQ==",
    estimate_bps=2_000_000,
    sent=(
        p.SentStream(
            ssrc=5, index=1 << 47, timestamp=9, ntp=(1 << 64) - 1, ntp_timestamp=8, picture=3, tl0=4, shown=SHOWN
        ),
    ),
    received=(p.ReceivedStream(ssrc=6, index=70_000, mid="0", rid="h", rtx=True),),
    reported=(p.ReceivedStream(ssrc=6, index=12),),
)


def test_what_is_handed_over_comes_back_from_the_event_and_goes_into_the_command() -> None:
    event = p.SessionExported(session=p.PlaneSession(1), srtp=STATE)
    assert msgspec.json.decode(msgspec.json.encode(event), type=p.Event) == event
    command = p.ContinueSession(session=p.PlaneSession(1), srtp=STATE)
    assert msgspec.json.decode(msgspec.json.encode(command), type=p.Command) == command


def test_no_repr_shows_the_keys_or_the_goodbye() -> None:
    shown = f"{STATE!r} {p.SessionExported(session=p.PlaneSession(1), srtp=STATE)!r} {STATE}"
    assert "AEAD_AES_128_GCM" in shown
    for secret in (STATE.local_key, STATE.remote_key, STATE.close_notify):
        assert secret not in shown
