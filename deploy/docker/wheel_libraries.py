"""The licenses of the shared libraries that wheels bring along in their `….libs` folders. The wheels' own metadata do
not name them. Standard library only.

What this table says was read in the license files of each library's source. A library that it does not have is listed
without a license (`NOASSERTION`), and fails `tests/deploy/test_images.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

GPL = "GPL-2.0-or-later"
LICENSES = {
    # PyAV: FFmpeg and what it uses. This FFmpeg was built with --enable-version3.
    **dict.fromkeys(
        ("libavcodec", "libavdevice", "libavfilter", "libavformat", "libavutil", "libswresample", "libswscale"),
        "LGPL-3.0-or-later",
    ),
    "libx264": GPL,
    "libx265": GPL,
    "libSvtAv1Enc": "BSD-3-Clause-Clear",
    "libdav1d": "BSD-2-Clause",
    "libvpx": "BSD-3-Clause",
    "libopus": "BSD-3-Clause",
    "libmp3lame": "LGPL-2.0-or-later",
    "libopencore-amrnb": "Apache-2.0",
    "libopencore-amrwb": "Apache-2.0",
    "libwebp": "BSD-3-Clause",
    "libwebpmux": "BSD-3-Clause",
    "libsharpyuv": "BSD-3-Clause",
    "libvpl": "MIT",
    "libasound": "LGPL-2.1-or-later",
    "libdrm": "MIT",
    **dict.fromkeys(("libXau", "libxcb", "libxcb-shape", "libxcb-shm", "libxcb-xfixes"), "MIT"),
    "libgnutls": "LGPL-2.1-or-later",
    **dict.fromkeys(("libgmp", "libhogweed", "libnettle"), "LGPL-3.0-or-later OR GPL-2.0-or-later"),
    "libunistring": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    # numpy
    "libscipy_openblas64_": "BSD-3-Clause",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libquadmath": "LGPL-2.1-or-later",
    # google-crc32c
    "libcrc32c": "BSD-3-Clause",
}
_FILE = re.compile(r"(?P<name>lib.+?)(?:-[0-9a-f]{8,})+\.so(?:\.(?P<version>[0-9.]+))?")


def libraries(site_packages: Path) -> list[tuple[str, str, str, str]]:
    """(wheel, name, version of the interface or "", license) of each library, sorted."""
    found = []
    for folder in sorted(site_packages.glob("*.libs")):
        for path in sorted(folder.iterdir()):
            parts = _FILE.fullmatch(path.name)
            name = parts["name"] if parts else path.name
            version = (parts["version"] or "") if parts else ""
            found.append((folder.name.removesuffix(".libs"), name, version, LICENSES.get(name, "NOASSERTION")))
    return found
