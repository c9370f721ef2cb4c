"""The figures: quantiles, saturation, where peers send from, what is shown."""

from __future__ import annotations

import ipaddress

import msgspec

from rillcast.load.addresses import is_on_this_machine, spread_addresses
from rillcast.load.media import SIMULCAST, encode, encode_layers
from rillcast.load.run import Quantiles, Report, Result, quantiles
from rillcast.load.show import line, notes


def test_quantiles_are_nearest_rank() -> None:
    assert quantiles([]) == Quantiles(0, 0, 0, 0, 0)
    assert quantiles([float(v) for v in range(100, 0, -1)]) == Quantiles(100, 51.0, 96.0, 100.0, 100.0)


def test_a_busy_or_dropping_generator_says_so() -> None:
    assert Report(cpu_us=50, wall_us=100).saturation() == []
    assert len(Report(cpu_us=95, wall_us=100, socket_drops=3, longest_turn_us=200_000, late_frames=1).saturation()) == 4


def test_peers_have_addresses_of_their_own_where_loopback_reaches_the_server() -> None:
    addresses = spread_addresses(300)
    assert len(set(addresses)) >= 300
    assert all(ipaddress.ip_address(a).is_loopback for a in addresses)
    own = frozenset({"192.0.2.2"})
    assert is_on_this_machine("127.0.0.1:50000", own)
    assert is_on_this_machine("192.0.2.2:50000", own)
    assert not is_on_this_machine("172.18.0.5:50000", own)
    assert not is_on_this_machine("[2001:db8::1]:50000", own)


def test_media_is_a_loop_that_begins_with_a_keyframe() -> None:
    (video, length_us, length_ts), (audio, audio_us, audio_ts) = encode(1_000_000)
    assert (length_us, length_ts, audio_us, audio_ts) == (2_000_000, 180_000, 2_000_000, 96_000)
    assert [f[0] for f in video] == sorted({f[0] for f in video}), "one frame at a time"
    assert (len(video), len(audio)) == (60, 100)
    nal_types = {p[0] & 0x1F for p in video[0][2]}
    assert nal_types & {7, 24}, "parameter sets come first, alone or aggregated"
    total = sum(len(p) for _, _, payloads in video for p in payloads)
    assert 0.6 < total * 8 / 2 / 1_000_000 < 1.4


def test_a_running_line_tells_the_essentials() -> None:
    report = msgspec.structs.replace(Report(), connected=7, wall_us=1_000_000, bytes=125_000, lost=2)
    assert line("steady", 9, report).startswith("steady: 9 begun · 7 connected · 1 Mbit/s · 2 lost")


def test_simulcast_layers_are_the_same_pictures_in_several_sizes() -> None:
    videos, _ = encode_layers(SIMULCAST)
    assert [len(frames) for frames, _, _ in videos] == [60, 60, 60]
    assert {tuple(f[:2] for f in frames) for frames, _, _ in videos} == {tuple(f[:2] for f in videos[0][0])}
    sizes = [sum(len(p) for _, _, payloads in frames for p in payloads) for frames, _, _ in videos]
    for size, layer in zip(sizes, SIMULCAST, strict=True):
        assert 0.6 < size * 8 / 2 / layer.bitrate_bps < 1.4


def test_who_was_sent_away_is_shown() -> None:
    none, report = quantiles([]), Report()
    result = Result(
        count=3,
        connected=3,
        failures={},
        ended={"its socket closed with 1011": 2},
        joins_per_s=1.0,
        signalled_ms=none,
        connected_ms=none,
        first_packet_ms=none,
        first_keyframe_ms=none,
        negotiated={},
        joining=report,
        steady=report,
    )

    assert "sent away by the server: 2 × its socket closed with 1011" in notes(result)
