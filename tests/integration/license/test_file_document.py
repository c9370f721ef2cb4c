"""The mounted file with the license document."""

from __future__ import annotations

from pathlib import Path

import pytest

from rillcast.licensing.document import MAX_LICENSE_BYTES, LicenseRefused
from services.license.adapters.file_document import FileDocument


async def test_it_is_read_anew_each_time_and_may_be_missing(tmp_path: Path) -> None:
    document = FileDocument(tmp_path / "license.jwt")
    assert document.name == str(tmp_path / "license.jwt")
    assert await document.read() is None
    for text in (b"one", b"two"):
        (tmp_path / "license.jwt").write_bytes(text)
        assert await document.read() == text


async def test_no_more_is_read_than_shows_that_it_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "license.jwt").write_bytes(bytes(10 * MAX_LICENSE_BYTES))
    assert await FileDocument(tmp_path / "license.jwt").read() == bytes(MAX_LICENSE_BYTES + 1)


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LicenseRefused, match="not a regular file"):
        await FileDocument(tmp_path).read()


async def test_a_file_that_can_not_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    (tmp_path / "license.jwt").touch()
    with pytest.raises(LicenseRefused, match="can't be read: Permission denied"):
        await FileDocument(tmp_path / "license.jwt").read()
