"""Schemathesis against signaling as it runs, with a real NATS server: what it asked, and what it found.

    python -m tests.integration.signaling.schema_run --seconds 120 --seed 1

writes the figures of such a run into `docs/benchmarks/rest-schema.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rillcast.contracts.status import OPENAPI_PATH
from rillcast.testing.eventually import within
from services.signaling.rest.adapters.security import PROXY_AUTHORIZATION
from services.signaling.rest.adapters.tables import TABLES
from tests.integration.signaling.rest_instances import RestInstance, rest_instances

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks" / "rest-schema.md"
PHASES = (("examples", "coverage"), ("fuzzing",), ("stateful",))
"""The first ones end by themselves, the others when their time is over."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
"""Not that bad input is refused, and good input taken: Ant Media takes unknown keys and refuses with 200, and so do we.
"""
OPEN = sorted(row.path for table in TABLES for row in table.rows if not row.guard.shows)
"""Paths that everybody may ask. A stranger who asks one by another method is answered 403, as anywhere below ``/rest``,
and not told that there is something. Schemathesis shows nothing there, and expects 405."""
UNDECLARED_METHOD = "ST204"
REFUSED_HONESTLY = sorted(row.name for table in TABLES for row in table.rows if 501 in row.refusals)
"""Operations that declare 501, which is no fault there."""
LATE_S = 900.0
"""Beyond the time of the run itself, on a busy machine."""


@dataclass(frozen=True)
class Summary:
    """Of one run, which has as many parts as `PHASES`."""

    reports: Sequence[Mapping[str, Any]]
    """As schemathesis writes them (``--report json``)."""
    said: str
    """What it wrote for people."""

    @property
    def operations(self) -> int:
        """How many the document has."""
        return int(self.reports[0]["operations"]["total"])

    @property
    def tested(self) -> int:
        """How many operations were asked."""
        return int(self.reports[0]["operations"]["tested"])

    def calls(self, part: int) -> int:
        """How many requests were made up in a part."""
        return int(self.reports[part]["test_cases"]["generated"])

    @property
    def failures(self) -> list[Mapping[str, Any]]:
        """What was found, by kind."""
        return [one for report in self.reports for one in report["failures"] if not _is_hidden(one)]

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """What kept it from asking."""
        return [one for report in self.reports for one in report["errors"]]


def _is_hidden(failure: Mapping[str, Any]) -> bool:
    """Whether it says no more than that strangers are told nothing (`OPEN`)."""
    paths = {asked.partition(" ")[2] for asked in failure["operations"]}
    return failure["code"] == UNDECLARED_METHOD and paths <= set(OPEN)


def configuration(token: str) -> str:
    """How it shows who it is, so that it can leave that away; and 501 is allowed by name, to those operations that say
    in the document what they don't do."""
    statuses = '["2xx", "3xx", "4xx", "501"]'
    honest = (
        f'[[operations]]\ninclude-operation-id = "{name}"\nchecks.not_a_server_error.expected-statuses = {statuses}\n'
        for name in REFUSED_HONESTLY
    )
    return "\n".join([f'[auth.openapi.{PROXY_AUTHORIZATION}]\napi_key = "{token}"\n', *honest])


async def run(instance: RestInstance, folder: Path, seconds: int, seed: int) -> Summary:
    """Runs the parts; those that do not end by themselves for so many seconds."""
    config, document = folder / "schemathesis.toml", folder / "openapi.json"
    config.write_text(configuration(instance.token))
    async with instance.http() as http:
        document.write_bytes((await http.get(OPENAPI_PATH)).raise_for_status().content)
    reports, said = [], []
    for number, phases in enumerate(PHASES):
        report = folder / f"report-{number}.json"
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(document)),
            *("--url", instance.base, "--phases", ",".join(phases), "--checks", ",".join(CHECKS)),
            *(("--max-time", str(seconds)) if number else ()),
            *("--seed", str(seed), "--generation-with-security-parameters", "false"),
            *("--report", "json", "--report-json-path", str(report), "--generation-database", "none"),
            *("--suppress-health-check", "all", "--no-shrink", "--continue-on-failure", "--no-color"),
            *("--warnings", "off"),
        ]
        said.append(await _output(command, folder, seconds * 2 + LATE_S))
        assert report.exists(), said[-1][-4_000:]
        reports.append(json.loads(report.read_text()))
    return Summary(reports, "\n".join(said))


async def _output(command: Sequence[str], folder: Path, timeout_s: float) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with within(timeout_s, "the end of schemathesis"):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace")


def page(summary: Summary, seconds: int, seed: int) -> str:
    """The figures for the documentation."""
    lines = [
        "# REST against its own document",
        "",
        "[Schemathesis](https://schemathesis.readthedocs.io) asks signaling with a real NATS server what its",
        "OpenAPI document allows, and what it does not: the examples, what covers the schemas, requests by chance, and",
        "chains of requests along the links of the document. This is the last run of",
        "",
        f"    python -m tests.integration.signaling.schema_run --seconds {seconds} --seed {seed}",
        "",
        "| | |",
        "|---|---|",
        f"| operations of the document | {summary.operations} |",
        f"| operations that were asked | {summary.tested} |",
        *(f"| requests: {', '.join(phases)} | {summary.calls(part)} |" for part, phases in enumerate(PHASES)),
        f"| kinds of failures | {len(summary.failures)} |",
        f"| schemathesis | {summary.reports[0]['schemathesis_version']} |",
        "",
        f"Checks: {', '.join(f'`{one}`' for one in CHECKS)}.",
        "",
        f"501 is what these answer to what they do not do: {', '.join(f'`{one}`' for one in REFUSED_HONESTLY)}.",
        "",
        f"To whoever shows nothing, other methods of these are answered 403: {', '.join(f'`{one}`' for one in OPEN)}.",
        "",
        *_found(summary.failures),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _found(failures: Sequence[Mapping[str, Any]]) -> list[str]:
    if not failures:
        return [
            "No request was answered with a fault of the server, an undeclared status or body, or let in by mistake."
        ]
    rows = [f"| {one['title']} | {one['count']} | {', '.join(one['operations'])} |" for one in failures]
    return ["| failure | times | operations |", "|---|---|---|", *rows]


async def _main(seconds: int, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="rillcast-schema-") as parent:
        async with rest_instances(Path(parent), 2) as (first, _):
            summary = await run(first, Path(parent), seconds, seed)
    PAGE.write_text(page(summary, seconds, seed))
    print(summary.said)
    print(PAGE.read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(_main(given.seconds, given.seed))
