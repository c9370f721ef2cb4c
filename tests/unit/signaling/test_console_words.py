"""The console says of troubles what the contracts say."""

from __future__ import annotations

import json
import re

from rillcast.contracts.health import MEANINGS
from services.signaling.pages.adapters.http_pages import STATIC


def test_the_console_has_the_sentence_of_every_trouble() -> None:
    text = (STATIC / "console" / "parts" / "troubles.js").read_text()
    said = {word: json.loads(sentence) for word, sentence in re.findall(r'^  (\w+): (".*"),$', text, re.MULTILINE)}
    assert said == {trouble.value: meaning.sentence for trouble, meaning in MEANINGS.items()}
