"""`rillcast up` of some state of the code, with its bus in the clear or by TLS, whatever that state does by itself, and
perhaps with its nodes under a profiler, or without telemetry.

    python tests/bench/changed_up.py [--bus clear|tls --certificate PEM --authority PEM] [--profiles FOLDER] [--muted]
        [--set VARIABLE=VALUE]... -- OPTIONS

Run by its file, in the folder of the code, with the options of `rillcast up`. The certificate (with its key) and the
authority are for a state that makes none. What is changed is the configuration of NATS that `rillcast up` writes, and
what it tells its nodes.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

_TLS_BLOCK = re.compile(r"^tls \{\n(?:.*\n)*?\}\n", re.MULTILINE)
_URL, _CA = "NATS_URL", "NATS_CA"
_MUTED = str(Path(__file__).with_name("muted_service.py"))
_PROFILED = str(Path(__file__).with_name("profiled_service.py"))


def configured(text: str, certificate: str, *, tls: bool) -> str:
    """The server's configuration. Its own block for TLS stays."""
    if not tls:
        return _TLS_BLOCK.sub("", text)
    if _TLS_BLOCK.search(text):
        return text
    block = f'tls {{\n  cert_file: "{certificate}"\n  key_file: "{certificate}"\n  min_version: "1.3"\n}}\n'
    return block + text


def told(env: Mapping[str, str], authority: str, *, tls: bool) -> dict[str, str]:
    """The settings of a node. An authority of its own stays."""
    changed = dict(env)
    for name in [name for name in env if name.endswith(_URL)]:
        ca = name.removesuffix(_URL) + _CA
        changed[name] = re.sub(r"\b(nats|tls)://", "tls://" if tls else "nats://", env[name])
        changed[ca] = (env.get(ca) or authority) if tls else ""
    return changed


def profiled(name: str, argv: tuple[str, ...], folder: str) -> tuple[str, ...]:
    """How a node is started under a profiler, which leaves its figures in the folder under the node's name."""
    python, option, module, *rest = argv
    if option != "-m":
        raise ValueError(f"no module is started by {argv}")
    return (python, _PROFILED, str(Path(folder) / name), module, *rest)


def muted(argv: tuple[str, ...]) -> tuple[str, ...]:
    """How a node is started that tells nothing of itself."""
    python, option, module, *rest = argv
    if option != "-m":
        raise ValueError(f"no module is started by {argv}")
    return (python, _MUTED, module, *rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bus", choices=("clear", "tls"))
    parser.add_argument("--certificate", default="")
    parser.add_argument("--authority", default="")
    parser.add_argument("--profiles", default="")
    parser.add_argument("--muted", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("up", nargs="*")
    wanted = parser.parse_args()
    os.environ |= dict(setting.split("=", 1) for setting in wanted.set)
    sys.path.insert(0, os.getcwd())
    from rillcast.cli import up

    changed: Any = up
    nats_config, services = changed.nats_config, changed.services
    tls = wanted.bus == "tls"

    def config(*arguments: Any, **named: Any) -> str:
        text: str = nats_config(*arguments, **named)
        return configured(text, wanted.certificate, tls=tls) if wanted.bus else text

    def spec_of(spec: Any) -> Any:
        env = told(spec.env, wanted.authority, tls=tls) if wanted.bus else spec.env
        argv = profiled(spec.name, spec.argv, wanted.profiles) if wanted.profiles else spec.argv
        argv = muted(argv) if wanted.muted else argv
        return replace(spec, env=env, argv=argv)

    changed.nats_config = config
    changed.services = lambda *arguments, **named: [spec_of(spec) for spec in services(*arguments, **named)]
    sys.argv = ["rillcast", "up", *wanted.up]
    runpy.run_module("rillcast.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
