"""The client of REST: typed, synchronous, and written from the same tables as the server's routes.

``Client(server, token=…)`` asks one signaling instance. Its attributes (`api.Api`) have a method for each operation.
What is refused is raised (`ClientError`), also where HTTP says 200 and the body that nothing was done.
"""

from rillcast.client.client import Client
from rillcast.client.faults import (
    ClientError,
    NotAllowed,
    NotDone,
    NotFound,
    NotOurs,
    NotThere,
    Refused,
    TooMany,
    Unreachable,
)
from rillcast.client.paging import paged

__all__ = [
    "Client",
    "ClientError",
    "NotAllowed",
    "NotDone",
    "NotFound",
    "NotOurs",
    "NotThere",
    "Refused",
    "TooMany",
    "Unreachable",
    "paged",
]
