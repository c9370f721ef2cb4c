"""helm and kubectl, as an operator calls them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from rillcast.testing.eventually import within
from tests.e2e.cluster import ROOT
from tests.kubernetes.api import Json
from tests.kubernetes.control_plane import Cluster
from tests.kubernetes.enclosure import TOOLS

CHART = ROOT / "deploy/helm/rillcast"
RELEASE = "rillcast"
MOST_S = 600.0


class Refused(AssertionError):
    """The command did not do it; the text has what it said."""


async def run(cluster: Cluster, *command: str | Path, stdin: str = "") -> str:
    """What a command prints. Raises Refused."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(cluster.folder)}
    words = [str(word) for word in command]
    process = await asyncio.create_subprocess_exec(
        *words,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with within(MOST_S, " ".join(words[:3])):
        out, said = await process.communicate(stdin.encode())
    if process.returncode != 0:
        raise Refused(f"{' '.join(words)[:300]}: {said.decode(errors='replace')[-2_000:]}")
    return out.decode()


async def helm(cluster: Cluster, *arguments: str | Path) -> str:
    """That of `deploy/helm/get-tools`."""
    return await run(cluster, Path(os.environ[TOOLS]) / "bin/helm", *arguments)


def chosen(files: Sequence[str | Path] = (), sets: Sequence[str] = ()) -> list[str]:
    """Options for values: files, of the chart or elsewhere, and what is set besides."""
    return [*(f"--values={CHART / file}" for file in files), *(f"--set={one}" for one in sets)]


async def objects(cluster: Cluster, namespace: str) -> list[Json]:
    """Those of the release, as it has them now. The hooks are not among them."""
    text = await helm(cluster, "get", "manifest", RELEASE, "--namespace", namespace)
    return [one for one in yaml.safe_load_all(text) if one]
