"""``rillcast license usage`` and ``verify-usage``: the signed report of node-hours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rillcast.cli.license_bus import ask, fail, read_file
from rillcast.contracts.messages import LicenseUsage, LicenseUsageRequest, UsageReport
from rillcast.contracts.subjects import LICENSE_USAGE
from rillcast.licensing.usage_report import MAX_REPORT_BYTES, ReportRefused, read_report

app = typer.Typer()


@app.command()
def usage(
    first: Annotated[
        str, typer.Option("--from", help="First day (UTC), as 2026-09-14. Default: the first known.")
    ] = "",
    last: Annotated[str, typer.Option("--to", help="Last day. Default: today.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the signed report there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the figures, for machines.")] = False,
) -> None:
    """Node-hours of the running cluster, by kind of node and day; signed, to be handed on."""
    answer = ask(LICENSE_USAGE, LicenseUsageRequest(first_day=first, last_day=last), LicenseUsage)
    if out is not None:
        try:
            out.write_text(answer.signed + "\n", encoding="ascii")
        except OSError as error:
            fail(f"{out}: {error.strerror}")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(answer.report)).decode())
        return
    typer.echo(report_words(answer.report))
    typer.echo(f"key        {answer.key_id}" + (f"\nwritten    {out}" if out else ""))


@app.command("verify-usage")
def verify_usage(
    file: Annotated[Path, typer.Argument(help="A signed usage report; - reads standard input.")],
    key: Annotated[str, typer.Option(help="The key id that `usage` showed for this cluster.")] = "",
) -> None:
    """Check that a report wasn't changed, and with --key that it is from that cluster. Exit code 1 if not."""
    try:
        report, found = read_report(read_file(file, MAX_REPORT_BYTES), key)
    except ReportRefused as refused:
        fail(f"{file}: refused: {refused}")
    typer.echo(report_words(report))
    typer.echo(f"key        {found}" + ("" if key else "  (unchanged; give --key to see that it is your cluster's)"))


def report_words(report: UsageReport) -> str:
    """A report as lines for a person."""
    lines = [
        f"usage      {report.first_day} to {report.last_day}, licensee {report.licensee}",
        f"sum        {_hours(report.node_hours)} node-hours",
    ]
    if report.unmetered_hours:
        lines.append(f"uncounted  {report.unmetered_hours:.2f} hours in which no license service ran")
    lines += [
        f"{day.day} {_hours(day.node_hours)} (at most {_seats(day.peak)} at once; license {day.license_id})"
        for day in report.days
    ]
    return "\n".join(lines)


def _hours(by_kind: dict[str, float]) -> str:
    parts = ", ".join(f"{hours:.2f} {kind}" for kind, hours in by_kind.items())
    return f"{sum(by_kind.values()):.2f} ({parts})" if parts else "0"


def _seats(by_kind: dict[str, int]) -> str:
    return ", ".join(f"{seats} {kind}" for kind, seats in by_kind.items()) or "none"
