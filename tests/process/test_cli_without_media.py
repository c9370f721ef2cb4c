"""The command line where nothing is installed that encodes: as in the images of nodes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from rillcast.cli.main import NO_BENCH, OF_BENCH
from rillcast.testing.eventually import within

ROOT = Path(__file__).parents[2]
WITHOUT = f"""
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {set(OF_BENCH)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from rillcast.cli.main import main
main()
"""


async def ran(*argv: str) -> tuple[int, str, str]:
    """(exit code, output, errors) of `rillcast` with these words."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WITHOUT, *argv),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with within(60, "the end of the process"):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_what_needs_no_encoder_works() -> None:
    code, out, err = await ran("--help")

    assert (code, err) == (0, "")
    assert "drain" in out
    assert "bench" in out


@pytest.mark.parametrize("words", [["bench"], ["bench", "viewers", "http://a.example", "-n", "3"]])
async def test_the_load_generator_says_where_it_is(words: list[str]) -> None:
    code, out, err = await ran(*words)

    assert code == 1
    assert NO_BENCH in " ".join((out + err).split())
    assert "Traceback" not in err


async def test_nodes_that_do_not_encode_are_imported() -> None:
    code = WITHOUT.replace(
        "from rillcast.cli.main import main\nmain()",
        "import services.edge.app, services.license.app, services.origin.app, services.signaling.app",
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    async with within(60, "the end of the process"):
        _, err = await process.communicate()

    assert (process.returncode, err.decode()) == (0, "")
