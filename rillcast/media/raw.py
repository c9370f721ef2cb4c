"""Opens the sockets through which media leaves past the UDP sockets (decision 0230)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rillcast_native import RawSockets

__all__ = ["RawSockets", "claim"]


def claim(workers: int) -> RawSockets:
    """Open what a plane with so many workers needs, and give CAP_NET_RAW away for ever. `problem` says why there is
    nothing to be had. To be called before anything is read from the network, and before the process has a second
    thread: each thread has capabilities of its own. Raises OSError when the capability can't be given away."""
    import rillcast_native

    return rillcast_native.claim_raw(workers)
