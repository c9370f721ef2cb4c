"""Builds the images, looks at what is in them, and writes their sizes down: `python -m scripts.images`. Needs Docker.

Each image is started without a network, with a file system that cannot be written, without capabilities and as the
user that it names. What is asked of it there is in `CHECK`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/benchmarks/images.md"
DOCKERFILE = "deploy/docker/Dockerfile"
KINDS = ("signaling", "origin", "edge", "license", "transcoder")
OTHERS = ("tools", "bench", "all")
ENCODES = frozenset(("transcoder", "bench", "all"))
"""These have FFmpeg, and with it x264 and x265."""
CHECK = r"""
import importlib.util, json, os, pathlib, shutil, subprocess, sys
compilers = [name for name in ("cc", "gcc", "g++", "c++", "clang", "rustc", "cargo", "make") if shutil.which(name)]
documents = pathlib.Path("/usr/share/doc/rillcast")
sbom = json.loads((documents / "sbom.cdx.json").read_text())
def names(components):
    for one in components:
        yield one["name"]
        yield from names(one.get("components", ()))
try:
    pathlib.Path("/opt/written").write_text("")
    writes = True
except OSError:
    writes = False
modules = [f"services.{kind}.app" for kind in sys.argv[1].split(",") if kind]
json.dump({
    "uid": os.getuid(), "gid": os.getgid(), "compilers": compilers, "writes": writes,
    "media": [name for name in ("av", "aiortc", "numpy") if importlib.util.find_spec(name)],
    "components": sorted(set(names(sbom["components"]))),
    "listed": sum(1 for _ in names(sbom["components"])),
    "notices": (documents / "THIRD-PARTY-NOTICES.txt").stat().st_size,
    "boringssl": "boringssl/LICENSE" in (documents / "THIRD-PARTY-NOTICES.txt").read_text(),
    "failed": [name for name in modules if subprocess.run([sys.executable, "-c", f"import {name}"]).returncode],
}, sys.stdout)
"""
LABELS = ("title", "description", "version", "revision", "source", "licenses")


def docker(*arguments: str) -> str:
    """What docker prints. Ends the run where it fails."""
    done = subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"docker {' '.join(arguments[:3])} …: {done.stderr.strip()[-2000:]}")
    return done.stdout


def name_of(target: str) -> str:
    """Where the image of a target is."""
    return f"rillcast-{target}:local"


def build(target: str, revision: str, source: str) -> None:
    """By the Dockerfile; shows what docker shows."""
    command = ["docker", "build", "-f", DOCKERFILE, "--target", target, "--build-arg", f"REVISION={revision}"]
    command += ["--build-arg", f"SOURCE={source}", "-t", name_of(target), "."]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"the image {target} was not built")


def looked_into(target: str) -> dict[str, Any]:
    """What `CHECK` says in a container of the image."""
    modules = target if target in KINDS else ",".join(KINDS) if target == "all" else ""
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    command = ["run", "--rm", "--network", "none", *hardened, "--entrypoint", "python", name_of(target)]
    found: dict[str, Any] = json.loads(docker(*command, "-c", CHECK, modules))
    return found


def faults(target: str, found: dict[str, Any], config: dict[str, Any], version: str) -> list[str]:
    """What is wrong with an image, in words."""
    labels = {name: config["Labels"].get(f"org.opencontainers.image.{name}") for name in LABELS}
    probe = (config.get("Healthcheck") or {}).get("Test", [])
    wished = {
        "it runs as user 10001 of group 10001": (found["uid"], found["gid"]) == (10001, 10001),
        f"it has no compiler: {found['compilers']}": not found["compilers"],
        "its file system cannot be written": not found["writes"],
        f"it has what encodes if it encodes: {found['media']}": bool(found["media"]) == (target in ENCODES),
        "its list names the crates": "boring-sys" in found["components"],
        "its list names the packages of Debian": "libc6" in found["components"],
        "its list names x264 if it is there": ("libx264" in found["components"]) == (target in ENCODES),
        "its notices have the license of BoringSSL": found["boringssl"],
        f"what it runs can be imported: {found['failed']}": not found["failed"],
        f"each label is there: {labels}": all(value is not None for value in labels.values()),
        f"its version is {version}": labels["version"] == version,
        "its license names the GPL if it has x264": ("GPL" in (labels["licenses"] or "")) == (target in ENCODES),
        f"it is asked for its health if it is a node: {probe}": (probe[:1] == ["CMD"]) == (target in (*KINDS, "all")),
    }
    return [sentence for sentence, true in wished.items() if not true]


def sizes(target: str) -> tuple[int, int]:
    """(bytes of the image, bytes of them beyond the image of Python that it is made of)."""
    layers = json.loads(docker("image", "inspect", name_of(target)))[0]
    base = json.loads(docker("image", "inspect", base_of()))[0]
    return layers["Size"], layers["Size"] - base["Size"]


def base_of() -> str:
    """The image that those of the nodes begin with."""
    text = (ROOT / DOCKERFILE).read_text()
    return text.partition(" AS node\n")[0].rpartition("FROM ")[2].strip()


def page(rows: list[tuple[str, int, int, dict[str, Any]]], machine: str) -> str:
    """The page with the figures."""
    lines = [
        "# Sizes of the images",
        "",
        f"Written by `python -m scripts.images --write` ({machine}).",
        "",
        "Megabytes (10⁶ bytes), uncompressed, as `docker images` counts them. *Own* is what an image has beyond",
        f"`{base_of()}`, whose size depends on who made it. Layers that several images share are on a",
        "machine once. *Listed* is how many components its list of parts has.",
        "",
        "| image | all, MB | own, MB | listed | has FFmpeg |",
        "|---|---:|---:|---:|---|",
    ]
    for target, whole, own, found in rows:
        media = "yes" if found["media"] else "no"
        lines.append(f"| `{target}` | {whole / 1e6:.0f} | {own / 1e6:.0f} | {found['listed']} | {media} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Build, look, write; exit code 1 when an image is not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", default=[*KINDS, *OTHERS], help="default: all")
    parser.add_argument("--no-build", action="store_true", help="take the images that there are")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--source", default="", help="the address of the source, for the label")
    wishes = parser.parse_args()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    revision = asked.stdout.strip() or "unknown"
    rows, wrong = [], []
    for target in wishes.targets:
        if not wishes.no_build:
            build(target, revision, wishes.source)
        config = json.loads(docker("image", "inspect", name_of(target)))[0]["Config"]
        found = looked_into(target)
        wrong += [f"{target}: not so: {sentence}" for sentence in faults(target, found, config, version)]
        rows.append((target, *sizes(target), found))
    machine = docker("version", "--format", "Docker {{.Server.Version}}, {{.Server.Os}}/{{.Server.Arch}}").strip()
    made = page(rows, machine)
    print(made, end="")
    if wishes.write:
        PAGE.write_text(made)
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
