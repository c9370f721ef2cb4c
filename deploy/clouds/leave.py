"""Drains the node on this machine when the cloud is about to take the machine away, and lets it go then.

AWS: the group waits at its lifecycle hook. Azure: a scheduled event, such as the terminate notification of a scale set.
"""

from __future__ import annotations

import subprocess
import time
from typing import Protocol

from metadata import CloudFault, Notice, cloud, machine_env

LOOK_EVERY_S = 5.0
"""Azure answers the first such question only after minutes, and the later ones at once."""


class Leaving(Protocol):
    """What a cloud says, and is told."""

    def notice(self) -> Notice | None:
        """Raises CloudFault."""
        ...

    def done(self, notice: Notice) -> None:
        """Raises CloudFault."""
        ...


class Unit:
    """The node on this machine."""

    def stop(self) -> None:
        """Drain it and wait until it has ended."""
        subprocess.run(["systemctl", "stop", "rillcast.service"], check=False)

    def start(self) -> None:
        """It takes work again."""
        subprocess.run(["systemctl", "start", "--no-block", "rillcast.service"], check=False)


class Watch:
    """One machine. Call `look` every few seconds."""

    def __init__(self, cloud: Leaving, unit: Unit) -> None:
        self._cloud = cloud
        self._unit = unit
        self._left: Notice | None = None
        """For which notice the node was drained."""
        self._told = False

    def look(self) -> None:
        """Drain for a new notice, and say so. When a notice is taken back, start the node again. A question without an
        answer changes nothing."""
        try:
            notice = self._cloud.notice()
            if notice is None and self._left is not None:
                say("the notice is gone: the node starts again")
                self._left = None
                self._unit.start()
            elif notice is not None and notice != self._left:
                say(f"{notice.what}: draining")
                self._unit.stop()
                say("the node has ended")
                self._left, self._told = notice, False
            if self._left is not None and not self._told:
                self._cloud.done(self._left)
                self._told = True
                say("the cloud may take the machine")
        except CloudFault as error:
            say(f"asked again in {LOOK_EVERY_S:.0f} s: {error}")


def say(text: str) -> None:
    """A line for the journal."""
    print(text, flush=True)


def main() -> None:
    """Never returns."""
    watch = Watch(cloud(machine_env()), Unit())
    while True:
        watch.look()
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main()
