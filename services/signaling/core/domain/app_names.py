"""What a new app may be called."""

from __future__ import annotations

from rillcast.contracts.ids import is_app_name

NOT_ALPHANUMERIC = "Application name is not alphanumeric. Please provide alphanumeric characters"
"""Ant Media's words."""
TAKEN = "Application with the same name already exists"
"""Ant Media's words as well."""
_LONGEST = 64
_OURS = frozenset(
    {"console", "live-streams", "openapi", "operator", "rest", "rillcast", "settings", "static", "system"}
)
"""First segments of our own paths, and the scope of those who have a role of the whole server."""


def fault_in_app_name(name: str) -> str:
    """Why no app can be called so; empty when one can. Unlike Ant Media's, a name may have hyphens."""
    if name.lower() in _OURS:
        return f"{name!r} means something else on this server, so that no app can be called so"
    if is_app_name(name):
        return ""
    if is_app_name(name[:_LONGEST]):
        return f"Application name has {len(name)} characters, at most {_LONGEST} are possible"
    return NOT_ALPHANUMERIC
