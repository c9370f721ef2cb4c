"""The transcoder's test cluster with real codecs on real threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.thread_ladder import LadderThreads
from tests.unit.transcoder import cluster as fakes

SOFTWARE = EncoderChoice("ultrafast", hardware=False)
GOP_S = 2.0
LEASE_S = 20.0
"""What codecs do between two renewals may take long on a busy machine. No test waits for the end of a lease."""


@asynccontextmanager
async def cluster(lease_s: float = LEASE_S) -> AsyncIterator[fakes.Cluster]:
    """See `fakes.cluster`."""
    async with fakes.cluster(lease_s, LadderThreads(SOFTWARE, GOP_S)) as around:
        yield around
