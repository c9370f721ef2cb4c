"""Recordings and uploaded files, of which there are none."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.form_body import FORM
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.domain.vods import VoD
from services.signaling.rest.usecases.vods import Vods

ROOT = "/{app}/rest/v2/vods"

TABLE = Table(
    tag="recordings",
    about="Recordings and uploaded files (VoD). There are none, since nothing is recorded or kept here.",
    resource=Vods,
    input="vod",
    rows=(
        Endpoint(
            "GET",
            f"{ROOT}/list/{{offset}}/{{size}}",
            APP_OPERATOR,
            Vods.list_page,
            "One page of the recordings, which is empty.",
            name="list_recordings",
            answer=list[VoD],
        ),
        Endpoint(
            "GET",
            f"{ROOT}/count",
            APP_OPERATOR,
            Vods.count,
            "How many there are: none.",
            name="count_recordings",
            answer=SimpleStat,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/count/{{search}}",
            APP_OPERATOR,
            Vods.count_found,
            "How many there are with such a name: none.",
            name="count_found_recordings",
            answer=SimpleStat,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/create",
            APP_OPERATOR,
            Vods.upload,
            "Takes no file: the answer says so, and the file is not read.",
            name="upload_recording",
            answer=Result,
            consumes=(FORM,),
            needs_type=True,
        ),
        Endpoint(
            "POST",
            f"{ROOT}/directory",
            APP_OPERATOR,
            Vods.import_folder,
            "Imports nothing from a folder of the server.",
            name="add_recording_folder",
            answer=Result,
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/directory",
            APP_OPERATOR,
            Vods.forget_folder,
            "Forgets nothing, since nothing came from a folder.",
            name="forget_recording_folder",
            answer=Result,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/{{vod}}",
            APP_OPERATOR,
            Vods.get,
            "One recording: of an unknown one, as all are, nothing is known.",
            name="get_recording",
            answer=VoD,
        ),
        Endpoint(
            "DELETE",
            f"{ROOT}/{{vod}}",
            APP_OPERATOR,
            Vods.delete,
            "Deletes nothing.",
            name="delete_recording",
            answer=Result,
        ),
        Endpoint(
            "DELETE", ROOT, APP_OPERATOR, Vods.delete_many, "Deletes nothing.", name="delete_recordings", answer=Result
        ),
    ),
)
