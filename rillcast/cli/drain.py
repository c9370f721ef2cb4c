"""`rillcast drain`: empty a node, and show how far it is until it is empty."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.fitting_table import printable
from rillcast.cli.operators import Operator, asking
from rillcast.client import Client, NotFound, Refused, Unreachable
from rillcast.client.shapes import DrainShare, NodeDrain
from rillcast.contracts.messages.drains import MOST_DEADLINE_S
from rillcast.contracts.words import DrainPhase

POLL_S = 0.5
PATIENCE_S = 30.0
"""How long an instance of signaling may be away before we stop asking. The drain goes on without it."""
SOME_CUT = 3
"""The exit code when somebody was cut off."""
NODE_DIED = 4
"""The exit code when the node ended before it was empty."""
INTERRUPTED = 130
"""The exit code after Ctrl-C, as of a shell."""
_SORTS = ("viewers", "publishers", "relays", "jobs")


def shares(drain: NodeDrain) -> list[tuple[str, DrainShare]]:
    """Of what there was any, with its name."""
    named = [(name, getattr(drain, name)) for name in _SORTS]
    return [(name, share) for name, share in named if share.began]


def over(drain: NodeDrain) -> bool:
    """Whether nobody is left."""
    return drain.phase in (DrainPhase.DRAINED, DrainPhase.CUT)


@dataclass(frozen=True)
class Wish:
    """What is asked of the node."""

    node: str
    deadline_s: int | None = None
    now: bool = False
    undo: bool = False

    def check(self) -> None:
        """Raises WrongUse for what contradicts itself, or makes no sense."""
        if self.undo and (self.now or self.deadline_s is not None):
            raise WrongUse("--undo takes a drain back: it goes with neither --deadline nor --now")
        if self.now and self.deadline_s is not None:
            raise WrongUse("--now waits no longer: it goes without --deadline")
        if self.deadline_s is not None and not 1 <= self.deadline_s <= MOST_DEADLINE_S:
            words = f"--deadline must be 1 to {MOST_DEADLINE_S:.0f} seconds, not {self.deadline_s}"
            raise WrongUse(words + ("; --now cuts everybody off at once" if self.deadline_s == 0 else ""))


def drain(who: Operator, wish: Wish, console: Console) -> int:
    """Ask for it, and show it until it is over; the exit code. Raises CannotGoOn."""
    wish.check()
    watch = _Watch(who, wish, console)
    try:
        with asking(who) as client:
            return watch.until_over(client)
    except KeyboardInterrupt:
        watch.show.stop()
        console.print(f"not watching any more; the drain of {wish.node} goes on", highlight=False)
        console.print(f"  see it again: rillcast drain {wish.node}      take it back: … --undo      cut: … --now")
        return INTERRUPTED


class _Show:
    """Lines that change where there is a terminal. Elsewhere a line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._before = ""

    def update(self, progress: NodeDrain, note: str = "") -> None:
        """Show this, and `note` in place of the obstacle."""
        lines = render(progress, note)
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
            self._live.update(lines, refresh=True)
            return
        said = one_line(progress, note)
        if said != self._before:
            self._before = said
            self._console.print(said, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """What is shown stays."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class _Watch:
    """One call of the command."""

    def __init__(
        self,
        who: Operator,
        wish: Wish,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._who = who
        self._wish = wish
        self._console = console
        self._clock = clock
        self._pause = pause
        self.show = _Show(console)

    def until_over(self, client: Client) -> int:
        """Ask, and look until it is over. Raises CannotGoOn and `ClientError`."""
        last = self._asked(client)
        if self._wish.undo:
            self._console.print(printable(last.message), highlight=False, markup=False)
            return 0
        try:
            while not over(last):
                if last.phase is DrainPhase.NONE:
                    raise CannotGoOn(f"the drain of {last.node} was taken back, or its process started anew")
                self.show.update(last)
                self._pause(POLL_S)
                following = self._look(client, last)
                if following is None:
                    return self._gone(last)
                last = following
            self.show.update(last)
        finally:
            self.show.stop()
        return self._over(last)

    def _asked(self, client: Client) -> NodeDrain:
        if self._wish.undo:
            return client.drains.undo_drain(self._wish.node)
        return client.drains.begin_drain(self._wish.node, deadline=self._wish.deadline_s, now=self._wish.now or None)

    def _look(self, client: Client, last: NodeDrain) -> NodeDrain | None:
        """None when the node is gone. An instance that is away, or does not reach the node, is asked again."""
        since = self._clock()
        while True:
            try:
                return client.drains.get_drain(self._wish.node)
            except NotFound:
                return None
            except Unreachable:
                note = f"{self._who.base} does not answer; the drain goes on at {last.node}"
            except Refused as error:
                if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                note = f"{last.node} does not answer signaling at this moment"
            if self._clock() - since > PATIENCE_S:
                raise CannotGoOn(f"{note}, and was asked for {PATIENCE_S:.0f} s")
            self.show.update(last, note)
            self._pause(POLL_S)

    def _gone(self, last: NodeDrain) -> int:
        left = [f"{share.left} {name}" for name, share in shares(last) if share.left]
        if not left:
            self._console.print(f"{last.node} is drained, and has ended", highlight=False)
            return 0
        self._console.print(f"[red]{last.node} has ended[/] while it still had {', '.join(left)}", highlight=False)
        return NODE_DIED

    def _over(self, last: NodeDrain) -> int:
        style = "green" if last.phase is DrainPhase.DRAINED else "red"
        self._console.print(Text(printable(last.message), style=style), soft_wrap=True)
        if last.phase is DrainPhase.DRAINED:
            return 0
        for name in last.cut:
            self._console.print(f"  cut off: {printable(name)}", highlight=False, markup=False, soft_wrap=True)
        if (more := sum(share.cut for _, share in shares(last)) - len(last.cut)) > 0:
            self._console.print(f"  and {more} more", highlight=False)
        return SOME_CUT


def render(progress: NodeDrain, note: str = "") -> Text:
    """For a terminal: a head, a line for each sort of thing that is here, and what stands in the way."""
    text = Text()
    text.append(f"{progress.node}  ", style="bold")
    text.append(progress.phase.value, style="green" if progress.phase is DrainPhase.DRAINED else "yellow")
    if progress.phase is DrainPhase.DRAINING:
        text.append(f", {_span(progress.left_s)} of {_span(progress.deadline_s)} left", style="dim")
    for name, share in shares(progress):
        text.append(f"\n  {name:<11}{share.moved:>6} moved  {share.left:>6} left")
        if share.cut:
            text.append(f"  {share.cut:>6} cut off", style="red")
    if not shares(progress):
        text.append("\n  nobody is here", style="dim")
    if words := note or progress.obstacle:
        text.append(f"\n  {words}", style="yellow")
    return text


def one_line(progress: NodeDrain, note: str = "") -> str:
    """The same for a file or a pipe, without what changes all the time."""
    counts = [
        f"{name} {share.moved} moved, {share.left} left" + (f", {share.cut} cut off" if share.cut else "")
        for name, share in shares(progress)
    ]
    words = note or progress.obstacle
    return f"{progress.node} {progress.phase.value}: {'; '.join(counts) or 'nobody is here'}" + (
        f" ({words})" if words else ""
    )


def _span(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 120 else f"{whole} s"
