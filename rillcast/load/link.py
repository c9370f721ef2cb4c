"""The links in front of generated viewers, as a command line names them."""

from __future__ import annotations

import math
import re

import msgspec

UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
LEAST_BPS, MOST_BPS = 10_000, 10_000_000_000
MOST_S = 86_400
MOST_LINKS = 100
MOST_TIME_MS = 10_000.0

_RATE = re.compile(r"(\d+(?:\.\d+)?)([kmgKMG]?)")
_STEP = re.compile(r"(.+)@(\d+(?:\.\d+)?)s?")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between a server and a viewer; native/crates/load/src/link.rs carries it out."""

    name: str = "none"
    rates: tuple[tuple[int, int], ...] = ((0, 0),)
    """(milliseconds after the figures begin, bit/s from then on), the first at 0; a rate of 0 has no limit."""
    delay_us: int = 20_000
    """The delay of the link, in each direction."""
    queue_us: int = 300_000
    """What would wait longer for the rate is dropped."""
    loss: float = 0.0
    """Share of datagrams to the viewer that are lost at random."""
    storm_per_s: int = 0
    """Packets that arrived and are asked for again all the same."""


def parse_links(limits: str, losses: str = "0", delay: str = "20ms", queue: str = "300ms") -> tuple[Link, ...]:
    """The links of viewers 0, 1, 2, …, to be repeated. `limits` and `losses` are lists, each repeated by itself.

    ValueError names the part that can't be read.
    """
    rates = [parse_limit(part) for part in limits.split(",")]
    shares = [parse_loss(part) for part in losses.split(",")]
    count = math.lcm(len(rates), len(shares))
    if count > MOST_LINKS:
        raise ValueError(f"{len(rates)} limits and {len(shares)} losses make {count} links; {MOST_LINKS} are possible")
    delay_us, queue_us = parse_time_us(delay), parse_time_us(queue)
    names = [part.strip() for part in limits.split(",")]
    links = []
    for i in range(count):
        loss = shares[i % len(shares)]
        name = names[i % len(names)] + (f", {loss:.0%} lost" if loss else "")
        links.append(Link(name=name, rates=rates[i % len(rates)], delay_us=delay_us, queue_us=queue_us, loss=loss))
    return tuple(links)


def parse_limit(text: str) -> tuple[tuple[int, int], ...]:
    """``1.5M``, ``none``, or a limit that changes: ``3M/700k@15/3M@35`` is 3 Mbit/s, 700 kbit/s from second 15 on, …"""
    first, *later = text.strip().split("/")
    rates = [(0, _rate(first, text))]
    for step in later:
        match = _STEP.fullmatch(step.strip())
        if match is None:
            raise ValueError(f"limit {text.strip()!r}: {step!r} has no second; a change is written 700k@15")
        at_ms = round(float(match[2]) * 1000)
        if not rates[-1][0] < at_ms <= MOST_S * 1000:
            raise ValueError(f"limit {text.strip()!r}: second {match[2]} does not come after the one before")
        rates.append((at_ms, _rate(match[1], text)))
    return tuple(rates)


def _rate(text: str, whole: str) -> int:
    if text.strip() == "none":
        return 0
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"limit {whole.strip()!r}: {text.strip()!r} is no bit rate; 400k, 1.5M and none are")
    bps = round(float(match[1]) * UNITS[match[2].lower()])
    if not LEAST_BPS <= bps <= MOST_BPS:
        raise ValueError(f"limit {whole.strip()!r}: {bps} bit/s is not between {LEAST_BPS} and {MOST_BPS}")
    return bps


def parse_loss(text: str) -> float:
    """The share of lost packets that a text like ``0.1`` means. Raises ValueError outside 0 to 1."""
    try:
        loss = float(text)
    except ValueError:
        loss = -1.0
    if not 0 <= loss <= 1:
        raise ValueError(f"loss {text.strip()!r} is not between 0 and 1")
    return loss


def parse_time_us(text: str) -> int:
    """``20ms`` or ``0.3s``, at most 10 s."""
    match = _TIME.fullmatch(text.strip())
    ms = float(match[1]) * (1 if match[2] == "ms" else 1000) if match else math.inf
    if ms > MOST_TIME_MS:
        raise ValueError(f"time {text.strip()!r} is not like 20ms or 0.3s, at most 10s")
    return round(ms * 1000)
