"""What operators have set for all servers, and what they have written about nodes, as the store has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import msgspec

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.server_records import NOTE_PREFIX, SETTINGS_KEY, NodeNote, ServerRecord, note_key
from rillcast.contracts.subjects import BUCKET_SERVER
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.key_changes import KeyChanges

MOST_NOTES = 1_000
"""Notes about nodes. When there are so many, those about nodes that are gone make room."""

log = get_logger(__name__)


class ServerStore:
    """One per signaling instance."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket
        self._changes = KeyChanges(bucket, busy="the servers' settings are being changed by others")
        self._entries = ToldUpto(self._apply)
        self._notes: dict[NodeId, str] = {}
        self.record = ServerRecord()
        """What was set, as the bucket has told it last."""

    def note(self, node: NodeId) -> str:
        """What was written about a node; empty when nothing was."""
        return self._notes.get(node, "")

    async def run(self) -> None:
        """Follow the bucket until cancelled."""
        await follow(self._bucket, self._entries.told, name=BUCKET_SERVER)

    async def change(self, change: Callable[[ServerRecord], ServerRecord]) -> None:
        """Change what is set. Returns when the store has it. Raises `RillcastError`, and what `change` does."""

        def changed(value: bytes | None) -> bytes:
            return msgspec.json.encode(change(_read(value)))

        self._entries.own(await self._changes.change(SETTINGS_KEY, changed))

    async def write_note(self, node: NodeId, text: str, known: Collection[NodeId]) -> None:
        """Write a note about a node; an empty one takes it away. `known`: the nodes that there are. Raises
        `RillcastError`: HIGH_RESOURCE_USAGE when all of them have notes, and there are too many."""
        if not text:
            self._entries.own(await self._changes.delete(note_key(node)))
            return
        if node not in self._notes and len(self._notes) >= MOST_NOTES:
            await self._make_room(known)
        value = msgspec.json.encode(NodeNote(text=text))
        self._entries.own(await self._changes.change(note_key(node), lambda _: value))

    async def answer_s(self) -> float:
        """How long the store takes to answer a question, in seconds. Raises `RillcastError`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        await self._bucket.get(SETTINGS_KEY)
        return clock() - began

    async def _make_room(self, known: Collection[NodeId]) -> None:
        gone = next((node for node in self._notes if node not in known), None)
        if gone is None:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"there are notes about {MOST_NOTES} nodes already")
        self._entries.own(await self._changes.delete(note_key(gone)))
        self._notes.pop(gone, None)  # though somebody else has deleted it, or nobody has written it

    def _apply(self, entry: Entry) -> None:
        try:
            if entry.key == SETTINGS_KEY:
                self.record = ServerRecord() if entry.value is None else decode_json(entry.value, ServerRecord)
            elif entry.key.startswith(NOTE_PREFIX):
                self._apply_note(NodeId(entry.key.removeprefix(NOTE_PREFIX)), entry.value)
        except Undecodable as error:
            log.warning("The servers' settings in the store make no sense, the former stay", reason=str(error))

    def _apply_note(self, node: NodeId, value: bytes | None) -> None:
        if value is None:
            self._notes.pop(node, None)
        elif node in self._notes or len(self._notes) < 2 * MOST_NOTES:  # of what others write at the same time
            self._notes[node] = decode_json(value, NodeNote).text


def _read(value: bytes | None) -> ServerRecord:
    """What can't be read counts as not there, so that it can be mended."""
    try:
        return ServerRecord() if value is None else decode_json(value, ServerRecord)
    except Undecodable:
        return ServerRecord()
