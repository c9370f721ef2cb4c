"""Errors of a node itself, as opposed to those of a request."""

from __future__ import annotations


class StartError(RuntimeError):
    """The node can't start; the text is one line for the operator, naming what to change."""
