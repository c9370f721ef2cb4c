"""Writes down what is installed in an image: `sbom.cdx.json` (CycloneDX 1.6) and `THIRD-PARTY-NOTICES.txt`.

Usage: inventory.py PYTHON NOTICES_OF_CRATES FOLDER. PYTHON is that of the environment in the image; the packages of
Debian are those of the system that this runs in. Only the Dockerfile calls it, with `requirements/images.lock`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wheel_libraries import libraries

Component = dict[str, Any]
SPEC = "1.6"
KEPT = ("type", "name", "version", "purl", "licenses", "hashes", "description")
"""What is taken over from the lists that wheels bring along. Their references and places are other machines'."""
LINE = "=" * 80
HEAD = """What this image has from others, with its licenses. sbom.cdx.json beside this file is the same for machines.
Packages of Debian have theirs in /usr/share/doc/*/copyright, and Python in /usr/local/lib/python3*/LICENSE.txt.
Rillcast itself is under the license in the file LICENSE.
"""


def site_packages(python: Path) -> Path:
    """Where the environment has its packages."""
    code = "import sysconfig; print(sysconfig.get_paths()['platlib'])"
    return Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def python_components(python: Path) -> dict[str, Any]:
    """The document of cyclonedx-py about the environment."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    options = ("--spec-version", SPEC, "--output-reproducible", "--output-format", "JSON")
    command = [str(tool), "environment", *options, str(python)]
    document: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return document


def embedded(package: Path) -> Iterator[Component]:
    """What a wheel itself lists of its inside (PEP 770): crates, libraries of other systems."""
    for path in sorted(package.glob("sboms/*.json")):
        for component in json.loads(path.read_text()).get("components", ()):
            kept = {key: component[key] for key in KEPT if key in component}
            if "purl" in kept:
                kept["purl"] = re.sub(r"[?&](?:download_url|vcs_url)=file:[^&#]*", "", kept["purl"]).partition("#")[0]
            yield kept


def debian_components(status: str, release: str) -> list[Component]:
    """Of dpkg's file `status`. `release`: as in ``VERSION_ID`` of os-release."""
    found = []
    for text in status.strip().split("\n\n"):
        fields = HeaderParser().parsestr(text)
        if fields["Status"] == "install ok installed":
            name, version, machine = fields["Package"], fields["Version"], fields["Architecture"]
            written = f"{quote(name, safe='')}@{quote(version, safe='')}"
            purl = f"pkg:deb/debian/{written}?arch={machine}&distro=debian-{release}"
            found.append({"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl})
    return found


def document(python: Path) -> dict[str, Any]:
    """Everything in one list. What is inside of a wheel is inside of its component."""
    made, where = python_components(python), site_packages(python)
    by_name = {_normal(component["name"]): component for component in made["components"]}
    for package in sorted(where.glob("*.dist-info")):
        owner = by_name.get(_normal(package.name.split("-")[0]))
        inside = list(embedded(package)) if owner is not None else []
        if owner is not None and inside:
            owner["components"] = _once([one for one in inside if _normal(one["name"]) != _normal(owner["name"])])
    for wheel, name, version, license_ in libraries(where):
        one: Component = {"type": "library", "name": name, "licenses": [{"expression": license_}]}
        if license_ == "NOASSERTION":
            print(f"no license is known of {name}, which the wheel {wheel} brings along", file=sys.stderr)
            del one["licenses"]
        if version:
            one["version"] = version
        by_name[_normal(wheel)].setdefault("components", []).append(one)
    release = re.search(r'^VERSION_ID="?([^"\n]+)', Path("/etc/os-release").read_text(), re.M)
    made["components"] += debian_components(
        Path("/var/lib/dpkg/status").read_text(), release[1] if release is not None else ""
    )
    made["components"].append(_interpreter(python))
    return made


def _once(components: list[Component]) -> list[Component]:
    return list({json.dumps(one, sort_keys=True): one for one in components}.values())


def _normal(name: str) -> str:
    """A name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _interpreter(python: Path) -> Component:
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    licenses = [{"license": {"id": "PSF-2.0"}}]
    return {"type": "application", "name": "cpython", "version": version, "licenses": licenses, "bom-ref": "cpython"}


def python_notices(where: Path) -> Iterator[str]:
    """For each package: its name, its license and the texts that came with it."""
    for package in sorted(where.glob("*.dist-info"), key=lambda path: path.name.lower()):
        fields = HeaderParser().parsestr((package / "METADATA").read_text(errors="replace"))
        stated = fields["License-Expression"] or (fields["License"] or "").strip().partition("\n")[0]
        classes = [one.rpartition(" :: ")[2] for one in fields.get_all("Classifier", ()) if one.startswith("License")]
        yield f"{LINE}\n{fields['Name']} {fields['Version']}: {stated or ', '.join(classes) or 'see its text'}\n"
        names = [path for path in sorted(package.rglob("*")) if re.match(r"(?i)licen[cs]e|copying|notice", path.name)]
        for path in (path for path in names if path.is_file() and path.suffix not in {".py", ".pyc"}):
            yield f"{'-' * 80}\n{path.name}\n\n{path.read_text(errors='replace').strip()}\n"


def notices(python: Path, crates: Path) -> str:
    """The whole text."""
    where = site_packages(python)
    parts = [HEAD]
    if bundled := libraries(where):
        lines = [f"{wheel}: {name} {version}: {license_}" for wheel, name, version, license_ in bundled]
        parts.append(f"{LINE}\nLibraries that wheels bring along\n\n" + "\n".join(lines) + "\n")
    parts += python_notices(where)
    for path in sorted(crates.glob("*.txt")):
        if list(where.glob(f"{path.stem}-*.dist-info")):
            parts.append(f"{LINE}\nCrates that are linked into {path.stem}\n\n{path.read_text()}")
    return "\n".join(parts)


def checked(made: dict[str, Any]) -> str:
    """The document as text, after it was held against the schema."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = json.dumps(made, indent=1, sort_keys=True)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        sys.exit(f"the list of what is in the image is no CycloneDX {SPEC}: {str(fault)[:1000]}")
    return text + "\n"


def main(python: Path, crates: Path, folder: Path) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sbom.cdx.json").write_text(checked(document(python)))
    (folder / "THIRD-PARTY-NOTICES.txt").write_text(notices(python, crates))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: inventory.py PYTHON NOTICES_OF_CRATES FOLDER")
    main(*map(Path, sys.argv[1:]))
