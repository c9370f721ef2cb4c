//! A source's clock: as its feed reports it, and before that as its packets' arrival tells it.

use super::arrivals::Arrivals;
use super::{Feed, Source};
use crate::packet::Clock;

/// What a feed reported holds for so long after another one has begun.
const UNREPORTED_US: u64 = 3_000_000;
/// By then a relay has brought what its parent had; and a packet so far behind the clock is of that.
const FILLING_US: u64 = 1_500_000;
const BEHIND_US: u64 = 300_000;

/// What the clock of a source is known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    #[default]
    Not,
    Guessed,
    /// By a sender report of the present feed.
    Reported,
    /// By a sender report of the feed before.
    Before,
}

impl Source {
    /// A sender report of the feed.
    pub fn on_sender_report(&mut self, now_us: u64, ntp: u64, rtp_ts: u32) -> Option<Clock> {
        if !self.joined {
            self.early_clock = Some(Clock { ntp, rtp: rtp_ts, at_us: now_us });
            return None;
        }
        self.clock_is = Known::Reported;
        self.clock = Some(Clock { ntp, rtp: rtp_ts.wrapping_add(self.ts_offset), at_us: now_us });
        self.clock
    }

    /// Whether `clock` comes from the feed's sender report rather than from our guess.
    pub fn clock_is_reported(&self) -> bool {
        self.clock_is == Known::Reported
    }

    /// A mirror takes over what the source's worker knows of its clock.
    pub fn adopt_clock(&mut self, clock: Clock) {
        self.clock_is = Known::Reported;
        self.clock = Some(clock);
    }

    /// Another feed has begun, whose own timestamps are moved by `ts_offset`.
    pub(super) fn rejoin_clock(&mut self) {
        self.arrivals = Arrivals::default();
        if let Some(c) = self.early_clock.take() {
            self.clock_is = Known::Reported;
            self.clock = Some(Clock { rtp: c.rtp.wrapping_add(self.ts_offset), ..c });
        }
    }

    /// Without sender reports the clock is guessed, once per frame.
    pub(super) fn guess_clock(&mut self, now_us: u64, ts: u32, wall_ntp: u64) {
        if self.clock_is_reported() {
            return;
        }
        let guess = self.arrivals.on_frame(now_us, ts, self.clock_rate, wall_ntp);
        if self.clock_is != Known::Before || now_us >= self.joined_us + UNREPORTED_US {
            (self.clock, self.clock_is) = (Some(guess), Known::Guessed);
        }
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
