"""What is done with the media of a broadcast. Stopping is there; of the rest REST says that it is not, in Ant Media's
words where there are any."""

from __future__ import annotations

import msgspec

from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, StreamId, is_stream_id
from services.signaling.core.domain.result import NotServed, Result
from services.signaling.rest.domain.parameters import (
    Address,
    App,
    File,
    ItemIndex,
    RecordType,
    SeekTime,
    ServiceId,
    Stream,
    Switch,
)
from services.signaling.rest.domain.stream_sources import IP_CAMERA, PLAYLIST, PULLED
from services.signaling.rest.usecases.broadcast_removal import BroadcastRemoval
from services.signaling.rest.usecases.shown_broadcasts import ShownBroadcasts

NO_PULLING = "Pulling streams from elsewhere isn't there: {stream} cannot be started"
NO_SOURCE = "Not active stream source found with this id: {stream} make sure you give the id of a running stream source"
NO_RECORDING = "Recording isn't there: nothing is recorded"
NO_PUSHING = "Pushing to other servers isn't there: nothing is sent to {url}"
NO_DATA = "Data channels aren't there: nothing was sent"
NO_SEI = "SEI messages aren't there: nothing was sent"
NO_HLS = "HLS isn't there, so there is no file to make an MP4 of"
NO_CAMERAS = "IP cameras aren't there: {stream} is not moved"
NOT_READ = "Files elsewhere are not read: the length of this one is unknown"


class PostedEndpoint(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """Another server to which a broadcast is to be pushed."""

    status: str | None = None
    type: str | None = None
    endpoint_url: str | None = None
    endpoint_service_id: str | None = None


class BroadcastMedia:
    """One per signaling instance."""

    def __init__(self, shown: ShownBroadcasts, removal: BroadcastRemoval) -> None:
        self._shown = shown
        self._removal = removal

    async def start(self, app: App, stream: Stream) -> Result:
        """Nothing is pulled, so nothing can be started."""
        record = self._kept(app, stream)
        if record is None and self._shown.one(app, stream) is None:
            return Result(success=False, message=f"No Stream Exists with id:{stream}")
        if record is None or record.type not in PULLED:
            words = f"Stream url is null and it's not an IP camera to get stream url for id:{stream}"
            return Result(success=False, message=words)
        return NotServed(success=False, message=NO_PULLING.format(stream=stream))

    async def stop(self, app: App, stream: Stream) -> Result:
        """Whoever publishes it is sent away. Raises `RillcastError`."""
        record = self._kept(app, stream)
        if record is not None and record.type in PULLED:
            words = f"No matching stream source in this server:{stream}"
            return Result(success=False, message=words, data_id=stream)
        return Result(success=is_stream_id(stream) and await self._removal.stop(app, stream))

    async def next_item(self, app: App, stream: Stream, index: ItemIndex = -1) -> Result:
        """No playlist runs."""
        record = self._kept(app, stream)
        if record is None and self._shown.one(app, stream) is None:
            return Result(success=False, message="There is no playlist found. Please check Stream id again")
        if record is None or record.type != PLAYLIST:
            words = "This broadcast type is not playlist. This method is only available for playlists"
            return Result(success=False, message=words)
        if index >= len(record.play_list_item_list or ()):
            words = "Index is out of the list. Please specify the correct index"
            return Result(success=False, message=words)
        return Result(success=False, message=f"No active playlist for id:{stream}. Start the playlist first")

    async def seek(self, app: App, stream: Stream, milliseconds: SeekTime) -> Result:
        """Always refused, since nothing is pulled that could go to another place."""
        return Result(success=False, message=NO_SOURCE.format(stream=stream))

    async def record(self, app: App, stream: Stream, switch: Switch, record_type: RecordType = "") -> Result:
        """Nothing is recorded, and to stop that is always done."""
        if record_type and record_type not in ("mp4", "webm"):
            words = f"No stream for this id: {stream} or unexpected record type. Record type is null"
            return Result(success=False, message=words, data_id=None)
        if self._shown.one(app, stream) is None:
            return Result(success=False, message=None, data_id=None)
        if switch.lower() == "true":
            return NotServed(success=False, message=NO_RECORDING, data_id=None)
        return Result(success=True, message=None, data_id=None)

    async def add_endpoint(self, app: App, stream: Stream, body: PostedEndpoint | None) -> Result:
        """Nothing is pushed anywhere."""
        if self._shown.one(app, stream) is None:
            return Result(success=False, message=f"Stream does not exist with Id: {stream}")
        if body is None or not (body.endpoint_url or "").strip():
            return Result(success=False, message="Missing Endpoint url")
        return NotServed(success=False, message=NO_PUSHING.format(url=body.endpoint_url))

    async def remove_endpoint(self, app: App, stream: Stream, endpoint_service_id: ServiceId = "") -> Result:
        """Always refused, since none is ever added."""
        return Result(success=False)

    async def send_data(self, app: App, stream: Stream) -> Result:
        """Nothing is sent by data channels."""
        return NotServed(success=False, message=NO_DATA)

    async def send_id3(self, app: App, stream: Stream) -> Result:
        """There is no HLS that could carry it."""
        return Result(success=False, message="ID3 tag is not enabled", data_id=None)

    async def send_sei(self, app: App, stream: Stream) -> Result:
        """Nothing is written into the video of others."""
        live = self._shown.one(app, stream)
        if live is not None and live.status == "broadcasting":
            return NotServed(success=False, message=NO_SEI, data_id=None)
        return Result(success=False, message="Stream is not available", data_id=None)

    async def to_mp4(self, app: App, file: File) -> Result:
        """There are no files of HLS."""
        return NotServed(success=False, message=NO_HLS)

    async def duration(self, app: App, url: Address = "") -> Result:
        """Nothing is read from elsewhere, so that no client can have it ask other servers."""
        if not url.strip():
            return Result(success=False)
        if "://" not in url:
            return Result(success=False, error_id=-2)
        return NotServed(success=False, message=NOT_READ, error_id=-2)

    async def camera_error(self, app: App, stream: Stream) -> Result:
        """No camera is connected."""
        return Result(success=False, message=f"Camera is not found with streamId: {stream}")

    async def camera_profiles(self, app: App, stream: Stream) -> list[str]:
        """Those of no camera."""
        return []

    async def move_camera(self, app: App, stream: Stream) -> Result:
        """No camera is moved."""
        return self._no_camera(app, stream, "")

    async def stop_camera(self, app: App, stream: Stream) -> Result:
        """Always refused, since no camera is ever moved."""
        return self._no_camera(app, stream, "Camera not found")

    def _no_camera(self, app: AppName, stream: str, unknown: str) -> Result:
        record = self._kept(app, stream)
        if record is not None and record.type == IP_CAMERA:
            return NotServed(success=False, message=NO_CAMERAS.format(stream=stream))
        return Result(success=False, message=unknown)

    def _kept(self, app: AppName, stream: str) -> KeptBroadcast | None:
        return self._shown.kept(app, StreamId(stream)) if is_stream_id(stream) else None
