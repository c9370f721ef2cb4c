"""What a viewer went up to and had to leave again soon: it is tried again only where much more fits. No I/O, no clock.

A link whose rate lies between two renditions carries the larger one for a while: until a keyframe comes, or others use
the link. Trying again after some time would only show the viewer the same once more. So it is not the time that has to
pass, it is the room that has to have grown, by a share that grows with each relapse. The doubt ends when the rendition
has lasted, when it turns out that the link got far slower in that moment, so that it was no relapse, and after a long
time.
"""

from __future__ import annotations

MARGIN = 1.15
"""How much of what a rendition needs has to fit before a viewer goes up to it. A keyframe is such a moment's more."""
GROWTH = 1.25
"""The margin grows by this with each relapse."""
MOST_MARGIN = 2.25
LASTED_S = 60.0
"""Who stays so long has not relapsed."""
DOUBTED_S = 300.0
"""The time of doubt after the first relapse. It doubles with each further one."""
FAR_LESS = 0.65
"""A link that takes less than this share of what a rendition needs got slower: it is not between two renditions."""
MOST_OPTIONS = 32
"""More are forgotten, the oldest first."""

Key = tuple[str, int]
"""A rendition and its highest temporal layer."""


class Relapses:
    """Of one viewer's video."""

    def __init__(self) -> None:
        self._doubts: dict[Key, tuple[int, float, int]] = {}
        """How many relapses, until when they count, and what was needed in bit/s."""
        self._up: tuple[Key, float, int] | None = None

    def __len__(self) -> int:
        return len(self._doubts)

    def margin(self, key: Key, now: float) -> float:
        """How many times what it needs has to fit."""
        times, until, _ = self._doubts.get(key, (0, 0.0, 0))
        return min(MOST_MARGIN, MARGIN * GROWTH**times) if now < until else MARGIN

    def went_up(self, key: Key, needs_bps: int, now: float) -> None:
        """The viewer goes up to it."""
        self._up = (key, now, needs_bps)

    def went_down(self, now: float) -> None:
        """The viewer had to go down, from what it went up to the last time."""
        up, self._up = self._up, None
        if up is None or now - up[1] >= LASTED_S:
            return
        times = self._doubts.pop(up[0], (0, 0.0, 0))[0] + 1
        self._doubts[up[0]] = (times, now + DOUBTED_S * 2.0 ** (times - 1), up[2])
        for oldest in list(self._doubts)[:-MOST_OPTIONS]:
            del self._doubts[oldest]

    def stays(self, now: float) -> None:
        """Nothing has happened until now."""
        if self._up is not None and now - self._up[1] >= LASTED_S:
            self._doubts.pop(self._up[0], None)
            self._up = None

    def found_room(self, room_bps: int) -> None:
        """A try has shown how much the link takes."""
        for key, (_, _, needs_bps) in list(self._doubts.items()):
            if room_bps < needs_bps * FAR_LESS:
                del self._doubts[key]
