"""Refusals as a page of HTML: where Ant Media's servlet container answers before any of its handlers do, clients expect
one."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

MEDIA_TYPE = "text/html;charset=utf-8"
_PAGE = (
    '<!doctype html><html lang="en"><head><title>HTTP Status {status} – {phrase}</title></head>'
    "<body><h1>HTTP Status {status} – {phrase}</h1><p><b>Message</b> {words}</p></body></html>"
)


def error_page(status: int, words: str) -> str:
    """The page for a status of HTTP; `words` may be anything."""
    return _PAGE.format(status=status, phrase=HTTPStatus(status).phrase, words=escape(words))
