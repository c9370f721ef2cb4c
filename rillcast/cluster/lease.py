"""The lease on one key: who owns a stream (or a job), decided without I/O and on clocks passed in.

    CLAIMING ──created, found ours──▶ HELD ──found or saw a foreign record of a higher epoch──▶ LOST
        │                             │ ▲
        └─taken, found another's─▶ LOST └─┘ rewritten every third of the time to live; anew if the store forgot us

`next_step` says what to do with the store now; the answers go back in through `claimed`, `rewritten`, `found` and
`unreachable`. While an answer is on its way, the record may change and the lease may be lost; an answer that comes
after the loss changes nothing. An owner that can't reach the store keeps the lease: its media goes on, and the store,
not the owner, decides when somebody else may have the key.

A store may forget. Then it shows an older record of ours, a foreign one that we had replaced, or nothing, and it gives
out revisions for a second time. So an epoch is no revision, and what was read decides nothing: whoever finds a record
of a lower epoch than its own claims the key anew, by compare-and-set over exactly that record, with a higher epoch.
Only a higher epoch makes an owner stand down. Of two owners that a forgetful store has made, the lower one stands down.

A refused write may have happened nevertheless: a server that was frozen answers for the past while another one leads.
So whoever is refused looks whose record lies there.
"""

from __future__ import annotations

from enum import StrEnum

from rillcast.contracts.epochs import Epoch
from rillcast.contracts.fields import MAX_INTEGER
from rillcast.contracts.ids import ClaimId

CLAIM_RETRY_S = 0.5
"""How soon an owner that can't reach the store asks again."""
REWRITES = 3
"""The number of regular rewrites in one time to live. Two of them may fail before the key expires."""
MAX_EARLY_WRITES = 5
"""The number of early writes between two regular ones. A record that changes more often is written at the regular
time, since every write goes to every node of the cluster."""


class Step(StrEnum):
    """What the owner is to do with the store now."""

    WAIT = "wait"
    CREATE = "create"
    """Create the key with the record of the epoch that `Lease.propose` gives; answer with `claimed`."""
    REPLACE = "replace"
    """Overwrite `revision` with the same record as for CREATE; answer with `claimed`."""
    REWRITE = "rewrite"
    """Overwrite `revision` with the record of `epoch`; answer with `rewritten`."""
    READ = "read"
    """Read the key; answer with `found`."""
    STOP = "stop"
    """The lease is lost: give up what it stood for. Nothing comes after this step."""


