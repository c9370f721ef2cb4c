"""Stream ids that Ant Media takes, and that would mean something else if they got to the wrong place."""

from __future__ import annotations

ODD = ("...", ".a", "a.", "..a", "a..b", "-", "--", "-rf", "--help", "-.-", "_", "_a", "a_", "__init__", "x" * 255)
