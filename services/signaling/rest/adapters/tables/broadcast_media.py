"""What is done with the media of broadcasts."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table, refused
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.usecases.broadcast_media import BroadcastMedia, PostedEndpoint

ROOT = "/{app}/rest/v2/broadcasts"

TABLE = Table(
    tag="media of broadcasts",
    about="What is done with the media of broadcasts. Of what isn't there the answers say so.",
    resource=BroadcastMedia,
    input="broadcast",
    rows=(
        Endpoint(
            "GET",
            f"{ROOT}/duration",
            APP_OPERATOR,
            BroadcastMedia.duration,
            "Never tells the length of a file: none is read from elsewhere.",
            answer=Result,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/onvif-devices",
            APP_OPERATOR,
            refused("Nothing looks for cameras on the network."),
            "Finds cameras on the network of the server.",
            answer=list[str],
            name="onvif_devices",
        ),
        Endpoint(
            "POST",
            f"{ROOT}/playlists/{{stream}}/next",
            APP_OPERATOR,
            BroadcastMedia.next_item,
            "Never goes on in a playlist: none is played.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{file}}/hls-to-mp4",
            APP_OPERATOR,
            BroadcastMedia.to_mp4,
            "Makes no MP4, since there is no HLS.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/start",
            APP_OPERATOR,
            BroadcastMedia.start,
            "Never starts a broadcast: nothing is pulled from elsewhere.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/stop",
            APP_OPERATOR,
            BroadcastMedia.stop,
            "Sends away who publishes it.",
            answer=Result,
            errors=(ErrorCode.NO_NODE_AVAILABLE,),
        ),
        Endpoint(
            "PUT",
            f"{ROOT}/{{stream}}/seek-time/{{milliseconds}}",
            APP_OPERATOR,
            BroadcastMedia.seek,
            "Never goes to a place in a source: none runs.",
            answer=Result,
        ),
        Endpoint(
            "PUT",
            f"{ROOT}/{{stream}}/recording/{{switch}}",
            APP_OPERATOR,
            BroadcastMedia.record,
            "Never begins to record.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/endpoint",
            APP_OPERATOR,
            BroadcastMedia.add_endpoint,
            "Never adds another server to push to.",
            answer=Result,
            body=PostedEndpoint,
            body_may_lack=True,
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{stream}}/endpoint",
            APP_OPERATOR,
            BroadcastMedia.remove_endpoint,
            "Never removes one, since there is none.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/data",
            APP_OPERATOR,
            BroadcastMedia.send_data,
            "Never sends anything by data channels.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/id3",
            APP_OPERATOR,
            BroadcastMedia.send_id3,
            "Never sends an ID3 tag.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/sei",
            APP_OPERATOR,
            BroadcastMedia.send_sei,
            "Never sends an SEI message.",
            answer=Result,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/ip-camera-error",
            APP_OPERATOR,
            BroadcastMedia.camera_error,
            "Never tells an error of a camera: none is connected.",
            answer=Result,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{stream}}/ip-camera/device-profiles",
            APP_OPERATOR,
            BroadcastMedia.camera_profiles,
            "The profiles of a camera: none.",
            answer=list[str],
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/ip-camera/move",
            APP_OPERATOR,
            BroadcastMedia.move_camera,
            "Never moves a camera.",
            answer=Result,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/{{stream}}/ip-camera/stop-move",
            APP_OPERATOR,
            BroadcastMedia.stop_camera,
            "Never stops a camera.",
            answer=Result,
        ),
    ),
)
