"""Expressions that may have no answer in the scene, by the reason. All others must have one."""

from __future__ import annotations

import re
from collections.abc import Mapping

WELL = "it tells of nodes, alerts or documents that are not well, and at the end of the scene all are"
NO_GROWTH = "it tells of what grows, and in so short a time this may not"
NOT_MADE = "what it counts does not happen in the scene, or not always"
NOT_THERE = "the cluster has no such thing: TLS, Consul, webhooks, limits, a collector of traces, a license of its own"
SILENT: Mapping[str, tuple[str, ...]] = {
    WELL: (
        r"overview: Nodes that are not well \[.*\]",
        r"license: Nodes without a seat",
        r"RillcastPublishersCannotPublish: rillcast_signaling_joins_total\{.*failed.*\}",
    ),
    NO_GROWTH: (r"capacity: Time left \[.*\]",),
    NOT_THERE: (
        r"overview: Days until something expires \[(license|certificate for clients)\]",
        r"license: (Ends in|New sessions stop in)",
        r"signaling: Certificates \[.*\]",
        r"signaling: Memory of limits \[.*\]",
        r"signaling: Webhooks that let clients in \[.*\]",
        r"signaling: Webhooks that are told events \[.*/s\]",
        r"bus: Denied \[.*\]",
        r"bus: Traces \[(joins )?dropped.*\]",
        r"viewers: What players report \[.*\]",
    ),
    NOT_MADE: (
        r"viewers: Waiting viewers, and nodes that were asked twice \[waits .*\]",
        r"viewers: Gaps that the cluster made \[no fit: .*\]",
        r"viewers: (Changes of rendition|Standstills) .*",
        r"streams: Epochs and take-overs \[came back .*\]",
        r"streams: Changes to a backup and back \[.*\]",
        r"streams: Moves by outcome \[.*\]",
        r"stream: Changes of rendition there \[.*\]",
        r"(edge|transcoder): Delay of a relay \[.*\]",
        r"edge: No place to connect \[connecting .*\]",
        r"edge: Changes of rendition \[.*\]",
        r"edge: Tries whether a link carries more \[.*\]",
        r"edge: Waits for a rendition, by outcome \[.*\]",
        r"edge: Questions for a relay, by outcome \[answered .*\]",
        r"edge: Standstills, by cause \[.*\]",
        r"edge: Associations that were handed over \[.*\]",
        r"(edge|origin|transcoder): Drains \[.*\]",
        r"(edge|origin|transcoder): Refused by the media plane \[.*\]",
        r"origin: Publishers that found no place to connect \[.*\]",
        r"origin: Associations that were handed over \[.*\]",
        r"transcoder: Ladders that ended, and ladders that were not made \[not made: .*\]",
        r"transcoder: Rungs dropped, encoders opened \[dropped: .*\]",
        r"transcoder: Faults survived \[.*\]",
        r"signaling: For want of a place \[.*\]",
        r"signaling: For what their address did before \[.*\]",
        r"signaling: Operators \[(token|sign-in|host).*\]",
        r"signaling: In REST \[.*\]",
        r"signaling: Records of the store that could not be used \[.*\]",
        r"signaling: Consoles \[(cut off|ms for) .*\]",
        r"signaling: Journal of events \[(dropped|cut off) .*\]",
        r"bus: Watches set up anew \[.*\]",
        r"bus: Lifelines \[(refused|ended).*\]",
        r"bus: Doubts about nodes \[.*\]",
        r"bus: Reconnects, events dropped \[.*\]",
        r"bus: Work on the side \[refused: .*\]",
        r"bus: Crashed tasks \[.*\]",
        r"bus: Failed requests and lines left out of the log \[.* failed\]",
        r"license: Documents refused, and signaling without an answer \[refused: .*\]",
        r"capacity: Refused for want of room \[\{\{place\}\} .*\]",
        r"RillcastTaskCrashed: rillcast_task_crashes_total",
        r"RillcastRungsDropped: rillcast_transcoder_rungs_dropped_total",
        r"RillcastHooksNotTold: rillcast_signaling_hooks_dropped_total",
    ),
}
"""Regular expressions of places, each for the whole of it."""


def reason_of(place: str) -> str | None:
    """Why this one may be silent. None when it must not be."""
    for reason, places in SILENT.items():
        if any(re.fullmatch(pattern, place) for pattern in places):
            return reason
    return None


def outdated(places: set[str]) -> list[str]:
    """Patterns that fit none of the places that are asked."""
    patterns = [pattern for group in SILENT.values() for pattern in group]
    return [one for one in patterns if not any(re.fullmatch(one, place) for place in places)]
