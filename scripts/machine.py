"""What the set-up does to this machine: run commands with progress, install packages, remember what is done."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = VENV / "rillcast"
LOGS = ROOT / ".run" / "setup"
LONGEST_NAME = 80


def die(message: str) -> NoReturn:
    """Ends with one line that says what to do."""
    sys.exit("setup: " + message)


def log_of(what: str) -> Path:
    """Its name is what is done, so far as names of files may be long (255 bytes): a list of packages is longer."""
    name = re.sub(r"[^a-z]+", "-", what.lower()).strip("-")
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"
    return LOGS / f"{name}.log"


def begin(what: str, command: list[str], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts a command, its output in a log. It ends with this program, whatever ends that."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with log_of(what).open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    atexit.register(process.terminate)
    return process


def run(what: str, command: list[str], env: dict[str, str] | None = None, hint: str = "") -> bool:
    """Runs a command; False if it fails. `hint` is shown first."""
    return follow(what, begin(what, command, env), hint)


def follow(what: str, process: subprocess.Popen[bytes], hint: str = "") -> bool:
    """Waits for what was begun, with a moving line on a terminal. False if it fails, after the end of its log."""
    log = log_of(what)
    start = last_line = time.monotonic()
    terminal = sys.stdout.isatty()
    if hint or not terminal:
        print(f"setup: {what}{hint}", flush=True)
    try:
        while process.poll() is None:
            time.sleep(0.1)
            now = time.monotonic()
            if terminal:
                text = f"setup: {what} … {now - start:.0f} s  {last_output(log)}"
                print("\r\033[K" + text[: shutil.get_terminal_size().columns - 1], end="", flush=True)
            elif now - last_line > 20:
                last_line = now
                print(f"setup: {what} … {now - start:.0f} s  {last_output(log)}", flush=True)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        die("stopped")
    if terminal:
        print("\r\033[K", end="")
    if process.returncode == 0:
        print(f"setup: {what}: done in {time.monotonic() - start:.0f} s", flush=True)
        return True
    print(f"setup: {what} failed; the end of {log.relative_to(ROOT)}:", file=sys.stderr)
    print("".join("    " + line + "\n" for line in tail(log, 25)), end="", file=sys.stderr, flush=True)
    return False


def tail(log: Path, lines: int) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-lines:]


def last_output(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 400))
        lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", file.read().decode(errors="replace")))
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def may_install() -> bool:
    return not os.environ.get("RILLCAST_NO_INSTALL")


def apt(packages: list[str]) -> bool:
    """Installs Debian packages; False where this is not possible (no root, no apt, unknown package)."""
    if not (may_install() and os.geteuid() == 0 and shutil.which("apt-get")):
        return False
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    what = "installing " + " ".join(packages)
    if not any(Path("/var/lib/apt/lists").glob("*Packages*")):
        run("updating package lists", ["apt-get", "update"], env)
        return run(what, install, env)
    return run(what, install, env) or (
        run("updating package lists", ["apt-get", "update"], env) and run(what, install, env)
    )


def apt_hint(packages: list[str], otherwise: str) -> str:
    return "sudo apt-get install -y " + " ".join(packages) if shutil.which("apt-get") else otherwise


def stamped(name: str, value: str) -> bool:
    stamp = STAMPS / name
    return stamp.is_file() and stamp.read_text() == value


def stamp(name: str, value: str) -> None:
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / name).write_text(value)


def digest(*paths: Path) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
