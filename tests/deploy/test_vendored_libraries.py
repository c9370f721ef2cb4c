"""The copies of other people's libraries are those that `scripts/vendor.py` lists, whole and with their licenses."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest

from scripts import vendor
from scripts.vendor import FOLDER, LIBRARIES, NOTICE, Copy, Library

COPIES = [copy for library in LIBRARIES for copy in library.copies]
MOST_COMPRESSED = 190_000
"""Bytes that a browser loads of them altogether."""


@pytest.mark.parametrize("copy", COPIES, ids=[copy.name for copy in COPIES])
def test_a_copy_is_the_one_of_the_list(copy: Copy) -> None:
    assert hashlib.sha256((FOLDER / copy.name).read_bytes()).hexdigest() == copy.sha256, "run python -m scripts.vendor"


def test_nothing_else_lies_beside_the_copies() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {NOTICE, *(copy.name for copy in COPIES)}


@pytest.mark.parametrize("library", LIBRARIES, ids=[library.package for library in LIBRARIES])
def test_the_notice_has_the_license_of_each(library: Library) -> None:
    notice = (FOLDER / NOTICE).read_text(encoding="utf-8")
    title = f"{library.package} {library.version} ({library.license}):"
    part = notice.partition(title)[2][:1_600]
    assert "Permission is hereby granted" in part
    assert "Copyright (c)" in part


def test_versions_and_hashes_are_pinned() -> None:
    for library in LIBRARIES:
        assert re.fullmatch(r"\d+\.\d+\.\d+", library.version), library.package
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", library.integrity), library.package
        assert library.license in {"MIT", "ISC", "0BSD", "Apache-2.0", "BSD-3-Clause"}, library.package


def test_a_copy_names_no_map_and_loads_nothing_from_elsewhere() -> None:
    for copy in COPIES:
        text = (FOLDER / copy.name).read_text(encoding="utf-8")
        assert "sourceMappingURL" not in text, copy.name
        assert not re.search(r"""(?:import|fetch|src|url)\s*[=(]\s*["']?https?://""", text), copy.name


def test_together_they_are_small() -> None:
    assert sum(len(gzip.compress((FOLDER / copy.name).read_bytes())) for copy in COPIES) < MOST_COMPRESSED


def test_a_script_becomes_a_module_and_loses_the_address_of_its_map() -> None:
    script = b"var uPlot=1;\n//# sourceMappingURL=x.js.map\n"
    assert vendor.as_copied(Copy("a", "b", "", "uPlot"), script) == b"var uPlot=1;\nexport default uPlot;\n"
    assert vendor.as_copied(Copy("a", "b", ""), script) == b"var uPlot=1;\n"
