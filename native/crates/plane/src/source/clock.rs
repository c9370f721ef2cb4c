//! A source's clock: as its feed reports it, and as its packets' arrival tells it where there are no reports to go by.
//!
//! Whether a publisher's reports count is decided for all its tracks together (`reports`): with one by its report and another
//! by our guess, sound and picture would be as far apart as the publisher's wall clock is from ours. For the same reason, what
//! is guessed is told by the publisher's wall clock, once that is known.

use super::arrivals::Arrivals;
use super::{Feed, Source};
use crate::packet::Clock;

/// What a feed reported holds for so long after another one has begun.
const UNREPORTED_US: u64 = 3_000_000;
/// By then a relay has brought what its parent had; and a packet so far behind the clock is of that.
const FILLING_US: u64 = 1_500_000;
const BEHIND_US: u64 = 300_000;
/// A track without a packet for so long does not flow.
const PAUSED_US: u64 = 2_000_000;
/// A clock that turns out to be off is set right by so much of the time that passes: 50 ms in a second, so that nobody sees
/// a picture or hears a sound jump.
const SLEW: u64 = 20;
/// But what is further off is no clock of the same timestamps.
const MOST_OFF_US: i64 = 4_000_000;

/// What the clock of a source is known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    #[default]
    Not,
    Guessed,
    /// By sender reports of the present feed.
    Reported,
    /// By a sender report of the feed before.
    Before,
}

/// What a source knows of the clock of its feed.
#[derive(Debug, Default)]
pub struct FeedClock {
    pub is: Known,
    /// A sender report that came before the first packet, with the feed's own timestamp.
    early: Option<Clock>,
    arrivals: Arrivals,
    /// As the arrival of its packets tells it.
    pub guess: Option<Clock>,
    /// The newest sender report of a session, and whether it came since reports were taken last.
    pub newest: Option<Clock>,
    pub is_fresh: bool,
    /// The one that was taken last, and whether the tracks contradicted each other since.
    pub taken: Option<Clock>,
    pub is_disputed: bool,
    /// How much the publisher's wall clock is ahead of ours; 0 while it is not known.
    pub wall_us: i64,
    /// What is to be the source's clock, which is so much later still.
    goal: Option<Clock>,
    off_us: i64,
    slewed_us: u64,
    /// Since when its packets come without a pause.
    pub flows_since_us: u64,
}

impl FeedClock {
    /// Time passed: what the source's clock is now.
    fn slew(&mut self, now_us: u64) -> Option<Clock> {
        let by = (now_us.saturating_sub(std::mem::replace(&mut self.slewed_us, now_us)) / SLEW) as i64;
        self.off_us -= self.off_us.clamp(-by, by);
        Some(self.goal?.later(self.off_us))
    }
}

impl Source {
    /// A sender report of the feed. Some: it is the source's clock now. One of a session has to be judged first.
    pub fn on_sender_report(&mut self, now_us: u64, ntp: u64, rtp_ts: u32) -> Option<Clock> {
        let report = Clock { ntp, rtp: rtp_ts, at_us: now_us };
        if !self.joined {
            self.feed_clock.early = Some(report);
            return None;
        }
        self.take_report(report)
    }

    fn take_report(&mut self, fed: Clock) -> Option<Clock> {
        let report = Clock { rtp: fed.rtp.wrapping_add(self.ts_offset), ..fed };
        if matches!(self.feed, Feed::Session { .. }) {
            (self.feed_clock.newest, self.feed_clock.is_fresh) = (Some(report), true);
            return None;
        }
        self.adopt_clock(report);
        self.clock
    }

    /// Whether `clock` comes from sender reports of the feed rather than from our guess.
    pub fn clock_is_reported(&self) -> bool {
        self.feed_clock.is == Known::Reported
    }

    /// Whether what the clock says may change without a report.
    pub fn clock_moves(&self) -> bool {
        !self.clock_is_reported() || self.feed_clock.off_us != 0
    }

    /// The newest sender report of the present feed, with the feed's own timestamp.
    pub fn last_report(&self) -> Option<Clock> {
        let seen = self.feed_clock.newest.or(self.clock.filter(|_| self.clock_is_reported()));
        seen.map(|c| Clock { rtp: c.rtp.wrapping_sub(self.ts_offset), ..c })
    }

