"""The tools that look at templates. They are in an environment of their own, since they want other versions of what
the project uses; `make setup-dev` makes it from requirements/clouds.lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scripts.clouds.aws import template as aws
from scripts.clouds.azure import template as azure

TOOLS = Path(sys.prefix) / "clouds/bin"
ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = (ROOT / aws.PATH, ROOT / azure.PATH)
NOWHERE = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
"""Credentials that open nothing."""


def tool(name: str) -> str:
    """The path of a tool. Skips the test where it is missing; the runner of all tests makes that a failure."""
    path = TOOLS / name
    if not path.exists():
        missing = f"there is no {path}; run: make setup-dev"
        (pytest.fail if os.environ.get("RILLCAST_REQUIRE_ALL") == "1" else pytest.skip)(missing)
    return str(path)


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    command = [tool(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | NOWHERE, timeout=110)


@cache
def all_of_checkov() -> dict[str, Any]:
    """What checkov finds in both templates, without asking anybody on the network. It takes seconds only to begin."""
    files = [part for path in TEMPLATES for part in ("-f", path)]
    done = run("checkov", *files, "--framework", "cloudformation", "arm", "--skip-download", "-o", "json")
    return {found["check_type"]: found for found in json.loads(done.stdout)}


def checkov(framework: str) -> dict[str, Any]:
    """What it finds in the template for `cloudformation` or `arm`."""
    found: dict[str, Any] = all_of_checkov()[framework]
    return found


def names_of_checks(found: dict[str, Any], sort: str) -> list[tuple[str, str]]:
    """Check and resource, of those that failed, passed or were skipped."""
    return sorted((one["check_id"], one["resource"].rpartition(".")[2]) for one in found["results"][f"{sort}_checks"])
