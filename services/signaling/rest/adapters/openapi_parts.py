"""The parts of the OpenAPI document that Ant Media serves apart: one for the REST of an app, one for the management.

Paths begin below the address that the part names as its server, and the parameters in them are called as with Ant
Media: programs that are written from such a document call them so.
"""

from __future__ import annotations

from typing import Any

import msgspec

from services.signaling.rest.adapters.schemas import REF

ABOUT_ANT_MEDIA = {"description": "What these endpoints do with Ant Media Server", "url": "https://docs.antmedia.io"}
_NAMES = {
    "stream": "id",
    "vod": "id",
    "file": "hls_filename",
    "switch": "recording-status",
    "milliseconds": "seekTimeMs",
    "subscriber": "sid",
    "kind": "type",
}
"""Parameters of paths, where Ant Media calls them otherwise than our tables do."""
_STREAMS = {"ip-camera-error": "streamId", "id3": "stream_id", "sei": "stream_id", "webrtc-client-stats": "stream_id"}
"""And what it calls the stream where the path goes on like this."""


def part_below(document: dict[str, Any], base: str) -> dict[str, msgspec.Raw]:
    """What of a whole document lies below a base path such as ``/{app}/rest``: the members of a document of its own but
    for its servers, each as JSON. Parameters of the base are taken away, since its reader fills them in."""
    paths = {}
    for path, operations in document["paths"].items():
        if path.startswith(f"{base}/"):
            below = path.removeprefix(base)
            names = _names(below)
            paths[_renamed(below, names)] = {
                method: _operation(operation, names, base) for method, operation in operations.items()
            }
    text = msgspec.json.encode(paths).decode()
    members = {
        "openapi": document["openapi"],
        "info": document["info"],
        "externalDocs": ABOUT_ANT_MEDIA,
        "paths": paths,
        "components": {**document["components"], "schemas": _used(document["components"]["schemas"], text)},
    }
    return {name: msgspec.Raw(msgspec.json.encode(member)) for name, member in members.items()}


def _operation(operation: dict[str, Any], names: dict[str, str], base: str) -> dict[str, Any]:
    parameters = [
        {**one, "name": names.get(one["name"], one["name"])} if one["in"] == "path" else one
        for one in operation.get("parameters", ())
        if one["in"] != "path" or f"{{{one['name']}}}" not in base
    ]
    others = {key: value for key, value in operation.items() if key != "parameters"}
    others["responses"] = {
        status: {key: value for key, value in response.items() if key != "links"}  # some lead out of the part
        for status, response in operation["responses"].items()
    }
    return {**others, "parameters": parameters} if parameters else others


def _names(path: str) -> dict[str, str]:
    after = path.partition("{stream}/")[2].partition("/")[0]
    return _NAMES | ({"stream": _STREAMS[after]} if after in _STREAMS else {})


def _renamed(path: str, names: dict[str, str]) -> str:
    for ours, theirs in names.items():
        path = path.replace(f"{{{ours}}}", f"{{{theirs}}}")
    return path


def _used(schemas: dict[str, Any], text: str) -> dict[str, Any]:
    """The schemas that a text refers to, and those that they refer to."""
    used: dict[str, Any] = {}
    texts = [text]
    while texts:
        text = texts.pop()
        for name, schema in schemas.items():
            if name not in used and f'"{REF.format(name=name)}"' in text:
                used[name] = schema
                texts.append(msgspec.json.encode(schema).decode())
    return dict(sorted(used.items()))
