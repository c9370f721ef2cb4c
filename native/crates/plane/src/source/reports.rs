//! Whether the sender reports of one publisher say how its tracks lie to each other in time, or the arrival of its packets
//! has to (RFC 3550 §6.4.1). Some publishers report one track only, or stop to; some report a clock per track, or set the
//! clock of their machine between two reports.
//!
//! Reports are taken in rounds, once each track that flows has a new one: then all of them at once, so that a clock that
//! was set between two reports does not pull the tracks apart. They count as long as each track has been reported lately
//! and they agree with the arrival of packets about as well as packets do with each other.

use super::clock::Known;
use super::Source;
use crate::packet::Clock;

/// A track that has not been reported for so long has no reports to go by. Publishers report each of their tracks every
/// five seconds or more often, and some of these reports are lost.
const CONFIRMED_US: u64 = 20_000_000;
/// Against each other, packets of one track may come so much later than those of another: encoders look ahead that far.
const BOUND_US: i64 = 3_000_000;
/// A round in which the tracks moved against each other by more than this has to be confirmed by the next one.
const STEP_US: i64 = 100_000;
/// Rounds are at least so far apart.
const ROUND_US: u64 = 500_000;

/// What speaks for and against the reports of one track, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The source that has the track.
    pub source: u64,
    /// The reports of this track count.
    counts: bool,
    /// No report came for long.
    is_stale: bool,
    /// A report came since the last round.
    is_fresh: bool,
    /// The round before this one moved the tracks against each other.
    is_disputed: bool,
    /// How much later than by its packets it is by the newest report, and by the one that counts.
    pub newest_us: i64,
    taken_us: Option<i64>,
    /// How far the newest report moves it.
    step_us: Option<i64>,
}

/// What follows from the evidence of all tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is.
    Stays,
    /// The newest reports count from now on.
    Take,
    /// They have to be confirmed by newer ones.
    Doubt,
    /// The tracks are told by the arrival of their packets.
    Guess,
}

/// The verdict on the tracks of one publisher that flow.
pub fn judge(tracks: &[Evidence]) -> Verdict {
    let count = tracks.iter().any(|t| t.counts);
    let refused = if count { Verdict::Guess } else { Verdict::Stays };
    if tracks.iter().any(|t| t.is_stale) || spread(tracks.iter().filter_map(|t| t.taken_us)) > BOUND_US {
        return refused;
    }
    if tracks.is_empty() || !tracks.iter().all(|t| t.is_fresh) {
        return Verdict::Stays;
    }
    if spread(tracks.iter().map(|t| t.newest_us)) > BOUND_US {
        return refused;
    }
    let moved = spread(tracks.iter().filter_map(|t| t.step_us)) > STEP_US;
    if count && moved && !tracks.iter().any(|t| t.is_disputed) {
        return Verdict::Doubt;
    }
    Verdict::Take
}

fn spread(of: impl Iterator<Item = i64> + Clone) -> i64 {
    of.clone().max().unwrap_or(0).saturating_sub(of.min().unwrap_or(0))
}

impl Source {
    /// What is known of the reports of this track. None: it does not flow, or has not for long enough to be reported.
    pub fn evidence(&self, now_us: u64) -> Option<Evidence> {
        let (c, rate) = (&self.feed_clock, self.clock_rate);
        let guess = c.guess.filter(|_| self.flows(now_us))?;
        let confirmed_us = c.newest.map_or(0, |n| n.at_us).max(c.flows_since_us);
        let is_stale = now_us >= confirmed_us + CONFIRMED_US;
        if c.newest.is_none() && !is_stale {
            return None;
        }
        let ahead = |clock: Clock| clock.ahead_of(&guess, now_us, rate);
        let taken = c.taken.filter(|_| self.clock_is_reported());
        Some(Evidence {
            source: self.id,
            counts: self.clock_is_reported(),
            is_stale,
            is_fresh: c.is_fresh && c.taken.is_none_or(|t| c.newest.is_some_and(|n| n.at_us >= t.at_us + ROUND_US)),
            is_disputed: c.is_disputed,
            newest_us: c.newest.map_or(0, ahead),
            taken_us: taken.map(ahead),
            step_us: taken.and_then(|t| Some(c.newest?.ahead_of(&t, now_us, rate))),
        })
    }

    /// The newest report counts.
    pub fn take_newest(&mut self, now_us: u64) {
        let Some(newest) = self.feed_clock.newest else { return };
        let again = self.feed_clock.taken.replace(newest).is_some();
        (self.feed_clock.is_fresh, self.feed_clock.is_disputed) = (false, false);
        self.set_clock(now_us, Known::Reported, newest, again);
    }

    /// How much the publisher's wall clock is ahead of ours, as far as this source knows; 0: not at all.
    pub fn wall_us(&self) -> i64 {
        self.feed_clock.wall_us
    }

    /// What is guessed is told by the publisher's wall clock, which is so much ahead of ours. Whether that moves the clock.
    pub fn set_wall(&mut self, now_us: u64, wall_us: i64) -> bool {
        let c = &mut self.feed_clock;
        let was_us = std::mem::replace(&mut c.wall_us, wall_us);
        let (Known::Guessed, Some(guess), true) = (c.is, c.guess, was_us == 0 && wall_us != 0) else { return false };
        self.set_clock(now_us, Known::Guessed, guess.later(wall_us), false);
        true
    }

    /// The newest report counts only once newer ones say the same.
    pub fn doubt_newest(&mut self) {
        (self.feed_clock.is_fresh, self.feed_clock.is_disputed) = (false, true);
    }

    /// Packets tell the clock from now on, until there is a new round of reports.
    pub fn go_by_arrivals(&mut self, now_us: u64) {
        let (Known::Reported, Some(guess)) = (self.feed_clock.is, self.feed_clock.guess) else { return };
        self.feed_clock.is_fresh = false;
        let goal = guess.later(self.feed_clock.wall_us);
        self.set_clock(now_us, Known::Guessed, goal, true);
    }
}
