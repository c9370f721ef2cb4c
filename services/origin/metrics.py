"""Every instrument of the origin. Media plane figures are in `rillcast.node.metrics`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PUBLISHERS = Gauge("rillcast_origin_publishers", "Streams this origin owns, those waiting for their publisher included")
NEWCOMERS = Gauge("rillcast_origin_newcomers", "Publishers that connect, and have no stream before their media comes")
NEWCOMERS_ENDED = Counter(
    "rillcast_origin_newcomers_ended",
    "Publishers that connected, by what became of them: ok (has its stream), no_media, unclaimed (the store did not "
    "take its claim in time), in_use, gave_way, closed, plane_error",
    ["how"],
)
NEWCOMERS_REFUSED = Counter(
    "rillcast_origin_newcomers_refused",
    "Publishers that found no place to connect, by why: id_full (too many want the same id), full, address_full (too "
    "many of one address)",
    ["why"],
)
PUBLISHES = Counter("rillcast_origin_publishes", "Publish requests by outcome: ok or the refusal's code", ["outcome"])
RESTORED = Counter(
    "rillcast_origin_restored",
    "Living streams a publisher took over, by their place before: here, elsewhere",
    ["place"],
)
FIRST_PACKET = Histogram(
    "rillcast_origin_first_packet_seconds",
    "From the publish request to the publisher's first media packet",
    buckets=(0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 2, 5, 10),
)
ENDED = Counter(
    "rillcast_origin_ended",
    "Streams that ended here, by how: stopped, not_returned, handed_over, stood_down, drained",
    ["how"],
)
EPOCH_CHANGES = Counter("rillcast_origin_epoch_changes", "Epochs claimed for streams, the first of each included")
STAND_DOWNS = Counter("rillcast_origin_stand_downs", "Streams given up because another node has a higher epoch")
RELAYS = Gauge("rillcast_origin_relays", "Tracks being relayed to other nodes")
RELAY_OPENS = Counter(
    "rillcast_origin_relay_opens",
    "Relay requests by outcome: ok, referred (to a child) or the refusal's code",
    ["outcome"],
)
RELAY_CHILDREN_LOST = Counter("rillcast_origin_relay_children_lost", "Relays ended because the child fell silent")
PACKETS_LOST = Counter(
    "rillcast_origin_packets_lost", "Packets of publishers that never came, although they were asked for again"
)
PACKETS_RECOVERED = Counter(
    "rillcast_origin_packets_recovered", "Packets of publishers that came after being asked for"
)
ON_BACKUP = Gauge("rillcast_origin_streams_on_backup", "Streams whose viewers are shown a backup right now")
BACKUPS = Counter(
    "rillcast_origin_backups",
    "Changes between a publisher and its backup, by outcome: taken (viewers are shown the backup), other (another "
    "backup), returned (the publisher is back), lost (the backup itself is silent or over), unset (no backup is asked "
    "for any more)",
    ["outcome"],
)
SETTINGS_REFUSED = Counter(
    "rillcast_origin_settings_refused", "Settings in the store that make no sense, so that the former ones hold"
)
