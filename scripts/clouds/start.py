"""What a fresh machine does first, on both clouds: it says what it is, and takes the rest out of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNPACK = (
    'docker run --rm --network none --read-only --entrypoint tar "$image" -C /opt/rillcast/clouds -c . '
    "| tar -x --no-same-owner -C /opt/rillcast"
)


def script(said: Mapping[str, str], install: Sequence[str], login: str) -> str:
    """A shell script. `said`: machine.env, which holds no secret. `install`: gets docker, again and again
    while the network is not there. `login`: proves to the
    registry of `$image` who asks, where it has to."""
    lines = [
        "#!/bin/bash",
        "set -euo pipefail",
        'again() { for _ in $(seq 60); do if "$@"; then return; fi; sleep 10; done; return 1; }',
        "mkdir -p /etc/rillcast /opt/rillcast",
        "cat >/etc/rillcast/machine.env <<'END'",
        *(f"{name}={value}" for name, value in said.items()),
        "END",
        *install,
        "systemctl enable --now docker",
        "image=$(sed -n 's/^IMAGE=//p' /etc/rillcast/machine.env)",
        login,
        'again docker pull --quiet "$image"',
        UNPACK,
        "exec /opt/rillcast/boot",
    ]
    return "\n".join(lines) + "\n"
