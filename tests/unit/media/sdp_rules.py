"""What an answer must be, so that those who made the offer take it: the rules of RFC 3264, 8829 and 8843, and what
pion, libwebrtc, GStreamer, libdatachannel, aiortc and ffmpeg enforce beyond them.

It reads descriptions by itself, so that a fault of the product's parser is not a fault of the rules as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
ANSWERED = {
    "sendrecv": DIRECTIONS,
    "sendonly": ("recvonly", "inactive"),
    "recvonly": ("sendonly", "inactive"),
    "inactive": ("inactive",),
}
SETUPS = {"actpass": ("active", "passive"), "active": ("passive",), "passive": ("active",), "": ("passive",)}
FFMPEG_MOST = 8_192
"""ffmpeg's buffer for an answer."""

_CANDIDATE = re.compile(r"[A-Za-z0-9+/]{1,32} 1 udp [0-9]{1,10} [0-9A-Fa-f:.]+ [1-9][0-9]{0,4} typ host")
_FINGERPRINT = re.compile(r"sha-256 [0-9A-F]{2}(:[0-9A-F]{2}){31}")


@dataclass
class Part:
    """The lines of an m-line, or those before the first one."""

    head: str
    lines: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.head.split(" ")[0]

    @property
    def port(self) -> int:
        return int(self.head.split(" ")[1].partition("/")[0])

    @property
    def protocol(self) -> str:
        return self.head.split(" ")[2]

    @property
    def formats(self) -> list[str]:
        return self.head.split()[3:]

    @property
    def mid(self) -> str:
        return (self.values("mid") or [""])[0]

    def values(self, name: str) -> list[str]:
        """The values of an attribute; empty ones for flags."""
        pairs = (line[2:].partition(":") for line in self.lines if line.startswith("a="))
        return [value.strip() for key, _, value in pairs if key == name]

    def by_format(self, name: str) -> dict[str, list[str]]:
        """Attributes that begin with a payload type."""
        found: dict[str, list[str]] = {}
        for value in self.values(name):
            number, _, text = value.partition(" ")
            found.setdefault(number, []).append(" ".join(text.split()))
        return found

    def directions(self) -> list[str]:
        return [name for name in DIRECTIONS if self.values(name)]


def parts(text: str) -> tuple[Part, list[Part]]:
    """The session part and the m-lines."""
    session, media = Part(""), list[Part]()
    for line in (written.rstrip(" \t") for written in text.replace("\r\n", "\n").split("\n")):
        if line.startswith("m="):
            media.append(Part(" ".join(line[2:].split())))
        elif line:
            (media[-1] if media else session).lines.append(line)
    return session, media


def bundle(session: Part) -> list[str]:
    groups = [value.split() for value in session.values("group")]
    return next((group[1:] for group in groups if group[:1] == ["BUNDLE"]), [])


def faults(offer: str, answer: str) -> list[str]:
    """Why somebody would not take this answer to this offer; nothing if all do."""
    return list(_faults(offer, answer))


def _faults(offer: str, answer: str) -> Iterator[str]:
    (theirs, offered), (ours, answered) = parts(offer), parts(answer)
    yield from _form(answer, ours)
    if len(offered) != len(answered):  # RFC 3264 §6
        yield f"{len(answered)} m-lines for {len(offered)}"
        return
    if any(line.startswith("o=FFmpeg ") for line in theirs.lines) and len(answer) > FFMPEG_MOST:
        yield f"ffmpeg has room for {FFMPEG_MOST} characters, and these are {len(answer)}"
    yield from _bundling(bundle(theirs), bundle(ours), offered, answered)
    for index, (asked, given) in enumerate(zip(offered, answered, strict=True)):
        for fault in _m_line(theirs, asked, given):
            yield f"m-line {index}: {fault}"
    yield from _transport([given for given in answered if given.port], ours)


def _form(answer: str, session: Part) -> Iterator[str]:
    if not answer.endswith("\r\n") or "\n" in answer.replace("\r\n", ""):
        yield "a line that does not end with CR LF"
    if [line[:2] for line in session.lines[:4]] != ["v=", "o=", "s=", "t="]:  # GStreamer, aiortc: in this order
        yield "the session part does not begin with v=, o=, s= and t="
    if any(len(line) > 4_000 for line in answer.splitlines()):  # ffmpeg reads lines into a buffer
        yield "a line is too long"
    if not re.fullmatch(r"o=\S+ [0-9]+ [0-9]+ IN IP[46] \S+", session.lines[1]):
        yield f"the origin is {session.lines[1]}"


