"""What the tests need besides the project: browsers and other clients that play the stranger, Consul, Node packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from compilers import find_cargo, rust_packages
from machine import ROOT, VENV, apt, apt_hint, begin, digest, follow, run, stamp, stamped

TEST_TOOLS = {
    # what to look for: a program, or with a slash the file of a package that has none → Debian packages
    "chromium": ["chromium"],
    "firefox-esr": ["firefox-esr"],
    "node": ["nodejs"],
    "npm": ["npm"],
    "git": ["git"],
    "nginx": ["nginx-light"],
    "haproxy": ["haproxy"],
    "caddy": ["caddy"],
    "pebble": ["pebble"],
    "turnserver": ["coturn"],
    "ip": ["iproute2"],
    "nft": ["nftables"],
    "setpriv": ["util-linux"],
    "shellcheck": ["shellcheck"],
    "systemd-analyze": ["systemd"],
    "openssl": ["openssl"],
    "gst-launch-1.0": ["gstreamer1.0-tools", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"],
    "gstreamer-1.0/libgstwebrtc.so": ["gstreamer1.0-plugins-bad", "gir1.2-gst-plugins-bad-1.0"],
    "gstreamer-1.0/libgstx264.so": ["gstreamer1.0-plugins-ugly"],
    "gstreamer-1.0/libgstnice.so": ["gstreamer1.0-nice"],
    "gstreamer-1.0/libgstlibav.so": ["gstreamer1.0-libav"],
    "python3/dist-packages/gi/overrides/Gst.py": ["python3-gst-1.0"],
}


def is_there(tool: str) -> bool:
    if "/" not in tool:
        return shutil.which(tool) is not None
    return any((folder / tool).exists() for folder in (Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu*")))


FETCHED = {
    "getting Consul": "deploy/consul/get-consul",
    "getting helm": "deploy/helm/get-tools",
    "getting Prometheus": "deploy/prometheus/get-prometheus",
}
"""What is got by a script of its own, and by which."""
Begun = dict[str, subprocess.Popen[bytes]]


def begin_fetching() -> Begun:
    """Most of their minutes are spent waiting for the network, so they go on beside everything else."""
    return {what: begin(what, ["sh", "-c", f"exec {script} >/dev/null"]) for what, script in FETCHED.items()}


CLOUDS = "getting the tools for clouds"
CLOUDS_VENV = VENV / "clouds"
CLOUDS_LOCK = ROOT / "requirements/clouds.lock"


def begin_cloud_tools() -> subprocess.Popen[bytes] | None:
    """What looks at the templates for clouds has an environment of its own. None if it is there already. uv gets its
    120 packages at once, pip one after the other; where uv does not reach the index, pip does it."""
    if stamped("clouds", digest(CLOUDS_LOCK)) and CLOUDS_VENV.is_dir():
        return None
    python, first = f'"{CLOUDS_VENV}/bin/python"', f'"{CLOUDS_VENV}/uv.lock"'
    wanted = f'--require-hashes --only-binary :all: -r "{CLOUDS_LOCK}"'
    pip = f"{python} -m pip --disable-pip-version-check install --no-compile"
    steps = (
        f'"{sys.executable}" -m venv --clear "{CLOUDS_VENV}" && '
        f"sed -n '/^uv==/,/[^\\\\]$/p' \"{CLOUDS_LOCK}\" >{first} && {pip} --require-hashes -r {first} && "
        f"{{ {python} -m uv pip install --python {python} {wanted} || {pip} {wanted}; }}"
    )
    return begin(CLOUDS, ["nice", "sh", "-c", steps])


def ensure_test_tools(begun: Begun, clouds: subprocess.Popen[bytes] | None) -> None:
    """Browsers and other clients that play the stranger in the tests, and what was begun."""
    packages = [package for tool, names in TEST_TOOLS.items() if not is_there(tool) for package in names]
    if find_cargo() == Path("/usr/bin/cargo"):
        from_web = rust_packages()[0] == "rustc-web"
        if shutil.which("cargo-clippy") is None:
            packages.append("rust-web-clippy" if from_web else "rust-clippy")
        if shutil.which("rustfmt") is None:
            packages.append("rustfmt-web" if from_web else "rustfmt")
    if packages and not apt(packages):
        print(
            "setup: some tests will fail for want of tools; run: "
            + apt_hint(packages, "install " + " ".join(packages)),
            flush=True,
        )
    for folder in sorted(ROOT.glob("tests/*/package-lock.json")):
        ensure_node_packages(folder.parent)
    for what, process in begun.items():
        if not follow(what, process):
            print(f"setup: tests will fail for want of what {FETCHED[what]} gets", flush=True)
    if clouds and follow(CLOUDS, clouds):
        stamp("clouds", digest(CLOUDS_LOCK))
    elif clouds:
        print("setup: tests of the templates for clouds will fail", flush=True)


def ensure_node_packages(folder: Path) -> None:
    name, wanted = "npm-" + folder.name, digest(folder / "package-lock.json")
    if stamped(name, wanted) and (folder / "node_modules").is_dir():
        return
    if not run(
        "installing Node packages of tests/" + folder.name,
        ["npm", "ci", "--prefix", str(folder), "--no-fund", "--no-audit"],
    ):
        sys.exit(1)
    stamp(name, wanted)
