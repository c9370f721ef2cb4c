"""Calls about recordings.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Result, SimpleStat
from rillcast.client.shapes.recordings import VoD


class Recordings:
    """Recordings and uploaded files (VoD). There are none, since nothing is recorded or kept here."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def list_recordings(
        self,
        app: str,
        offset: int,
        size: int,
        *,
        sort_by: str | None = None,
        order_by: str | None = None,
        stream_id: str | None = None,
        search: str | None = None,
    ) -> list[VoD]:
        """One page of the recordings, which is empty.

        ``GET /{app}/rest/v2/vods/list/{offset}/{size}``

        `app`: The app.
        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        `sort_by`: What the list is sorted by: name, date or status. Without it, the stream's id.
        `order_by`: The direction of the list: asc or desc.
        `stream_id`: Only recordings of this stream.
        `search`: A part of the id or of the name; capitals do not matter.
        """
        query: Query = {"sort_by": sort_by, "order_by": order_by, "streamId": stream_id, "search": search}
        return self._ask(list[VoD], "GET", f"/{part(app)}/rest/v2/vods/list/{part(offset)}/{part(size)}", query=query)

    def count_recordings(self, app: str) -> SimpleStat:
        """How many there are: none.

        ``GET /{app}/rest/v2/vods/count``

        `app`: The app.
        """
        return self._ask(SimpleStat, "GET", f"/{part(app)}/rest/v2/vods/count")

    def count_found_recordings(self, app: str, search: str) -> SimpleStat:
        """How many there are with such a name: none.

        ``GET /{app}/rest/v2/vods/count/{search}``

        `app`: The app.
        `search`: A part of the id or of the name; capitals do not matter.
        """
        return self._ask(SimpleStat, "GET", f"/{part(app)}/rest/v2/vods/count/{part(search)}")

    def upload_recording(self, app: str, *, name: str | None = None) -> Result:
        """Takes no file: the answer says so, and the file is not read.

        ``POST /{app}/rest/v2/vods/create``

        `app`: The app.
        `name`: What the file is called; its ending says of what kind it is.
        """
        query: Query = {"name": name}
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/vods/create", query=query)

    def add_recording_folder(self, app: str, *, directory: str | None = None) -> Result:
        """Imports nothing from a folder of the server.

        ``POST /{app}/rest/v2/vods/directory``

        `app`: The app.
        `directory`: A folder of the server.
        """
        query: Query = {"directory": directory}
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/vods/directory", query=query)

    def forget_recording_folder(self, app: str, *, directory: str | None = None) -> Result:
        """Forgets nothing, since nothing came from a folder.

        ``DELETE /{app}/rest/v2/vods/directory``

        `app`: The app.
        `directory`: A folder of the server.
        """
        query: Query = {"directory": directory}
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/vods/directory", query=query)

    def get_recording(self, app: str, vod: str) -> VoD:
        """One recording: of an unknown one, as all are, nothing is known.

        ``GET /{app}/rest/v2/vods/{vod}``

        `app`: The app.
        `vod`: The id of a recording.
        """
        return self._ask(VoD, "GET", f"/{part(app)}/rest/v2/vods/{part(vod)}")

    def delete_recording(self, app: str, vod: str) -> Result:
        """Deletes nothing.

        ``DELETE /{app}/rest/v2/vods/{vod}``

        `app`: The app.
        `vod`: The id of a recording.
        """
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/vods/{part(vod)}")

    def delete_recordings(self, app: str, *, ids: str | None = None) -> Result:
        """Deletes nothing.

        ``DELETE /{app}/rest/v2/vods``

        `app`: The app.
        `ids`: The ids, with commas between them.
        """
        query: Query = {"ids": ids}
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/vods", query=query)