def _bundling(
    wanted: Sequence[str], made: Sequence[str], offered: Sequence[Part], answered: Sequence[Part]
) -> Iterator[str]:
    alive = [part.mid for part in answered if part.port]
    if not set(made) <= set(wanted):  # RFC 8843 §7.3: only from the offer's group
        yield f"the group has {made}, and was offered {wanted}"
    if wanted and sorted(made) != sorted(alive):  # RFC 8843 §7.3.3, and pion: no refused m-line in the group
        yield f"the group has {made}, and in use are {alive}"
    if len(alive) > 1 and not made:
        yield "two m-lines in use without a group"
    ids: dict[str, set[str]] = {}
    for part in answered:
        for value in part.values("extmap") if part.port else []:
            ids.setdefault(value.split(" ")[0].partition("/")[0], set()).add(value.split(" ")[1])
    for number, uris in ids.items():  # RFC 8843 §9.2; libwebrtc refuses the description
        if len(uris) > 1:
            yield f"the extension id {number} means {sorted(uris)}"


def _m_line(session: Part, asked: Part, given: Part) -> Iterator[str]:
    if (asked.kind, asked.protocol) != (given.kind, given.protocol):  # RFC 3264 §6
        yield f"{given.kind} {given.protocol} for {asked.kind} {asked.protocol}"
    if asked.mid != given.mid:  # RFC 8829 §5.3.1; libwebrtc, GStreamer
        yield f"the mid {given.mid!r} for {asked.mid!r}"
    if not given.formats or not set(given.formats) <= set(asked.formats):
        yield f"the formats {given.formats} of {asked.formats}"
    if len(set(given.formats)) != len(given.formats) and given.port:
        yield f"a format twice in {given.formats}"
    if len(given.directions()) != 1:  # pion takes the first, libwebrtc the last
        yield f"the directions {given.directions()}"
    if not any(line.startswith("c=IN IP") for line in given.lines):
        yield "no c= line"
    if asked.kind in ("audio", "video"):
        yield from _names(asked, given)
    if given.port:
        if asked.port == 0 and not asked.values("bundle-only"):
            yield "it is taken, and was not offered"
        yield from _in_use(session, asked, given)


def _names(asked: Part, given: Part) -> Iterator[str]:
    """pion looks up every format of every m-line, and drops the answer when one has no name."""
    theirs, ours = asked.by_format("rtpmap"), given.by_format("rtpmap")
    for number in given.formats:
        if number in theirs and number not in ours:
            yield f"no a=rtpmap:{number}"
        elif number in theirs and _codec(ours[number][0]) != _codec(theirs[number][0]):
            yield f"{ours[number][0]} for {theirs[number][0]}"
    for name in ("rtpmap", "fmtp"):
        for number, values in given.by_format(name).items():
            if number not in given.formats:
                yield f"a={name}:{number} of no format"
            if len(values) > 1:
                yield f"several a={name}:{number}"


def _codec(name: str) -> tuple[str, ...]:
    encoding, clock, *channels = name.lower().split("/")
    return (encoding, clock, *(channel for channel in channels if channel != "1"))


def _in_use(session: Part, asked: Part, given: Part) -> Iterator[str]:
    way = (asked.directions() or session.directions() or ["sendrecv"])[0]
    if given.directions()[:1] and given.directions()[0] not in ANSWERED[way]:  # RFC 3264 §6.1
        yield f"{given.directions()[0]} for {way}"
    setup = (asked.values("setup") or session.values("setup") or [""])[0]
    if len(given.values("setup")) != 1 or given.values("setup")[0] not in SETUPS[setup]:  # RFC 8842 §5.3
        yield f"the setups {given.values('setup')} for {setup!r}"
    if not given.values("rtcp-mux"):
        yield "no a=rtcp-mux"
    if given.values("rtcp-rsize") and not asked.values("rtcp-rsize"):  # RFC 5506 §5.2
        yield "a=rtcp-rsize, which was not offered"
    yield from _formats_in_use(asked, given)
    yield from _feedback(asked, given)
    yield from _extensions(session, asked, given)
    yield from _layers(asked, given)


