"""Looks for inputs that break what reads bytes from the network: every target of native/fuzz, one after the other.

SECONDS for each target (default 60). A stable compiler is enough. What is found lies in native/fuzz/artifacts. With
``--keep`` the inputs that reach something new are kept in native/fuzz/corpus, from where ``cargo test`` replays them.
With ``--fast`` there is no AddressSanitizer: only panics, overflows and hangs are found, in several times as many runs.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FUZZ = ROOT / "native/fuzz"
WORK = ROOT / "native/target/fuzz"
TRIPLE = "x86_64-unknown-linux-gnu"
COVERAGE = ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")
FLAGS = (
    "-Cpasses=sancov-module",
    *(f"-Cllvm-args=-sanitizer-coverage-{what}" for what in COVERAGE),
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    *("-Cdebug-assertions", "-Ccodegen-units=1", "--cfg=fuzzing"),
)
"""What `cargo fuzz` sets as well, besides the sanitizer."""
SANITIZER = "-Zsanitizer=address"
MOST_KEPT_BYTES = 150_000
"""Of one target's corpus; the shortest inputs stay."""
MOST_MEMORY_MB = 2_048
LONGEST_INPUT_S = 20


def targets() -> list[str]:
    """All of them, by name."""
    return sorted(path.stem for path in (FUZZ / "fuzz_targets").glob("*.rs"))


def built_in(fast: bool) -> Path:
    """Where cargo puts the fuzzers."""
    return WORK / ("fast" if fast else "target")


def environment(fast: bool) -> dict[str, str]:
    """For cargo. BoringSSL is taken from the product's own build, if there is one: building it takes minutes."""
    flags = " ".join(FLAGS if fast else (*FLAGS, SANITIZER))
    found = dict(os.environ, RUSTC_BOOTSTRAP="1", RUSTFLAGS=flags, CARGO_TARGET_DIR=str(built_in(fast)))
    made = sorted((ROOT / "native/target/release/build").glob("boring-sys-*/out/build/libcrypto.a"))
    if made:
        boring = WORK / "boringssl"
        shutil.rmtree(boring, ignore_errors=True)
        (boring / "lib").mkdir(parents=True)
        for library in ("libcrypto.a", "libssl.a"):
            shutil.copy(made[0].with_name(library), boring / "lib")
        shutil.copytree(made[0].parents[1] / "boringssl/include", boring / "include")
        found |= {"BORING_BSSL_PATH": str(boring), "BORING_BSSL_INCLUDE_PATH": str(boring / "include")}
    return found


def build(fast: bool) -> None:
    """Compile all targets."""
    command = ["cargo", "build", "--release", "--locked", "--bins", "--target", TRIPLE]
    subprocess.run(command, cwd=FUZZ, env=environment(fast), check=True)


def corpus_file(target: str) -> Path:
    """Where the inputs of a target are kept, one in base64 per line."""
    return FUZZ / "corpus" / f"{target}.txt"


def unpacked(target: str) -> Path:
    """A folder with the kept inputs and those of earlier runs here."""
    folder = WORK / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    if corpus_file(target).exists():
        for number, line in enumerate(corpus_file(target).read_text().splitlines()):
            (folder / f"kept-{number}").write_bytes(base64.b64decode(line))
    return folder


def run(target: str, fast: bool, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The fuzzer of a target; its report is on standard error."""
    command = [str(built_in(fast) / TRIPLE / "release" / target), *arguments]
    return subprocess.run(command, cwd=FUZZ, stderr=subprocess.PIPE, text=True, errors="replace", check=False)


def search(target: str, seconds: int, fast: bool) -> bool:
    """Let a target run. Returns whether it held."""
    artifacts = FUZZ / "artifacts" / target
    artifacts.mkdir(parents=True, exist_ok=True)
    limits = (f"-max_total_time={seconds}", f"-rss_limit_mb={MOST_MEMORY_MB}", f"-timeout={LONGEST_INPUT_S}")
    done = run(target, fast, *limits, "-print_final_stats=1", f"-artifact_prefix={artifacts}/", str(unpacked(target)))
    executed = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    held = done.returncode == 0
    print(f"{target:8} {int(executed[1]) if executed else 0:12,} runs  {'held' if held else 'BROKEN'}", flush=True)
    if not held:
        print(done.stderr[-4_000:])
    return held


def keep(target: str, fast: bool) -> None:
    """Write the inputs that together reach everything reached so far into the repository, the shortest first."""
    merged = WORK / "merged" / target
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    run(target, fast, "-merge=1", str(merged), str(unpacked(target))).check_returncode()
    kept, room = [], MOST_KEPT_BYTES
    for data in sorted((path.read_bytes() for path in merged.iterdir()), key=lambda d: (len(d), d)):
        line = base64.b64encode(data).decode()
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(f"{line}\n")
    corpus_file(target).parent.mkdir(exist_ok=True)
    corpus_file(target).write_text("".join(kept))


def main() -> int:
    """Exit code 1 when a target was broken."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("seconds", nargs="?", type=int, default=60)
    reader.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(targets())}; all if none is named")
    reader.add_argument("--keep", action="store_true")
    reader.add_argument("--fast", action="store_true")
    asked = reader.parse_args()
    wanted: list[str] = asked.targets or targets()
    if unknown := set(wanted) - set(targets()):
        reader.error(f"there is no target {', '.join(sorted(unknown))}")
    build(asked.fast)
    held = [search(target, asked.seconds, asked.fast) for target in wanted]
    if asked.keep:
        for target in wanted:
            keep(target, asked.fast)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
