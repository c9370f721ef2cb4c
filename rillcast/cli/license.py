"""``rillcast license``: make keys, issue, look at and install licenses. Mounted by the main command as a sub-app."""

from __future__ import annotations

import base64
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from rillcast.cli.license_bus import ask, fail, read_file
from rillcast.cli.license_usage import app as usage_commands
from rillcast.contracts.messages import LicenseInstall, LicenseStatus, LicenseStatusRequest
from rillcast.contracts.subjects import LICENSE_INSTALL, LICENSE_STATUS
from rillcast.licensing.document import (
    DEFAULT_GRACE_S,
    MAX_LICENSE_BYTES,
    License,
    LicenseRefused,
    describe,
    issue_license,
    parse_private_key,
    parse_public_key,
    read_license,
    state_at,
)
from rillcast.licensing.revocations import issue_revocations

DAY_S = 86_400
KEY_NAME = "license-key"

app = typer.Typer(help="Keys, licenses, and which one the cluster runs under.", no_args_is_help=True)
app.add_typer(usage_commands)


@app.command()
def keygen(
    folder: Annotated[Path, typer.Option("--out", help="Where to put the two files.")] = Path(),
) -> None:
    """Make an issuer's key pair: the private key signs licenses, the public key goes into the license service's
    settings."""
    private = Ed25519PrivateKey.generate()
    secret, public = folder / f"{KEY_NAME}.pem", folder / f"{KEY_NAME}.pub"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fail(f"{secret} exists; a key is never overwritten")
    except OSError as error:
        fail(f"{secret}: {error.strerror}")
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = private.public_key()
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    typer.echo(
        f"{secret}  keep secret\n{public}  set RILLCAST_LICENSE_PUBLIC_KEY_FILE to this, or\n"
        f"RILLCAST_LICENSE_PUBLIC_KEY={base64.b64encode(key.public_bytes_raw()).decode()}"
    )


@app.command()
def issue(  # noqa: PLR0917  typer makes options of them
    licensee: Annotated[str, typer.Option(help="Whom the license is for.")],
    total: Annotated[int, typer.Option(help="Nodes in the whole cluster, license services not counted.")],
    key: Annotated[Path, typer.Option(help="The issuer's private key.")] = Path(f"{KEY_NAME}.pem"),
    license_id: Annotated[str, typer.Option("--id", help="Default: made of the issue time.")] = "",
    limit: Annotated[list[str] | None, typer.Option(help="A limit for one kind, as edge=10. May be repeated.")] = None,
    feature: Annotated[list[str] | None, typer.Option(help="A feature name. May be repeated.")] = None,
    days: Annotated[int, typer.Option(min=0, help="How long it lasts; 0 = for ever.")] = 365,
    start: Annotated[datetime | None, typer.Option("--not-before", help="When it begins (UTC). Default: now.")] = None,
    grace_days: Annotated[
        int, typer.Option(min=0, max=366, help="How long it is honoured after its end.")
    ] = DEFAULT_GRACE_S // DAY_S,
    cluster: Annotated[str, typer.Option(help="The only cluster that may use it, as `status` shows it there.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
) -> None:
    """Sign a license document with the issuer's private key."""
    now = int(time.time())
    begin = int(start.replace(tzinfo=UTC).timestamp()) if start else now
    license = License(
        license_id=license_id or f"rc-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}",
        licensee=licensee,
        limit_total=total,
        limits_by_kind=_limits(limit or []),
        features=tuple(feature or []),
        issued_at_s=now,
        not_before_s=begin,
        not_after_s=begin + days * DAY_S if days else None,
        grace_s=grace_days * DAY_S,
        cluster=cluster,
    )
    try:
        document = issue_license(license, parse_private_key(_read(key)))
    except LicenseRefused as refused:
        fail(refused.message)
    except ValueError as error:
        fail(f"{key}: {error}")
    if out is None:
        typer.echo(document)
    else:
        out.write_text(document + "\n", encoding="ascii")
        typer.echo(f"{out}  {_words(license)}")


@app.command()
def revoke(
    license_ids: Annotated[list[str], typer.Argument(help="The ids of all licenses that are revoked.")],
    key: Annotated[Path, typer.Option(help="The issuer's private key.")] = Path(f"{KEY_NAME}.pem"),
) -> None:
    """Sign a list of revoked licenses, to be installed as a license is. The list issued last counts."""
    try:
        typer.echo(issue_revocations(license_ids, int(time.time()), parse_private_key(_read(key))))
    except ValueError as error:
        fail(f"{key}: {error}")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="The license document.")],
    public_key: Annotated[
        Path | None, typer.Option(help="The issuer's public key. Default: RILLCAST_LICENSE_PUBLIC_KEY(_FILE).")
    ] = None,
) -> None:
    """Verify a license and say what it grants. Exit code 1 if it is refused."""
    try:
        license = read_license(_read(file), _public_key(public_key))
    except LicenseRefused as refused:
        fail(f"{file}: refused ({refused.reason.value}): {refused.message}")
    now = time.time()
    state = state_at(license, now)
    typer.echo(f"{_words(license)}\nstate      {state.value}")
    reason = describe(license, state, now)
    if reason:
        typer.echo(f"           {reason}")


