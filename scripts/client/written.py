"""All files of the client that are written from the document."""

from __future__ import annotations

from functools import cache

from scripts.client import app_defaults
from scripts.client.calls import Calls
from scripts.client.document import document
from scripts.client.modules import formatted
from scripts.client.operations import operations
from scripts.client.shapes import Shapes
from scripts.client.types import Components

FOLDER = "rillcast/client"
PARTS = ("api", "shapes")
"""The packages in that folder in which nothing is written by hand."""


@cache
def written() -> dict[str, str]:
    """Texts by path, from the root of the repository."""
    described = document()
    tags = {tag["name"]: tag["description"] for tag in described["tags"]}
    components, calls = Components(described["components"]["schemas"]), operations(described)
    shapes = Shapes(components, calls)
    structs = {**shapes.files(), app_defaults.NAME: app_defaults.app_defaults()}
    packages = {"api": Calls(components, shapes, calls).files(tags), "shapes": structs}
    return {
        path: formatted(text, path)
        for package, modules in packages.items()
        for name, text in modules.items()
        for path in [f"{FOLDER}/{package}/{name}.py"]
    }
