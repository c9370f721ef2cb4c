"""What makes each alert fire, and what makes it stop: series in the notation of promtool, one value a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NODE = {"namespace": "n", "service": "edge", "node": "edge-1"}
OK_JOINS = 'rillcast_signaling_joins_total{namespace="n",role="play",outcome="ok"}'
BAD_JOINS = 'rillcast_signaling_joins_total{namespace="n",role="play",outcome="highResourceUsage"}'
WHOLE = 'rillcast_edge_first_packet_seconds_bucket{namespace="n",le="+Inf"}'
IN_TIME = 'rillcast_edge_first_packet_seconds_bucket{namespace="n",le="0.5"}'
EDGE = 'namespace="n",service="edge",node="edge-1"'
GOES_AND_COMES = "1x9 0x20 1x60"
HIGH_FOR_A_WHILE = "0.5x9 0.95x20 0.5x60"
ONE_EVENT = "_x10 1x60"
BAD_FOR_AN_HOUR = {OK_JOINS: "0+60x200", BAD_JOINS: "0x9 0+30x60 1800x130"}
LATE_FOR_AN_HOUR = {WHOLE: "0+60x200", IN_TIME: "0+60x10 606+6x59 1020+60x120"}


@dataclass(frozen=True)
class Case:
    """At first the alert is silent; it fires at one minute, and at a later one it has stopped."""

    alert: str
    series: Mapping[str, str]
    fires: int
    stops: int
    labels: Mapping[str, str]
    """Without those of the rule."""
    silent: int = 8


CASES = (
    Case("RillcastViewersCannotJoin", BAD_FOR_AN_HOUR, fires=60, stops=80, labels={"namespace": "n"}),
    Case("RillcastSomeViewersCannotJoin", BAD_FOR_AN_HOUR, fires=60, stops=110, labels={"namespace": "n"}),
    Case("RillcastFirstPacketLate", LATE_FOR_AN_HOUR, fires=66, stops=80, labels={"namespace": "n"}),
    Case("RillcastFirstPacketOftenLate", LATE_FOR_AN_HOUR, fires=66, stops=110, labels={"namespace": "n"}),
    Case(
        "RillcastPublishersCannotPublish",
        {
            'rillcast_signaling_joins_total{namespace="n",role="whip",outcome="ok"}': "0+10x100",
            'rillcast_signaling_joins_total{namespace="n",role="whip",outcome="failed"}': "0x9 0+10x20 200x60",
        },
        fires=20,
        stops=40,
        labels={"namespace": "n"},
    ),
    Case(
        "RillcastNoRoom",
        {BAD_JOINS: "0x9 0+60x20 1200x60"},
        fires=15,
        stops=40,
        labels={"namespace": "n", "role": "play"},
    ),
    Case(
        "RillcastPicturesStandStill",
        {
            'rillcast_edge_freezes_estimated_total{namespace="n",node="e",cause="silent"}': "0x9 0+20x30 600x60",
            f"rillcast_edge_viewers{{{EDGE}}}": "20x100",
        },
        fires=25,
        stops=55,
        labels={"namespace": "n"},
    ),
    Case(
        "RillcastManyOnThinLinks",
        {f"rillcast_edge_viewers_starved{{{EDGE}}}": "1x9 8x30 1x60", f"rillcast_edge_viewers{{{EDGE}}}": "20x100"},
        fires=25,
        stops=45,
        labels={"namespace": "n", "node": "edge-1"},
    ),
    Case(
        "RillcastPublishersLose",
        {
            'rillcast_origin_packets_lost_total{namespace="n",node="o"}': "0x9 0+600x30 18000x60",
            'rillcast_plane_packets_total{namespace="n",service="origin",node="o",direction="in"}': "0+6000x100",
        },
        fires=25,
        stops=55,
        labels={"namespace": "n", "node": "o"},
    ),
    Case(
        "RillcastDrainCutSomebody",
        {'rillcast_drain_cut_total{namespace="n",service="edge",what="viewers"}': ONE_EVENT},
        fires=12,
        stops=30,
        labels={"namespace": "n", "service": "edge", "what": "viewers"},
    ),
    Case(
        "RillcastNoNode",
        {f"rillcast_ready{{{EDGE}}}": "1x9 stale _x20 1x60"},
        fires=15,
        stops=40,
        labels={"namespace": "n", "service": "edge"},
    ),
    Case(
        "RillcastNodeLost",
        {
            f"rillcast_ready{{{EDGE}}}": "1x200",
            'rillcast_ready{namespace="n",service="edge",node="edge-2"}': "1x19 stale _x100",
            'rillcast_ready{namespace="n",service="edge",node="edge-3"}': "_x29 1x100",
            'rillcast_nodes_gone_total{namespace="n",service="signaling",kind="edge",why="dead"}': "_x20 1x100",
        },
        fires=25,
        stops=32,
        labels={"namespace": "n", "service": "edge"},
    ),
    Case(
        "RillcastNodeNotReady",
        {f"rillcast_ready{{{EDGE}}}": GOES_AND_COMES, f"rillcast_draining{{{EDGE}}}": "0x100"},
        fires=15,
        stops=40,
        labels=NODE,
    ),
    Case("RillcastNodeNotScraped", {f"up{{{EDGE}}}": GOES_AND_COMES}, fires=15, stops=40, labels=NODE),
    Case(
        "RillcastNoBus",
        {f"rillcast_bus_connected{{{EDGE}}}": GOES_AND_COMES, f"rillcast_bus_stalled{{{EDGE}}}": "0x100"},
        fires=15,
        stops=40,
        labels=NODE,
    ),
    Case(
        "RillcastNoBus",
        {f"rillcast_bus_connected{{{EDGE}}}": "1x100", f"rillcast_bus_stalled{{{EDGE}}}": "0x9 1x20 0x60"},
        fires=15,
        stops=40,
        labels=NODE,
    ),
    Case(
        "RillcastStoreFails",
        {'rillcast_kv_errors_total{namespace="n",bucket="rillcast_apps",operation="get"}': "0x9 0+6x30 180x60"},
        fires=25,
        stops=55,
        labels={"namespace": "n", "bucket": "rillcast_apps"},
    ),
    Case(
        "RillcastNoRegistry",
        {
            f"rillcast_discovery_reachable{{{EDGE}}}": GOES_AND_COMES,
            f"rillcast_discovery_registrations_total{{{EDGE}}}": "1x100",
            'rillcast_discovery_reachable{namespace="n",node="without-consul"}': "0x100",
            'rillcast_discovery_registrations_total{namespace="n",node="without-consul"}': "0x100",
        },
        fires=20,
        stops=40,
        labels=NODE,
    ),
    Case(
        "RillcastNoSeat",
        {f'rillcast_license_seat{{{EDGE},state="lapsed"}}': "0x9 1x20 0x60"},
        fires=15,
        stops=40,
        labels={**NODE, "state": "lapsed"},
    ),
    Case(
        "RillcastTaskCrashed",
        {f'rillcast_task_crashes_total{{{EDGE},task="relays"}}': ONE_EVENT},
        fires=12,
        stops=30,
        labels={**NODE, "task": "relays"},
    ),
    Case(
        "RillcastEventLoopLate",
        {
            f'rillcast_event_loop_lag_seconds_bucket{{{EDGE},le="0.2"}}': "0+240x10 2400x30 2400+240x60",
            f'rillcast_event_loop_lag_seconds_bucket{{{EDGE},le="0.5"}}': "0+240x110",
            f'rillcast_event_loop_lag_seconds_bucket{{{EDGE},le="+Inf"}}': "0+240x110",
        },
        fires=25,
        stops=55,
        labels=NODE,
    ),
    Case(
        "RillcastRungsDropped",
        {'rillcast_transcoder_rungs_dropped_total{namespace="n",node="t",reason="overload"}': ONE_EVENT},
        fires=12,
        stops=30,
        labels={"namespace": "n", "node": "t", "reason": "overload"},
    ),
    Case(
        "RillcastHooksNotTold",
        {'rillcast_signaling_hooks_dropped_total{namespace="n",node="s",reason="gave_up"}': ONE_EVENT},
        fires=12,
        stops=30,
        labels={"namespace": "n", "reason": "gave_up"},
    ),
    Case(
        "RillcastEdgesFillUp",
        {f'rillcast_plane_busy_ratio{{{EDGE},worker="0"}}': "0.3x30 0.3+0.01x45 0.4x200"},
        fires=74,
        stops=92,
        labels={"namespace": "n"},
    ),
    Case(
        "RillcastMediaThreadBusy",
        {f'rillcast_plane_busy_ratio{{{EDGE},worker="0"}}': HIGH_FOR_A_WHILE},
        fires=20,
        stops=40,
        labels=NODE,
    ),
    Case(
        "RillcastEncodersFull",
        {'rillcast_transcoder_cpu_ratio{namespace="n",node="t"}': HIGH_FOR_A_WHILE},
        fires=20,
        stops=40,
        labels={"namespace": "n", "node": "t"},
    ),
    Case(
        "RillcastSocketsFillUp",
        {
            'rillcast_signaling_sockets{namespace="n",node="s"}': "10x9 90x20 10x60",
            'rillcast_signaling_max_sockets{namespace="n",node="s"}': "100x100",
        },
        fires=20,
        stops=40,
        labels={"namespace": "n", "node": "s"},
    ),
    Case(
        "RillcastSeatsRunOut",
        {
            'rillcast_license_seats_used{namespace="n",node="l",kind="edge"}': "2x9 10x40 2x60",
            'rillcast_license_seats_limit{namespace="n",node="l",kind="total"}': "10x200",
        },
        fires=30,
        stops=60,
        labels={"namespace": "n"},
    ),
    Case(
        "RillcastLicenseEnds",
        {'rillcast_license_warning{namespace="n",node="l"}': "0x9 1x30 0x60"},
        fires=25,
        stops=50,
        labels={"namespace": "n"},
    ),
    Case(
        "RillcastLicenseSuspends",
        {'rillcast_license_suspends_timestamp_seconds{namespace="n",node="l"}': "604800x9 86400x20 604800x60"},
        fires=20,
        stops=40,
        labels={"namespace": "n"},
    ),
    Case(
        "RillcastCertificateExpires",
        {
            f"rillcast_http_certificate_expires_timestamp_seconds{{{EDGE}}}": "8640000x9 864000x120 8640000x60",
            f"rillcast_bus_certificate_expires_timestamp_seconds{{{EDGE}}}": "0x200",
        },
        fires=80,
        stops=140,
        labels={"namespace": "n", "service": "edge"},
    ),
    Case(
        "RillcastCertificateExpires",
        {f"rillcast_bus_certificate_expires_timestamp_seconds{{{EDGE}}}": "8640000x9 864000x120 8640000x60"},
        fires=80,
        stops=140,
        labels={"namespace": "n", "service": "edge"},
    ),
)
