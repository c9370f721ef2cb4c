"""`rillcast license keygen | issue | inspect` on files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rillcast.cli.license import app
from rillcast.licensing.document import parse_public_key

runner = CliRunner()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    assert runner.invoke(app, ["keygen", "--out", str(tmp_path)]).exit_code == 0
    return tmp_path


def issue(keys: Path, *more: str) -> str:
    arguments = ["issue", "--key", str(keys / "license-key.pem"), "--licensee", "Acme Ltd", "--total", "12", *more]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def inspect(keys: Path, document: str, key: Path | None = None) -> tuple[int, str]:
    file = keys / "license.jwt"
    file.write_text(document)
    result = runner.invoke(app, ["inspect", str(file), "--public-key", str(key or keys / "license-key.pub")])
    return result.exit_code, result.output


def test_a_license_is_issued_and_inspected(keys: Path) -> None:
    document = issue(keys, "--limit", "edge=8", "--id", "acme-7", "--days", "30", "--grace-days", "3")
    code, output = inspect(keys, document)
    assert code == 0
    for part in ("acme-7 for Acme Ltd", "12, at most 8 edge", "state      valid", "3 days"):
        assert part in output


def test_the_public_key_is_also_shown_in_one_line_that_settings_take(tmp_path: Path) -> None:
    output = runner.invoke(app, ["keygen", "--out", str(tmp_path)]).output
    line = next(line for line in output.splitlines() if line.startswith("RILLCAST_LICENSE_PUBLIC_KEY="))
    shown = parse_public_key(line.partition("=")[2])
    assert shown == parse_public_key((tmp_path / "license-key.pub").read_text())


def test_the_private_key_is_for_its_owner_only_and_never_overwritten(keys: Path) -> None:
    secret = keys / "license-key.pem"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    before = secret.read_bytes()
    result = runner.invoke(app, ["keygen", "--out", str(keys)])
    assert result.exit_code == 1
    assert "never overwritten" in result.output
    assert secret.read_bytes() == before


def test_a_license_for_ever_and_one_for_later(keys: Path) -> None:
    assert "to never" in inspect(keys, issue(keys, "--days", "0"))[1]
    assert "not_yet_valid" in inspect(keys, issue(keys, "--not-before", "2999-01-01"))[1]


def test_a_tampered_license_is_refused_naming_the_reason(keys: Path) -> None:
    document = issue(keys).strip()
    code, output = inspect(keys, document[:-4] + "AAAA")
    assert code == 1
    assert "refused (signature)" in output


def test_the_wrong_kind_of_key_is_named(keys: Path) -> None:
    code, output = inspect(keys, issue(keys), keys / "license-key.pem")
    assert code == 1
    assert "PEM" in output


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--limit", "edge"], "edge=10"),
        (["--limit", "toaster=3"], "toaster"),
        (["--total", "-1"], "limits.total"),
        (["--licensee", ""], "licensee"),
        (["--key", "/nowhere/key.pem"], "/nowhere/key.pem"),
    ],
)
def test_nonsense_is_refused_naming_it(keys: Path, arguments: list[str], word: str) -> None:
    start = ["issue", "--key", str(keys / "license-key.pem"), "--licensee", "Acme", "--total", "1"]
    result = runner.invoke(app, [*start, *arguments])
    assert result.exit_code == 1
    assert word in result.output
