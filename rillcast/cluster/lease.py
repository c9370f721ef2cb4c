"""The lease on one key: who owns a stream (or a job), decided without I/O and on a monotonic clock passed in.

    CLAIMING ──created──▶ HELD ──found a foreign record / saw a higher epoch──▶ LOST
        │                  │ ▲
        └─taken─▶ LOST     └─┘ rewritten every third of the time to live; anew if the store lost the key

`next_step` says what to do with the store now; the answers go back in through `claimed`, `rewritten`, `found` and
`unreachable`. While an answer is on its way, the record may change and the lease may be lost; an answer that comes
after the loss changes nothing. An owner that can't reach the store keeps the lease: its media goes on, and the store,
not the owner, decides when somebody else may have the key. The revision of a claiming write is the epoch.
"""

from __future__ import annotations

from enum import StrEnum

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
    """Create the key with a record whose epoch is 0 and whose since_epoch is `Lease.still_valid_since`; answer with
    `claimed`."""
    REPLACE = "replace"
    """Overwrite `revision` with the same record as for CREATE; answer with `claimed`."""
    REWRITE = "rewrite"
    """Overwrite `revision` with the record of `epoch`; answer with `rewritten`."""
    READ = "read"
    """Read the key; answer with `found`."""
    STOP = "stop"
    """The lease is lost: give up what it stood for. Nothing comes after this step."""


class Holder(StrEnum):
    """Whose record lies under the key."""

    OURS = "ours"
    OTHER = "other"
    """Another owner's, or one that was not written for this claim."""
    NOBODY = "nobody"
    """There is no key, or what lies there is no record at all, whoever put it there."""


class Lease:
    """One claim, from `Lease(…)` to LOST or to the owner deleting the key itself."""

    def __init__(self, ttl_s: float, now: float, *, replace_revision: int | None = None) -> None:
        """With `replace_revision`, the claim overwrites a record of that revision instead of creating the key."""
        self._ttl_s = ttl_s
        self._step = Step.CREATE if replace_revision is None else Step.REPLACE
        self._due = now
        self._contact = now
        self._regular = now
        self._early = 0
        self._changed = False
        """Whether the record is another one since the last write began, and may be written early."""
        self._renewing = False
        self.held = False
        self.epoch = 0
        """The epoch of the newest claim; 0 before the first."""
        self.since_epoch = 0
        """The epoch of this owner's first claim after which nobody else is known to have held the key."""
        self.revision = replace_revision or 0

    @property
    def lost(self) -> bool:
        return self._step is Step.STOP

    @property
    def still_valid_since(self) -> int:
        """What the next claim says about earlier epochs: `since_epoch` if they stay valid, 0 if none does."""
        return 0 if self._renewing else self.since_epoch

    def next_step(self, now: float) -> Step:
        """What to do now: to be done at once, with the record as it is. It is WAIT when there is nothing to do until
        `due`."""
        if not self.lost and now < self._due:
            return Step.WAIT
        self._changed = False
        return self._step

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

    def renew_epoch(self, now: float) -> None:
        """Claim again over the own record: everything given away under the present epoch becomes void."""
        if self._step is Step.REWRITE:
            self._step = Step.REPLACE
            self._hasten(now)
        self._renewing = True

    def claimed(self, revision: int | None, now: float) -> None:
        """The answer to CREATE and REPLACE: the new revision, or None when somebody else was faster."""
        self._contact = now
        if self.lost:
            return
        if revision is None:
            self._step, self._due = (Step.READ, now) if self.held else (Step.STOP, now)
            return
        self.held = True
        self.revision = revision
        self.epoch = max(revision, self.epoch)  # a store that lost its state counts anew, epochs don't
        self.since_epoch = self.epoch if self._renewing else self.since_epoch or self.epoch
        self._renewing = False
        self._step = Step.REWRITE
        self._due = now

    def rewritten(self, revision: int | None, now: float) -> None:
        """The answer to REWRITE: the new revision, or None when the key no longer had ours."""
        self._contact = now
        if self.lost:
            return
        if revision is None:
            self._step, self._due = Step.READ, now
            return
        self.revision = revision
        self._due = now if self._changed else now + self._ttl_s / REWRITES

    def found(self, revision: int | None, holder: Holder, now: float) -> None:
        """The answer to READ: the key's revision (None = no such key) and whose record lies there. What is no record is
        overwritten by a new claim and not by a rewrite: nobody knows who held the key before, and a new epoch is above
        that of everybody who did."""
        self._contact = now
        if self.lost:
            return
        self._due = now
        if revision is None:
            self._step = Step.CREATE
        elif holder is Holder.OTHER:
            self._stand_down()
        else:
            self.revision = revision
            anew = self._renewing or holder is Holder.NOBODY
            self._step = Step.REPLACE if anew else Step.REWRITE

    def observed(self, epoch: int, *, ours: bool, now: float) -> None:
        """The change feed showed a record for the key. Stands down if it is another's with a higher epoch."""
        if self.held and not ours and epoch > self.epoch:
            self._stand_down()
            self._due = now

    def unreachable(self, now: float) -> None:
        """The store did not answer. The step will be tried again; a lease that is held stays held."""
        self._due = now + CLAIM_RETRY_S

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
