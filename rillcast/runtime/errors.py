"""Errors of a node itself, as opposed to those of a request."""

from __future__ import annotations


class StartError(RuntimeError):
    """The node can't start; the text is one line for the operator, naming what to change."""


class Stopped(Exception):
    """The node was told to stop before it was up, and has ended in order. This is no failure."""


class NodeFault(Exception):
    """Why this node can't go on, in one sentence that is all there is to say: where it was raised tells nothing more,
    so it is logged without a traceback."""


class Crashed(RuntimeError):
    """A supervised task of the node ended unexpectedly, which is in the log; the node has ended in order after it."""
