#!/usr/bin/env python3
"""Makes this clone runnable: .venv from the lock file, a Rust and a C++ compiler, the native module in release mode.

Does nothing that is done already. `--dev` adds what the tests need. Standard library only; installs system packages
only as root with apt, and Rust by rustup where apt has none that is new enough. RILLCAST_NO_INSTALL=1 forbids both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from compilers import ensure_cargo, ensure_compiler, native_env
from machine import ROOT, VENV, apt, apt_hint, die, digest, run, stamp, stamped
from test_tools import begin_cloud_tools, begin_fetching, ensure_test_tools

MIN_PYTHON = (3, 11)
EXTENSIONS = {
    "rillcast_native": ("plane-py", "the media plane"),
    "rillcast_load_native": ("load-py", "the load generator"),
}
"""Crate and name of each native module. Nodes load the first only, `rillcast bench` the second."""
WHEELS = ["--only-binary", ":all:", "--no-binary", "nkeys"]
"""Nothing is compiled; nkeys, pure Python, is published as source only."""


def ensure_venv() -> Path:
    """The environment's Python; made anew when its base Python is gone or too old."""
    python = VENV / "bin" / "python"
    if python.exists():
        check = f"import sys; sys.exit(sys.version_info < {MIN_PYTHON})"
        if subprocess.run([str(python), "-c", check], check=False).returncode == 0:
            return python
    if subprocess.run(
        [sys.executable, "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL, check=False
    ).returncode:
        packages = [f"python{sys.version_info.major}.{sys.version_info.minor}-venv"]
        if not apt(packages):
            die(
                "this Python cannot make virtual environments; run: "
                + apt_hint(packages, "install the venv package of your Python")
            )
    if not run("making .venv", [sys.executable, "-m", "venv", "--clear", str(VENV)]):
        sys.exit(1)
    return python


def ensure_packages(python: Path, dev: bool) -> None:
    """Exactly what the lock files say, by hash, and this clone itself."""
    run_locks = [ROOT / "requirements/runtime.lock", ROOT / "requirements/build.lock"]
    dev_locks = [ROOT / "requirements/dev.lock"]
    wanted = {True: digest(ROOT / "pyproject.toml", *dev_locks), False: digest(ROOT / "pyproject.toml", *run_locks)}
    if stamped("packages", wanted[True]) or (not dev and stamped("packages", wanted[False])):
        return
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    locks = [argument for lock in (dev_locks if dev else run_locks) for argument in ("-r", str(lock))]
    if not run("installing Python packages", [*pip, "--require-hashes", *WHEELS, *locks]):
        sys.exit(1)
    if not run("linking rillcast into .venv", [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]):
        sys.exit(1)
    stamp("packages", wanted[dev])


def native_digest() -> str:
    sources = [
        path
        for path in sorted((ROOT / "native").glob("crates/**/*"))
        if path.suffix in {".rs", ".toml"} and path.is_file()
    ]
    return digest(ROOT / "native/Cargo.toml", ROOT / "native/Cargo.lock", *sources)


def ensure_native() -> None:
    """Builds and installs the media plane and the load generator when their sources changed since the last time."""
    wanted = native_digest()
    built = all(any(VENV.glob(f"lib/python3*/site-packages/{module}*")) for module in EXTENSIONS)
    if built and stamped("native", wanted):
        return
    cargo = ensure_cargo()
    ensure_compiler()
    hint = "" if (ROOT / "native/target/release").exists() else ", which takes some minutes the first time"
    for crate, what in EXTENSIONS.values():
        manifest = ROOT / "native/crates" / crate / "Cargo.toml"
        command = [str(VENV / "bin/maturin"), "develop", "--release", "--locked", "--manifest-path", str(manifest)]
        if not run(f"building {what}", command, native_env(cargo), hint):
            sys.exit(1)
    stamp("native", wanted)


def print_env() -> None:
    """Shell lines for whoever calls cargo by hand: eval "$(scripts/setup.py --env)"."""
    env = native_env(ensure_cargo())
    for name in ("PATH", "VIRTUAL_ENV", "LIBCLANG_PATH", "BINDGEN_EXTRA_CLANG_ARGS"):
        if name in env:
            print(f'export {name}="{env[name]}"')


def main() -> None:
    if sys.version_info < MIN_PYTHON:
        wanted, here = (".".join(map(str, version[:2])) for version in (MIN_PYTHON, sys.version_info))
        die(f"needs Python {wanted} or newer, this is {here}; run: make PYTHON=/path/to/a/newer/python3")
    if sys.platform != "linux":
        die("runs on Linux only; elsewhere use: docker compose up --build")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    parser.add_argument("--env", action="store_true", help="print the environment in which cargo can build native/")
    arguments = parser.parse_args()
    if arguments.env:
        print_env()
        return
    begun = begin_fetching() if arguments.dev else None
    python = ensure_venv()
    clouds = begin_cloud_tools() if arguments.dev else None
    ensure_packages(python, arguments.dev)
    ensure_native()
    if begun is not None:
        ensure_test_tools(begun, clouds)


if __name__ == "__main__":
    main()
