"""Other ways to write an offer that mean the same: the answer to each must be that to the original."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Mutation = Callable[[str, random.Random], str]
Sections = list[list[str]]


def split(offer: str) -> Sections:
    """The session part and the m-lines, as lists of lines."""
    found: Sections = [[]]
    for line in offer.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            found.append([])
        if line:
            found[-1].append(line)
    return found


def join(sections: Sections, eol: str = "\r\n") -> str:
    return eol.join(line for section in sections for line in section) + eol


ODD = ("a=x-vendor", "a=x-vendor:1 2 3", "a=tls-id:0123456789abcdef0123", "b=X-YZ:128", "a=label:é", "i=an m-line")


def is_rtp(section: list[str]) -> bool:
    return section[0].startswith(("m=audio", "m=video"))


# ------------------------------------------------------------ lines


def bare_line_feeds(offer: str, _chance: random.Random) -> str:
    return join(split(offer), "\n")


def no_last_line_end(offer: str, _chance: random.Random) -> str:
    return offer.rstrip("\r\n")


def blank_lines(offer: str, chance: random.Random) -> str:
    sections = split(offer)
    for section in sections[1:]:
        section.insert(chance.randint(1, len(section)), "")
    return join(sections)


def blanks_at_the_ends(offer: str, _chance: random.Random) -> str:
    """As text areas, terminals and templates leave them."""
    return join([[f"{line} \t" for line in section] for section in split(offer)])


def other_order(offer: str, chance: random.Random) -> str:
    """The attributes of an m-line in any order; those of one name keep theirs, since it may mean something."""
    sections = split(offer)
    for section in sections[1:]:
        kept = [line for line in section if not line.startswith("a=")]
        queues: dict[str, list[str]] = {}
        for line in section:
            if line.startswith("a="):
                queues.setdefault(re.split(r"[:\s]", line[2:], maxsplit=1)[0], []).append(line)
        mixed = []
        while queues:
            name = chance.choice(sorted(queues))
            mixed.append(queues[name].pop(0))
            if not queues[name]:
                del queues[name]
        section[:] = [*kept, *mixed]
    return join(sections)


def unknown_lines(offer: str, chance: random.Random) -> str:
    sections = split(offer)
    for section in sections[1:]:
        odd = [
            "a=x-vendor",
            "a=x-vendor:1 2 3",
            "a=tls-id:0123456789abcdef0123",
            "b=X-YZ:128",
            "a=label:é",
            "i=an m-line",
        ]
        section.insert(chance.randint(1, len(section)), chance.choice(odd))
    sections[0] += ["a=charset:UTF-8", "a=x-session:yes", "a=tool:a tool 1.0", "a=range:npt=0-"]
    return join(sections)


# ------------------------------------------------------------ case and spaces


def other_case(offer: str, chance: random.Random) -> str:
    """Names of codecs, hashes and transports are the same in any case (RFC 4855 §3, RFC 8122 §5, RFC 8839 §5.1)."""
    change = chance.choice([str.upper, str.lower])

    def changed(line: str) -> str:
        if line.startswith("a=rtpmap:"):
            number, name = line.split(" ", 1)
            return f"{number} {change(name)}"
        if line.startswith("a=fingerprint:"):
            return "a=fingerprint:" + change(line.removeprefix("a=fingerprint:"))
        if line.startswith("a=candidate:"):
            return re.sub(r" (udp|tcp) ", lambda match: change(match[0]), line, flags=re.IGNORECASE)
        return line

    return join([[changed(line) for line in section] for section in split(offer)])


def more_spaces(offer: str, _chance: random.Random) -> str:
    """Behind the semicolons of parameters, and at the end of feedback, as GStreamer and pion write them; and where
    templates fill in an empty word."""

    def changed(line: str) -> str:
        if line.startswith("a=fmtp:"):
            return re.sub(r";\s*", "; ", line)
        if line.startswith("m="):
            return line.replace(" ", "  ")
        return f"{line} " if line.startswith(("a=rtcp-fb:", "a=ice-options:", "a=mid:")) else line

    return join([[changed(line) for line in section] for section in split(offer)])


# ------------------------------------------------------------ parameters


def parameters_in_two_lines(offer: str, _chance: random.Random) -> str:
    def changed(line: str) -> list[str]:
        number, _, text = line.partition(" ")
        first, semicolon, rest = text.partition(";")
        return [f"{number} {first}", f"{number} {rest}"] if line.startswith("a=fmtp:") and semicolon else [line]

    return join([[new for line in section for new in changed(line)] for section in split(offer)])


def empty_parameters(offer: str, _chance: random.Random) -> str:
    sections = split(offer)
    for section in filter(is_rtp, sections[1:]):
        section += [f"a=fmtp:{number} " for number in section[0].split()[3:]]
    return join(sections)


def format_twice(offer: str, _chance: random.Random) -> str:
    sections = split(offer)
    for section in filter(is_rtp, sections[1:]):
        section[0] += f" {section[0].split()[3]}"
    return join(sections)


def names_without_formats(offer: str, _chance: random.Random) -> str:
    """Names, parameters and feedback of a format that is not offered."""
    sections = split(offer)
    offered = {number for section in filter(is_rtp, sections[1:]) for number in section[0].split()[3:]}
    free = next(str(number) for number in range(127, 34, -1) if str(number) not in offered)
    for section in filter(is_rtp, sections[1:]):
        section += [f"a=rtpmap:{free} H263-1998/90000", f"a=fmtp:{free} x=1", f"a=rtcp-fb:{free} nack"]
    return join(sections)


def feedback_twice(offer: str, _chance: random.Random) -> str:
    def changed(line: str) -> list[str]:
        return [line, line] if line.startswith("a=rtcp-fb:") else [line]

    return join([[new for line in section for new in changed(line)] for section in split(offer)])


def no_feedback(offer: str, _chance: random.Random) -> str:
    return join([[line for line in section if not line.startswith("a=rtcp-fb:")] for section in split(offer)])


# ------------------------------------------------------------ transport


def transport_once(offer: str, _chance: random.Random) -> str:
    """What all m-lines say alike stands in the session part (RFC 8839 §5.4, RFC 8122 §5)."""
    sections = split(offer)
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup", "ice-options"):
        said = [tuple(line for line in section if line.startswith(f"a={name}:")) for section in sections[1:]]
        if said and said[0] and len(set(said)) == 1 and not any(line.startswith(f"a={name}:") for line in sections[0]):
            sections[0] += said[0]
            for section in sections[1:]:
                section[:] = [line for line in section if not line.startswith(f"a={name}:")]
    return join(sections)


def direction_once(offer: str, _chance: random.Random) -> str:
    """The direction of all media in the session part (RFC 8866 §6.7)."""
    ways = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
    sections = split(offer)
    said = {tuple(line for line in section if line in ways) for section in sections[1:] if is_rtp(section)}
    if len(said) != 1 or not next(iter(said)) or any(line in ways for line in sections[0]):
        return offer
    sections[0] += next(iter(said))
    return join([sections[0], *([line for line in section if line not in ways] for section in sections[1:])])


def many_candidates(offer: str, _chance: random.Random) -> str:
    sections = split(offer)
    for section in sections[1:]:
        section += [f"a=candidate:{i} 1 udp {2**31 - i} 192.0.2.{i} {40_000 + i} typ host" for i in range(1, 120)]
        section += [
            "a=candidate:h 1 udp 1 6f7a0000-0000-4000-8000-000000000001.local 9 typ host",
            "a=end-of-candidates",
        ]
    return join(sections)


def ice_options(offer: str, _chance: random.Random) -> str:
    sections = split(offer)
    return join([[*sections[0], "a=ice-options:trickle ice2 renomination", "a=ice-pacing:50"], *sections[1:]])


def other_ports(offer: str, chance: random.Random) -> str:
    """The port of an m-line in use says nothing: the candidates do."""
    sections = split(offer)
    for section in sections[1:]:
        section[0] = re.sub(r"^(m=\S+) [1-9]\d* ", rf"\1 {chance.choice([1, 9, 443, 65_535])} ", section[0])
    return join(sections)


def bundle_only(offer: str, _chance: random.Random) -> str:
    """All but the first of the bundle have no port (RFC 8843 §7.2.1)."""
    sections = split(offer)
    group = next((line.split()[1:] for line in sections[0] if line.startswith("a=group:BUNDLE")), [])
    for section in sections[2:]:
        mid = next((line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")), "")
        if mid in group[1:] and not section[0].split()[1].startswith("0") and "a=bundle-only" not in section:
            section[0] = re.sub(r"^(m=\S+) \d+ ", r"\1 0 ", section[0])
            section.append("a=bundle-only")
    return join(sections)


# ------------------------------------------------------------ more m-lines

EXTRA = {
    "data": ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=sctp-port:5000"],
    "inactive": [
        "m=audio 9 UDP/TLS/RTP/SAVPF 8",
        "c=IN IP4 0.0.0.0",
        "a=rtpmap:8 PCMA/8000",
        "a=inactive",
        "a=rtcp-mux",
    ],
    "stopped": ["m=video 0 UDP/TLS/RTP/SAVPF 126", "c=IN IP4 0.0.0.0", "a=rtpmap:126 H265/90000", "a=inactive"],
}


def with_extra(kind: str) -> Mutation:
    """The mutation that adds an m-line which nobody takes."""

    def mutation(offer: str, _chance: random.Random) -> str:
        sections = split(offer)
        grouped = [f"{line} extra" if line.startswith("a=group:BUNDLE") else line for line in sections[0]]
        added = [*EXTRA[kind], "a=mid:extra"]
        return join([sections[0] if kind == "stopped" else grouped, *sections[1:], added])

    return mutation


SAME: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        *(bare_line_feeds, no_last_line_end, blank_lines, blanks_at_the_ends, other_order, unknown_lines),
        *(other_case, more_spaces),
        *(parameters_in_two_lines, empty_parameters, format_twice, names_without_formats, feedback_twice, no_feedback),
        *(transport_once, direction_once, many_candidates, ice_options, other_ports, bundle_only),
    )
}
"""The answer has the same m-lines in the same words."""
LONGER: dict[str, Mutation] = {kind: with_extra(kind) for kind in EXTRA}
"""The answer has one m-line more, which is refused."""
