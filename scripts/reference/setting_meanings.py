"""setting_meanings.json: what each setting of an app does, for the server that tells the console of it."""

from __future__ import annotations

import json

from scripts.reference.app_settings import meanings_of_fields

PATH = "services/signaling/rest/adapters/setting_meanings.json"


def render() -> str:
    """The file. Raises `Undocumented` for a setting that has no docstring."""
    meanings = {name: " ".join(text.split()) for name, text in meanings_of_fields().items()}
    return json.dumps(meanings, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
