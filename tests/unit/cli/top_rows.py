"""Rows and pictures of `rillcast top`, without a cluster."""

from __future__ import annotations

import msgspec

from rillcast.cli.top.picture import Grade, NodeRow, Picture, StreamRow

HOSTILE = "<b>[red]x[/]\x1b[2J\u202egpj" + "y" * 300


def node(name: str, **more: object) -> NodeRow:
    good = NodeRow(node=name, kind="edge", place="eu eu-1", state="ready", grade=Grade.GOOD, load=0.5)
    return msgspec.structs.replace(good, **more)


def stream(name: str, **more: object) -> StreamRow:
    good = StreamRow(app="live", stream=name, state="good", grade=Grade.GOOD, viewers=2)
    return msgspec.structs.replace(good, **more)


def picture(*nodes: NodeRow, streams: tuple[StreamRow, ...] = (), suffering: int = 0) -> Picture:
    return Picture(
        version="1.2.3",
        nodes=nodes,
        streams=streams,
        worst=streams,
        node_count=len(nodes),
        troubled=sum(one.grade is not Grade.GOOD for one in nodes),
        stream_count=len(streams),
        viewers=sum(one.viewers for one in streams),
        suffering=suffering,
        license="community license: valid",
        license_grade=Grade.GOOD,
    )
