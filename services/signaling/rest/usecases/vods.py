"""Recordings and uploaded files. None is kept here, so lists are empty, and what would make one is refused in words."""

from __future__ import annotations

from services.signaling.core.domain.result import NotServed, Result
from services.signaling.rest.domain.parameters import (
    App,
    FileName,
    Folder,
    Ids,
    Offset,
    OfStream,
    OrderBy,
    Search,
    SearchQuery,
    Size,
    SortBy,
    Vod,
)
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.domain.vods import VoD

NO_IDS = "ids parameter is blank. Please give comma-separated vod ids to the 'ids' as query parameter"
BAD_KIND = "notSupportedFileType"
NO_UPLOAD = "Recordings and files aren't kept here: {name} was not taken"
NO_FOLDER = "VoD import directory is allowed under /"
"""Ant Media's words where no folder is named, and where there is no such folder."""
NO_IMPORT = "Recordings and files aren't kept here: nothing was imported from {folder}"
NOT_IMPORTED = "{folder} does not exist or it's not a directory"
"""Ant Media's words for a folder of which it has no files."""
KINDS = ("mp4", "webm", "mov", "avi", "mp3", "wmv")
_LONGEST = 200
"""How much of a client's words is given back."""


class Vods:
    """One per signaling instance."""

    async def get(self, app: App, vod: Vod) -> VoD:
        """An unknown recording, as all are."""
        return VoD()

    async def list_page(
        self,
        app: App,
        offset: Offset,
        size: Size,
        *,
        sort_by: SortBy = "",
        order_by: OrderBy = "",
        of_stream: OfStream = "",
        search: SearchQuery = "",
    ) -> list[VoD]:
        """The recordings of an app: there are none, whatever is asked for."""
        return []

    async def count(self, app: App) -> SimpleStat:
        """How many there are: none."""
        return SimpleStat(0)

    async def count_found(self, app: App, search: Search) -> SimpleStat:
        """How many there are with such a name: none."""
        return SimpleStat(0)

    async def delete(self, app: App, vod: Vod) -> Result:
        """Refused as an unknown one."""
        return Result(success=False)

    async def delete_many(self, app: App, ids: Ids = "") -> Result:
        """Refused, since the first of them is unknown."""
        return Result(success=False, message="" if ids.strip() else NO_IDS)

    async def upload(self, app: App, name: FileName = "") -> Result:
        """Always refused, and the file is not read."""
        if name.rpartition(".")[2].lower() not in KINDS or "." not in name:
            return Result(success=False, message=BAD_KIND, data_id=None)
        return NotServed(success=False, message=NO_UPLOAD.format(name=name[:_LONGEST]), data_id=None)

    async def import_folder(self, app: App, folder: Folder = "") -> Result:
        """Always refused, and nobody learns from it which folders there are."""
        if not folder.strip():
            return Result(success=False, message=NO_FOLDER)
        return NotServed(success=False, message=NO_IMPORT.format(folder=folder[:_LONGEST]))

    async def forget_folder(self, app: App, folder: Folder = "") -> Result:
        """Refused as a folder from which nothing came."""
        return Result(success=False, message=NOT_IMPORTED.format(folder=folder[:_LONGEST]))
