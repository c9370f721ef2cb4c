"""The corpus of offers (`tests/vectors/sdp/offers`), and what an answer to one of them amounts to."""

from __future__ import annotations

import tomllib
from enum import StrEnum

import msgspec
from sdp_rules import parts
from sdp_samples import LOCAL, VECTORS, audio, sources, video

from rillcast.contracts.errors import ErrorCode
from rillcast.media.sdp import SentStream, answer_play, answer_publish

FOLDER = VECTORS / "offers"
REFUSALS = {"codec": ErrorCode.NO_COMMON_CODEC, "description": ErrorCode.BAD_REMOTE_DESCRIPTION}


class Basis(StrEnum):
    """How we know what an offer looks like; see the README of the corpus."""

    SHOWN = "shown"
    WRITTEN = "written"
    SHAPE = "shape"


class Vector(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the manifest says of an offer."""

    client: str
    basis: Basis
    source: str
    plays: str = ""
    """The codec of the stream that is asked for. Empty: the offer is a publisher's."""
    answer: list[str] = []
    """Each m-line in words: kind, payload type and codec, and the payload type of RTX."""
    setup: str = "passive"
    layers: list[str] = []
    refused: str = ""
    says: str = ""


def manifest() -> dict[str, Vector]:
    """All offers by their names."""
    return msgspec.convert(tomllib.loads((FOLDER / "offers.toml").read_text()), dict[str, Vector])


CORPUS = manifest()
TAKEN = {name: vector for name, vector in CORPUS.items() if not vector.refused}
REFUSED = {name: vector for name, vector in CORPUS.items() if vector.refused}


def offer_of(name: str) -> str:
    """The text of an offer, line ends and all."""
    return (FOLDER / f"{name}.sdp").read_bytes().decode()


def answered(vector: Vector, offer: str) -> str:
    """The answer to an offer; `offer` may be a mutation of the vector's. Raises `RillcastError`."""
    if not vector.plays:
        return answer_publish(offer, LOCAL, allocate_source=sources()).answer_sdp
    stream = SentStream("s1", (video(vector.plays), audio()))
    return answer_play(offer, [stream], LOCAL).sdp or ""


def in_words(answer: str) -> list[str]:
    """The m-lines of an answer as the manifest says them."""
    return [_m_line(part.kind, part.port, part.formats, part.by_format("rtpmap")) for part in parts(answer)[1]]


def _m_line(kind: str, port: int, formats: list[str], names: dict[str, list[str]]) -> str:
    if not port:
        return f"{kind} refused"
    first, *rest = formats
    rtx = "".join(f" rtx {number}" for number in rest)
    return f"{kind} {first} {names[first][0].partition('/')[0]}{rtx}"


def layers_of(answer: str) -> list[str]:
    """The layers that an answer takes."""
    return [value.split(" ")[0] for part in parts(answer)[1] for value in part.values("rid")]


def setups_of(answer: str) -> set[str]:
    """How the answer sets the DTLS roles in the m-lines that it takes."""
    return {value for part in parts(answer)[1] if part.port for value in part.values("setup")}
