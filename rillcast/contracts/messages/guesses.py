"""What one signaling instance tells the others of those who guess, so that tries at all of them count together."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import Word
from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import TryStep


class PasswordTried(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody tries a password of an operator, or that try has come to its end."""

    instance: NodeId
    """Who looks at it, and has counted it already."""
    account: Word
    """The SHA-256 of the account's name, in hexadecimal digits, whether there is such an account or not."""
    address: Word
    """Where it comes from: an IPv4 address, or an IPv6 /64."""
    step: TryStep


class CodeWrong(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has shown a wrong time-based code."""

    instance: NodeId
    """Who has looked at it, and has counted it already."""
    subscriber: Word
    """The key of the subscriber whose code it was to be, as in the store."""
    address: Word
    shared: bool
    """Whether others may come from this address, too."""
