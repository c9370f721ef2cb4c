"""Policy: how full a node is, together with the joins that it has to expect. 0 is idle, 1 is at a limit of its own."""

from __future__ import annotations

from rillcast.contracts.messages import NodeReport

LEAST_JOIN_COST = 1 / 10_000
MOST_JOIN_COST = 1 / 100
UNKNOWN_JOIN_COST = 1 / 1_000
"""The share of a node that one more session takes, as long as too few sessions run to tell."""
TELLING_SESSIONS = 50


def join_cost(report: NodeReport) -> float:
    """What one more session takes of this node, by what its present ones take."""
    sessions = report.load.sessions
    if sessions < TELLING_SESSIONS:
        return UNKNOWN_JOIN_COST
    return min(MOST_JOIN_COST, max(LEAST_JOIN_COST, _worked(report) / sessions))


def work(report: NodeReport, expected_joins: float) -> float:
    """How much the node itself does. The delay of timers is left out, since busy neighbours on the machine cause it
    too."""
    return _worked(report) + expected_joins * join_cost(report)


def _worked(report: NodeReport) -> float:
    load = report.load
    return max(load.cpu, load.packets, load.egress)


def fullness(report: NodeReport, expected_joins: float) -> float:
    """The figure placement compares. What joins will cost adds to a node's work, not to the delay it has now."""
    return max(report.load.highest(), work(report, expected_joins))
