"""What a publisher says about the streams inside one m-line: simulcast layers by RID, and SSRCs with their RTX
partners."""

from __future__ import annotations

import re

from rillcast.media.sdp.document import MediaSection, bad, shown

MAX_LAYERS = 4
MAX_SSRCS = 16

_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")


def offered_layers(section: MediaSection, payload_type: int) -> tuple[str, ...]:
    """The RIDs that are to be sent by simulcast, in the order of the offer (RFC 8853 §5.1); empty when there are fewer
    than two.

    Of alternatives the first is taken. Layers that are restricted to other payload types are left out.
    """
    restrictions = _sent_rids(section)
    lists = _send_list(section.first("simulcast") or "")
    layers: list[str] = []
    for alternatives in lists:
        rid = alternatives.split(",")[0].removeprefix("~")
        allowed = restrictions.get(rid)
        if allowed is not None and rid not in layers and (not allowed or payload_type in allowed):
            layers.append(rid)
    return tuple(layers[:MAX_LAYERS]) if len(layers) > 1 else ()


def simulcast_lines(layers: tuple[str, ...]) -> list[str]:
    """The lines ``a=rid`` and ``a=simulcast`` of the answer."""
    if not layers:
        return []
    return [*(f"a=rid:{rid} recv" for rid in layers), f"a=simulcast:recv {';'.join(layers)}"]


def offered_ssrcs(section: MediaSection) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The SSRCs and the RTX SSRCs that stand in ``a=ssrc`` and ``a=ssrc-group:FID`` (RFC 5576). Both have the same
    length, or the second is empty."""
    partner: dict[int, int] = {}
    auxiliary: set[int] = set()
    for value in section.values("ssrc-group"):
        semantics, *members = value.split()[:9] or [""]
        numbers = [_ssrc(section, member) for member in members]
        if semantics == "FID" and len(numbers) == 2:
            partner.setdefault(numbers[0], numbers[1])
        if semantics in ("FID", "FEC", "FEC-FR"):
            auxiliary.update(numbers[1:])
    named = dict.fromkeys(_ssrc(section, value.partition(" ")[0]) for value in section.values("ssrc"))
    primary = tuple(ssrc for ssrc in named if ssrc not in auxiliary)[:MAX_SSRCS]
    retransmission = tuple(partner[ssrc] for ssrc in primary if ssrc in partner)
    return primary, retransmission if len(retransmission) == len(primary) else ()


def refuse_layers_by_ssrc(section: MediaSection) -> None:
    """Raises `RillcastError` for layers that only their SSRCs tell apart, as pages write them into descriptions of
    libwebrtc. All of them would be taken for one picture."""
    if any(value.split()[:1] == ["SIM"] for value in section.values("ssrc-group")):
        raise bad(f"{section.label} has layers by SSRC (a=ssrc-group:SIM); only layers by a=rid are possible")


def _sent_rids(section: MediaSection) -> dict[str, set[int]]:
    rids: dict[str, set[int]] = {}
    for value in section.values("rid"):
        rid, direction, *rest = [*value.split(None, 2), "", ""][:3]
        if direction != "send":
            continue
        if not _RID.fullmatch(rid):
            raise bad(f"{section.label} has the rid {shown(rid)}; 1–16 letters, digits, - and _ are possible")
        restriction = re.search(r"(?:^|;)pt=([0-9,]{1,512})", rest[0])
        numbers = restriction[1].split(",") if restriction else []
        rids.setdefault(rid, {int(number) for number in numbers if 0 < len(number) <= 3})
    return rids


def _send_list(value: str) -> list[str]:
    words = value.split()
    for direction, streams in zip(words[::2], words[1::2], strict=False):
        if direction == "send":
            return streams.split(";")
    return []


def _ssrc(section: MediaSection, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 1 << 32:
        raise bad(f"{section.label} has the SSRC {shown(text)}; 0–4294967295 are possible")
    return int(text)