class Lease:
    """One hold on a key, from `Lease(…)` to LOST or to the owner deleting the key itself."""

    def __init__(
        self, ttl_s: float, now: float, claim: ClaimId, *, above: int = 0, replace_revision: int | None = None
    ) -> None:
        """`claim`: an id that no other claim has. `above`: the highest epoch number that is known for the key. With
        `replace_revision`, the claim overwrites a record of that revision instead of creating the key."""
        self._ttl_s = ttl_s
        self._step = Step.CREATE if replace_revision is None else Step.REPLACE
        self._due = now
        self._contact = now
        self._regular = now
        self._early = 0
        self._changed = False
        """Whether the record is another one since the last write began, and may be written early."""
        self._claim = claim
        """Of the next claiming write: that of `epoch`, unless what was granted is to become void."""
        self._above = above
        self._proposed = Epoch(0, claim)
        self.forgotten = 0
        """How often the store showed less than this owner had written: it returned to an earlier state."""
        self.held = False
        self.epoch = Epoch(0, claim)
        """The epoch of the newest claim that was written; its number is 0 before the first."""
        self.revision = replace_revision or 0

    @property
    def lost(self) -> bool:
        return self._step is Step.STOP

    def owns(self, epoch: Epoch) -> bool:
        """Whether a record of this epoch was written for this lease."""
        return epoch.claim in (self.epoch.claim, self._claim)

    def next_step(self, now: float) -> Step:
        """What to do now: to be done at once, with the record as it is. It is WAIT when there is nothing to do until
        `due`."""
        if not self.lost and now < self._due:
            return Step.WAIT
        self._changed = False
        return self._step

    def propose(self, wall_ms: int) -> Epoch:
        """The epoch that the claiming write says. It is above all that is known for the key, and above those that were
        chosen earlier by clocks that agree."""
        self._above = min(MAX_INTEGER, max(wall_ms * 1_000, self._above + 1))
        self._proposed = Epoch(self._above, self._claim)
        return self._proposed

    @property
    def due(self) -> float:
        """The time at which the next step is to be taken."""
        return self._due

    def reachable(self, now: float) -> bool:
        """Whether the store has answered within the last time to live."""
        return now - self._contact < self._ttl_s

    def hurry(self, now: float) -> None:
        """Rewrite soon, because the record changed: at once, unless that was done `MAX_EARLY_WRITES` times lately."""
        self._hasten(now)

    def renew(self, claim: ClaimId, now: float) -> None:
        """Claim again over the own record, with another id: everything granted under the present one becomes void.
        A second time before that was written changes nothing, since nothing was granted under the new id."""
        if self._claim != self.epoch.claim:
            return
        self._claim = claim
        if self._step is Step.REWRITE:
            self._step = Step.REPLACE
            self._hasten(now)

    def claimed(self, revision: int | None, now: float) -> None:
        """The answer to CREATE and REPLACE: the new revision, or None when somebody else was faster."""
        self._contact = now
        if self.lost:
            return
        if revision is None:
            self._step, self._due = Step.READ, now
            return
        self.held = True
        self.revision = revision
        self._hold(self._proposed, now)

    def rewritten(self, revision: int | None, now: float) -> None:
        """The answer to REWRITE: the new revision, or None when the key no longer had ours."""
        self._contact = now
        if self.lost:
            return
        if revision is None:
            self._step, self._due = Step.READ, now
            return
        self.revision = revision
        self._due = self._next_write(now)

    def found(self, revision: int | None, epoch: Epoch | None, now: float) -> None:
        """The answer to READ: the key's revision (None = no such key) and the epoch of the record that lies there (None
        = it is no record, whoever put it there). What is no record is overwritten by a new claim and not by a rewrite:
        nobody knows who held the key before, and a new epoch is above that of everybody who did."""
        self._contact = now
        if self.lost:
            return
        self._due = now
        if not self.held:
            self._found_while_claiming(revision, epoch, now)
            return
        if revision is None:
            self._step = Step.CREATE
            return
        went_back = epoch is not None and (epoch, revision) < (self.epoch, self.revision)
        self.revision = revision
        if epoch is None or went_back:
            self.forgotten += went_back
            self._step = Step.REPLACE
        elif not self.owns(epoch):
            self._stand_down()
        elif epoch != self.epoch:  # a claim of ours, of which we had no answer
            self._hold(epoch, now)
            self._due = now
        else:
            self._step = Step.REWRITE if self._claim == epoch.claim else Step.REPLACE

    def observed(self, epoch: Epoch, *, now: float) -> None:
        """The change feed showed a record for the key. Stands down if it is another's with a higher epoch. One with a
        lower epoch comes out of a store that forgot, or is old news: the next write, which is made soon, tells."""
        if not self.held:
            return
        if epoch < self.epoch:
            self._hasten(now)
        elif not self.owns(epoch):
            self._stand_down()
            self._due = now

    def unreachable(self, now: float) -> None:
        """The store did not answer. The step will be tried again; a lease that is held stays held."""
        self._due = now + CLAIM_RETRY_S

    def _found_while_claiming(self, revision: int | None, epoch: Epoch | None, now: float) -> None:
        if revision is None or epoch != self._proposed:
            self._stand_down()
            return
        self.held = True
        self.revision = revision
        self._hold(epoch, now)

    def _hold(self, epoch: Epoch, now: float) -> None:
        self.epoch = epoch
        self._above = max(self._above, epoch.number)
        self._step = Step.REWRITE if epoch.claim == self._claim else Step.REPLACE
        self._due = self._next_write(now)

    def _next_write(self, now: float) -> float:
        waits = self._step is Step.REWRITE and not self._changed
        return now + self._ttl_s / REWRITES if waits else now

    def _hasten(self, now: float) -> None:
        if now >= self._regular + self._ttl_s / REWRITES:
            self._regular, self._early = now, 0
        if self._early < MAX_EARLY_WRITES:
            self._early += 1
            self._changed = True
            self._due = min(self._due, now)

    def _stand_down(self) -> None:
        self.held = False
        self._step = Step.STOP