@app.command()
def install(file: Annotated[Path, typer.Argument(help="The license document; - reads standard input.")]) -> None:
    """Put a license in force for the whole running cluster (RILLCAST_NATS_URL). No restart is needed."""
    document = _read(file)[: MAX_LICENSE_BYTES + 1].decode("latin-1")
    status = ask(LICENSE_INSTALL, LicenseInstall(document), LicenseStatus)
    typer.echo(f"installed\n{status_words(status)}")


@app.command()
def status() -> None:
    """Which license the running cluster is under, and the seats taken."""
    typer.echo(status_words(ask(LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus)))


def status_words(status: LicenseStatus) -> str:
    """A status as lines for a person."""
    used = ", ".join(f"{count} {kind}" for kind, count in sorted(status.used_by_kind.items())) or "none"
    limits = "".join(f", at most {limit} {kind}" for kind, limit in sorted(status.limits_by_kind.items()))
    lines = [
        f"license    {status.license_id} ({status.licensee}{', built in' if status.community else ''})",
        f"state      {status.state}",
        f"ends       {_day(status.not_after_s)}"
        + (f", honoured to {_day(status.suspends_at_s)}" if status.suspends_at_s is not None else ""),
        f"seats      {sum(status.used_by_kind.values())} of {status.limit_total} taken ({used}){limits}",
        f"used       {status.node_hours:.1f} node-hours so far",
        f"answered   by {status.answered_by}",
        f"cluster    {status.cluster or 'not known yet'}",
    ]
    return "\n".join(lines + ([f"note       {status.reason}"] if status.reason else []))


def _limits(texts: list[str]) -> dict[str, int]:
    limits = {}
    for text in texts:
        kind, _, number = text.partition("=")
        if not number.isascii() or not number.isdigit():
            fail(f"--limit {text}: must be a kind and a number, as edge=10")
        limits[kind] = int(number)
    return limits


def _public_key(path: Path | None) -> Ed25519PublicKey:
    named = path or (
        Path(os.environ["RILLCAST_LICENSE_PUBLIC_KEY_FILE"])
        if "RILLCAST_LICENSE_PUBLIC_KEY_FILE" in os.environ
        else None
    )
    text = _read(named).decode("utf-8", "replace") if named else os.environ.get("RILLCAST_LICENSE_PUBLIC_KEY", "")
    if not text:
        fail("whose license? give the issuer's --public-key, or set RILLCAST_LICENSE_PUBLIC_KEY")
    try:
        return parse_public_key(text)
    except ValueError as error:
        fail(f"{named or 'RILLCAST_LICENSE_PUBLIC_KEY'}: {error}")


def _read(path: Path) -> bytes:
    return read_file(path, MAX_LICENSE_BYTES)


def _words(license: License) -> str:
    limits = "".join(f", at most {limit} {kind}" for kind, limit in sorted(license.limits_by_kind.items()))
    return "\n".join(
        [
            f"license    {license.license_id} for {license.licensee}",
            f"seats      {license.limit_total}{limits}",
            f"features   {', '.join(license.features) or 'all'}",
            f"valid      {_day(license.not_before_s)} to {_day(license.not_after_s)}",
            f"grace      {license.grace_s // DAY_S} days",
            f"cluster    {license.cluster or 'any'}",
        ]
    )


def _day(unix_s: int | None) -> str:
    return "never" if unix_s is None else f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"
