"""Calls about media of broadcasts.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.media_of_broadcasts import PostedEndpoint


class MediaOfBroadcasts:
    """What is done with the media of broadcasts. Of what isn't there the answers say so."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_file_duration(self, app: str, *, url: str | None = None) -> Result:
        """Never tells the length of a file: none is read from elsewhere.

        ``GET /{app}/rest/v2/broadcasts/duration``

        `app`: The app.
        `url`: The address of a file.
        """
        query: Query = {"url": url}
        return self._ask(Result, "GET", f"/{part(app)}/rest/v2/broadcasts/duration", query=query)

    def play_next_item(self, app: str, stream: str, *, index: int | None = None) -> Result:
        """Never goes on in a playlist: none is played.

        ``POST /{app}/rest/v2/broadcasts/playlists/{stream}/next``

        `app`: The app.
        `stream`: The stream's id.
        `index`: Which item is next; less than 0: the one after that which plays.
        """
        query: Query = {"index": index}
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/playlists/{part(stream)}/next", query=query)

    def convert_hls_to_mp4(self, app: str, file: str) -> Result:
        """Makes no MP4, since there is no HLS.

        ``POST /{app}/rest/v2/broadcasts/{file}/hls-to-mp4``

        `app`: The app.
        `file`: The name of a playlist of HLS.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(file)}/hls-to-mp4")

    def start_broadcast(self, app: str, stream: str) -> Result:
        """Never starts a broadcast: nothing is pulled from elsewhere.

        ``POST /{app}/rest/v2/broadcasts/{stream}/start``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/start")

    def stop_broadcast(self, app: str, stream: str) -> Result:
        """Sends away who publishes it.

        ``POST /{app}/rest/v2/broadcasts/{stream}/stop``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/stop")

    def seek_broadcast(self, app: str, stream: str, milliseconds: int) -> Result:
        """Never goes to a place in a source: none runs.

        ``PUT /{app}/rest/v2/broadcasts/{stream}/seek-time/{milliseconds}``

        `app`: The app.
        `stream`: The stream's id.
        `milliseconds`: A place in the source, in milliseconds.
        """
        return self._ask(
            Result, "PUT", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/seek-time/{part(milliseconds)}"
        )

    def set_recording(self, app: str, stream: str, switch: str, *, record_type: str | None = None) -> Result:
        """Never begins to record.

        ``PUT /{app}/rest/v2/broadcasts/{stream}/recording/{switch}``

        `app`: The app.
        `stream`: The stream's id.
        `switch`: true or false.
        `record_type`: The kind of file: mp4 or webm.
        """
        query: Query = {"recordType": record_type}
        return self._ask(
            Result, "PUT", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/recording/{part(switch)}", query=query
        )

    def add_endpoint(self, app: str, stream: str, body: PostedEndpoint | None = None) -> Result:
        """Never adds another server to push to.

        ``POST /{app}/rest/v2/broadcasts/{stream}/endpoint``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/endpoint", body=body)

    def remove_endpoint(self, app: str, stream: str, *, endpoint_service_id: str | None = None) -> Result:
        """Never removes one, since there is none.

        ``DELETE /{app}/rest/v2/broadcasts/{stream}/endpoint``

        `app`: The app.
        `stream`: The stream's id.
        `endpoint_service_id`: What the other server's entry is called.
        """
        query: Query = {"endpointServiceId": endpoint_service_id}
        return self._ask(Result, "DELETE", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/endpoint", query=query)

    def send_data(self, app: str, stream: str) -> Result:
        """Never sends anything by data channels.

        ``POST /{app}/rest/v2/broadcasts/{stream}/data``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/data")

    def send_id3(self, app: str, stream: str) -> Result:
        """Never sends an ID3 tag.

        ``POST /{app}/rest/v2/broadcasts/{stream}/id3``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/id3")

    def send_sei(self, app: str, stream: str) -> Result:
        """Never sends an SEI message.

        ``POST /{app}/rest/v2/broadcasts/{stream}/sei``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/sei")

    def get_camera_error(self, app: str, stream: str) -> Result:
        """Never tells an error of a camera: none is connected.

        ``GET /{app}/rest/v2/broadcasts/{stream}/ip-camera-error``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/ip-camera-error")

    def list_camera_profiles(self, app: str, stream: str) -> list[str]:
        """The profiles of a camera: none.

        ``GET /{app}/rest/v2/broadcasts/{stream}/ip-camera/device-profiles``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(list[str], "GET", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/ip-camera/device-profiles")

    def move_camera(self, app: str, stream: str) -> Result:
        """Never moves a camera.

        ``POST /{app}/rest/v2/broadcasts/{stream}/ip-camera/move``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/ip-camera/move")

    def stop_camera(self, app: str, stream: str) -> Result:
        """Never stops a camera.

        ``POST /{app}/rest/v2/broadcasts/{stream}/ip-camera/stop-move``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(Result, "POST", f"/{part(app)}/rest/v2/broadcasts/{part(stream)}/ip-camera/stop-move")
