"""Expressions that may have no answer in the scene, each with its reason. All others must have one.

Whoever adds an expression makes it answer: by a fault in `scene` where one is cheap. Only what is left comes here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NO_FAULT_OF_OURS = "it counts faults of our own code, and the scene has none"
NO_TLS = "the cluster has no TLS, and no certificates"
NO_LICENSE = "the cluster runs on the license for trying out, which does not end, and nobody gives it a bad one"
ALL_WELL = "it tells of nodes that are not well, and at the end of the scene all are"
ONE_SIGNALING = "signaling instances ask each other about limits, and there is one"
NO_MOVER = "the publishers of the scene come by WHIP, and such clients cannot move"
NO_BACKUP = "no stream of the scene has a backup"
NO_RAW = "no edge of the scene is asked to send past its socket"
NO_TREE = "both edges are in one zone, so that none feeds the other"
NO_FLOOD = "it moves when thousands come at once, and the machine has two processors"
BY_CHANCE = "whether it happens hangs on who is where in that moment, or on a scrape at the right one"
SILENT: Mapping[str, str] = {
    r"RillcastTaskCrashed: rillcast_task_crashes_total": NO_FAULT_OF_OURS,
    r"bus: Crashed tasks \[.*\]": NO_FAULT_OF_OURS,
    r"bus: Failed requests and lines left out of the log \[.* failed\]": NO_FAULT_OF_OURS,
    r"(edge|origin|transcoder): Refused by the media plane \[command .*\]": NO_FAULT_OF_OURS,
    r"overview: Days until something expires \[certificate for clients\]": NO_TLS,
    r"signaling: Certificates \[.*\]": NO_TLS,
    r"overview: Days until something expires \[license\]": NO_LICENSE,
    r"license: (Ends in|New sessions stop in)": NO_LICENSE,
    r"license: Documents refused, and signaling without an answer \[refused: .*\]": NO_LICENSE,
    r"capacity: Time left \[seats\]": NO_LICENSE,
    r"license: Nodes without a seat": ALL_WELL,
    r"overview: Nodes that are not well \[.*\]": ALL_WELL,
    r"RillcastPublishersCannotPublish: rillcast_signaling_joins_total\{.*failed.*\}": ALL_WELL,
    r"bus: Denied \[.*\]": "all users of NATS have the rights of this version, and there is no Consul",
    r"bus: Lifelines \[refused: .*\]": "it needs a stranger, or more nodes than a lifeline listener takes",
    r"bus: Watches set up anew \[followed anew .*\]": "NATS is frozen, and has everything when it goes on",
    r"signaling: Records of the store that could not be used \[.*\]": "nobody but signaling writes to the store",
    r"signaling: Memory of limits \[.*\]": ONE_SIGNALING,
    r"signaling: In REST \[(no turn|ambiguous): .*\]": "it needs operators who change the same at the same time",
    r"signaling: In REST \[short secret .*\]": "nobody registers subscribers with secrets",
    r"signaling: Operators \[token: .*\]": "it needs a token that is signed with a key, and no app has one",
    r"signaling: For what their address did before \[.*\]": "clients of this machine are not limited",
    r"signaling: Consoles \[cut off .*\]": "nobody opens a console",
    r"signaling: Journal of events \[cut off .*\]": "nobody listens to events",
    r"signaling: Journal of events \[dropped .*\]": NO_FLOOD,
    r"signaling: For want of a place \[.*\]": NO_FLOOD,
    r"capacity: Refused for want of room \[\{\{place\}\} .*\]": NO_FLOOD,
    r"edge: No place to connect \[connecting .*\]": NO_FLOOD,
    r"origin: Publishers that found no place to connect \[.*\]": NO_FLOOD,
    r"bus: Work on the side \[refused: .*\]": NO_FLOOD,
    r"RillcastRungsDropped: rillcast_transcoder_rungs_dropped_total": NO_FLOOD,
    r"transcoder: Rungs dropped, encoders opened \[dropped: .*\]": NO_FLOOD,
    r"transcoder: Ladders that ended, and ladders that were not made \[not made: .*\]": NO_FLOOD,
    r"transcoder: Refused by the media plane \[\{\{reason\}\}\]": NO_FLOOD,
    r"streams: Moves by outcome \[.*\]": NO_MOVER,
    r"streams: Epochs and take-overs \[came back .*\]": NO_MOVER,
    r"origin: Associations that were handed over \[.*\]": NO_MOVER,
    r"streams: Changes to a backup and back \[.*\]": NO_BACKUP,
    r"viewers: Gaps that the cluster made \[no fit: .*\]": NO_BACKUP,
    r"edge: Delay of a relay \[.*\]": NO_TREE,
    r"edge: Questions for a relay, by outcome \[answered .*\]": NO_TREE,
    r"edge: Changes of rendition \[temporal layers .*\]": "no stream of the scene has temporal layers",
    r"edge: Waits for a rendition, by outcome \[.*\]": "every viewer of the scene can be sent what is published",
    r"viewers: Waiting viewers, and nodes that were asked twice \[waits .*\]": BY_CHANCE,
    r"capacity: Time left \[(edges|origins|sockets|transcoders)\]": BY_CHANCE,
    r"(edge|origin|transcoder): Drains \[\{\{node\}\} .*\]": BY_CHANCE,
    r"edge: Associations that were handed over \[.*\]": BY_CHANCE,
    r"edge: Messages past the socket and by it \[by the socket: .*\]": NO_RAW,
    r"bus: Traces \[joins dropped\]": BY_CHANCE,
    r"edge: Tries whether a link carries more \[.*\]": BY_CHANCE,
}
"""By regular expressions of places, each for the whole of it."""


def reason_of(place: str) -> str | None:
    """Why this one may be silent. None when it must not be."""
    return next((reason for pattern, reason in SILENT.items() if re.fullmatch(pattern, place)), None)


def outdated(places: set[str]) -> list[str]:
    """Patterns that fit none of the places that are asked."""
    return [one for one in SILENT if not any(re.fullmatch(one, place) for place in places)]
