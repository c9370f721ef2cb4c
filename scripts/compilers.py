"""Finds, or gets, what compiles native/: Rust, a C++ compiler, make."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from machine import VENV, apt, apt_hint, die, may_install, run

MIN_RUST = (1, 85)
RUSTUP = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --no-modify-path"
CPLUSPLUS = ("c++", "g++", "clang++")


def rust_version(cargo: Path) -> tuple[int, int]:
    """(0, 0) when it does not run, e.g. a rustup shim without a toolchain."""
    env = dict(os.environ, PATH=f"{cargo.parent}:{os.environ.get('PATH', '')}")
    try:
        out = subprocess.run(
            [str(cargo.parent / "rustc"), "--version"], env=env, capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return (0, 0)
    found = re.match(r"rustc (\d+)\.(\d+)", out)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def find_cargo() -> Path | None:
    """A cargo with a rustc beside it that is new enough."""
    places = [shutil.which("cargo"), str(Path.home() / ".cargo/bin/cargo"), "/usr/bin/cargo"]
    for place in places:
        if place and Path(place).exists() and rust_version(Path(place)) >= MIN_RUST:
            return Path(place)
    return None


def rust_packages() -> list[str]:
    """Debian 12 ships a current Rust beside its old one."""
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    if re.search(r"^ID=debian$", release, re.M) and re.search(r'^VERSION_ID="?12', release, re.M):
        return ["rustc-web", "cargo-web"]
    return ["rustc", "cargo"]


def ensure_cargo() -> Path:
    cargo = find_cargo()
    if cargo is None and apt(rust_packages()):
        cargo = find_cargo()
    if (
        cargo is None
        and may_install()
        and shutil.which("curl")
        and run("installing Rust with rustup", ["sh", "-c", RUSTUP])
    ):
        cargo = find_cargo()
    if cargo is None:
        die(f"needs Rust {MIN_RUST[0]}.{MIN_RUST[1]} or newer and found none; run: {RUSTUP}")
    return cargo


def ensure_compiler() -> None:
    """BoringSSL is C++, its cmake drives make, and its crate patches it with git."""
    needed = {"g++": CPLUSPLUS, "make": ("make",), "git": ("git",)}
    missing = [package for package, tools in needed.items() if not any(map(shutil.which, tools))]
    if missing and not apt(missing):
        hint = apt_hint(missing, "install it with your system's package manager")
        die(f"needs {' and '.join(missing)}; run: {hint}")


def native_env(cargo: Path) -> dict[str, str]:
    """What cargo needs to build BoringSSL: cmake and libclang come from the environment, clang's headers from gcc."""
    clang = next(VENV.glob("lib/python3*/site-packages/clang/native"), None)
    env = dict(os.environ, VIRTUAL_ENV=str(VENV), PATH=f"{VENV}/bin:{cargo.parent}:{os.environ.get('PATH', '')}")
    env.pop("PYTHONHOME", None)
    if clang is not None:
        env["LIBCLANG_PATH"] = str(clang)
    if shutil.which("gcc"):
        include = subprocess.run(
            ["gcc", "-print-file-name=include"], capture_output=True, text=True, check=False
        ).stdout.strip()
        env.setdefault("BINDGEN_EXTRA_CLANG_ARGS", "-I" + include)
    return env