def _formats_in_use(asked: Part, given: Part) -> Iterator[str]:
    ours, theirs = given.by_format("fmtp"), asked.by_format("fmtp")
    names = {number: names[0].lower() for number, names in given.by_format("rtpmap").items()}
    media = [number for number in given.formats if not names.get(number, "").startswith("rtx/")]
    if not media or media[0] != given.formats[0]:
        yield f"no codec first: {given.formats}"
    for number in set(given.formats) - set(media):  # libwebrtc refuses RTX without a partner
        if _parameter(ours.get(number, [""])[0], "apt") not in media:
            yield f"RTX {number} of {ours.get(number)}"
    for number in media:
        for name in ("packetization-mode", "profile-level-id", "profile-id", "profile", "tier-flag", "tx-mode"):
            said = _parameter(ours.get(number, [""])[0], name)
            if said and said.lower() not in [_parameter(text, name).lower() for text in theirs.get(number, [])]:
                yield f"{name} is {said}"


def _parameter(fmtp: str, name: str) -> str:
    pairs = (item.strip().partition("=") for item in fmtp.split(";"))
    return next((value.strip() for key, _, value in pairs if key.strip().lower() == name), "")


def _feedback(asked: Part, given: Part) -> Iterator[str]:
    theirs = asked.by_format("rtcp-fb")
    for number, values in given.by_format("rtcp-fb").items():
        for value in values:
            if value not in theirs.get(number, []) + theirs.get("*", []):
                yield f"the feedback {number} {value}, which was not offered"
        if number not in given.formats or len(set(values)) != len(values):
            yield f"the feedback {number} {values}"


def _extensions(session: Part, asked: Part, given: Part) -> Iterator[str]:
    offered = dict[str, tuple[str, str]]()
    for value in asked.values("extmap") or session.values("extmap"):
        number, _, way = value.split(" ")[0].partition("/")
        offered.setdefault(number, (value.split(" ")[1], way))
    for value in given.values("extmap"):
        number, _, way = value.split(" ")[0].partition("/")
        uri, their_way = offered.get(number, ("", ""))
        if value.split(" ")[1:] != [uri]:  # RFC 8285 §6: the same id, or none
            yield f"a=extmap:{value}"
        elif (way or "sendrecv") not in ANSWERED[their_way or "sendrecv"]:
            yield f"a=extmap:{value} for {their_way}"


def _layers(asked: Part, given: Part) -> Iterator[str]:
    rids = [value.split(" ") for value in given.values("rid")]
    sent = [value.split(" ")[0] for value in asked.values("rid") if value.split(" ")[1:2] == ["send"]]
    if any(rid[0] not in sent or rid[1:] != ["recv"] for rid in rids):
        yield f"the rids {rids} of {sent}"
    lists = [value.split() for value in given.values("simulcast")]
    if bool(rids) != bool(lists) or len(lists) > 1:
        yield f"the rids {rids} with {lists}"
    for words in lists:  # Safari refuses a list that names a way twice
        if words[:1] != ["recv"] or words[1:] != [";".join(rid[0] for rid in rids)]:
            yield f"a=simulcast:{' '.join(words)}"


def _transport(used: Sequence[Part], session: Part) -> Iterator[str]:
    if not session.values("ice-lite"):
        yield "no a=ice-lite in the session part"
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup", "candidate"):  # one transport: the same everywhere
        if len({tuple(part.values(name)) for part in used}) > 1:
            yield f"a={name} differs between the m-lines"  # pion: conflicting fingerprints
    for part in used:
        ufrag, pwd, candidates = part.values("ice-ufrag"), part.values("ice-pwd"), part.values("candidate")
        if len(ufrag) != 1 or not re.fullmatch(r"[A-Za-z0-9+/]{4,256}", ufrag[0]):
            yield f"the ufrags {ufrag}"
        if len(pwd) != 1 or not re.fullmatch(r"[A-Za-z0-9+/]{22,256}", pwd[0]):
            yield "the passwords"
        if len(part.values("fingerprint")) != 1 or not _FINGERPRINT.fullmatch(part.values("fingerprint")[0]):
            yield f"the fingerprints {part.values('fingerprint')}"
        if not candidates or not all(_CANDIDATE.fullmatch(c) for c in candidates):  # ffmpeg takes the first udp host
            yield f"the candidates {candidates}"
        if not part.values("end-of-candidates"):
            yield "no a=end-of-candidates"