    /// A mirror takes over what the source's worker knows of its clock.
    pub fn adopt_clock(&mut self, clock: Clock) {
        self.feed_clock.is = Known::Reported;
        self.clock = Some(clock);
    }

    /// The clock is to be another one from now on. `smoothly`: it gets there by and by.
    pub(super) fn set_clock(&mut self, now_us: u64, is: Known, goal: Clock, smoothly: bool) {
        let off_us = self.clock.map_or(0, |c| c.ahead_of(&goal, now_us, self.clock_rate));
        let c = &mut self.feed_clock;
        c.off_us = if smoothly && off_us.abs() <= MOST_OFF_US { off_us } else { 0 };
        (c.is, c.goal, c.slewed_us) = (is, Some(goal), now_us);
        self.clock = Some(goal.later(c.off_us));
    }

    /// The feed ends: what it reported holds for a while, and nothing else of it.
    pub(super) fn leave_clock(&mut self) {
        let c = &mut self.feed_clock;
        let was_reported = matches!(c.is, Known::Reported | Known::Before);
        *c = FeedClock { is: if was_reported { Known::Before } else { c.is }, ..FeedClock::default() };
    }

    /// Another feed has begun, whose own timestamps are moved by `ts_offset`.
    pub(super) fn rejoin_clock(&mut self) {
        let c = &mut self.feed_clock;
        (c.arrivals, c.guess, c.newest, c.taken) = (Arrivals::default(), None, None, None);
        if let Some(early) = c.early.take() {
            self.take_report(early);
        }
    }

    /// What the arrival of a frame says of the clock; once per frame.
    pub(super) fn guess_clock(&mut self, now_us: u64, ts: u32, wall_ntp: u64) {
        let is_session = matches!(self.feed, Feed::Session { .. });
        if self.clock_is_reported() && !is_session {
            return;
        }
        let c = &mut self.feed_clock;
        if now_us >= self.last_arrival_us + PAUSED_US || c.guess.is_none() {
            c.flows_since_us = now_us;
        }
        let guess = c.arrivals.on_frame(now_us, ts, self.clock_rate, wall_ntp);
        c.guess = Some(guess);
        if c.is == Known::Not || (c.is == Known::Before && now_us >= self.joined_us + UNREPORTED_US) {
            let goal = guess.later(c.wall_us);
            return self.set_clock(now_us, Known::Guessed, goal, false);
        }
        if c.is == Known::Guessed {
            c.goal = Some(guess.later(c.wall_us));
        }
        if c.is != Known::Before && (c.is == Known::Guessed || c.off_us != 0) {
            self.clock = c.slew(now_us);
        }
    }

    /// Whether packets come.
    pub(super) fn flows(&self, now_us: u64) -> bool {
        self.joined && now_us < self.last_arrival_us + PAUSED_US
    }

    /// Whether a relay that has just begun still brings what its parent had: the newest packet is far behind the
    /// publisher's clock.
    pub fn is_filling(&self, now_us: u64) -> bool {
        let just_began = self.feed == Feed::Relay && now_us < self.joined_us + FILLING_US;
        let Some(clock) = self.clock.filter(|_| just_began && self.clock_is_reported()) else { return false };
        let behind = clock.at(now_us, self.clock_rate).1.wrapping_sub(self.last_ts) as i32;
        behind > (u64::from(self.clock_rate) * BEHIND_US / 1_000_000) as i32
    }

    /// The bit rate of the last second; 0 while it is unknown, or is that of a relay that brought what its parent had.
    pub fn steady_bps(&self, now_us: u64) -> u64 {
        let fills = self.feed == Feed::Relay && now_us < self.joined_us + FILLING_US + 1_000_000;
        if fills {
            0
        } else {
            self.rate_bps()
        }
    }

    /// From a timestamp to that of the newest packet, in µs; 0 if it is none of before.
    pub fn media_time_us(&self, from: u32) -> u64 {
        let span = self.last_ts.wrapping_sub(from) as i32;
        u64::from(span.max(0) as u32) * 1_000_000 / u64::from(self.clock_rate.max(1))
    }
}
