"""What a refusal says, whatever its form."""

from __future__ import annotations

import re
from html import unescape

import httpx

_MESSAGE = re.compile(r"<b>Message</b> (.*?)</p>")


def words_of(answer: httpx.Response) -> str:
    """The words of a page of HTML; any other body as it is."""
    found = _MESSAGE.search(answer.text)
    return unescape(found[1]) if found else answer.text
