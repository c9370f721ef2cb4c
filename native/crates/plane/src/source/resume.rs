//! A relay whose parent was replaced by another one that has the same packets: what came already is left out, and the
//! rest goes on where it ended, so that nobody behind this source sees anything but a pause.
//!
//! The parents number their packets differently, but do not touch timestamps and payloads: by these it is known what came
//! already. A parent sends first what it has since its newest keyframe, which usually overlaps.

use super::{Feed, Incoming, Source};
use crate::packet::{ticks, PacketRef};

/// The timestamps of a parent that differ by more than this from what is expected are of another timeline.
const AGREES_US: u64 = 1_000_000;
/// Packets that are compared at most: those of the newest frames.
const COMPARED: u64 = 512;

/// What is known while packets come that may have come before.
#[derive(Debug)]
pub struct Resume {
    /// The timestamp of the newest packet that the parent before sent.
    until: u32,
    /// The sequence number, as the parent has it, of the newest packet that was left out.
    left_out: Option<u64>,
}

impl Source {
    /// Whether the first packet of another feed is of the timeline that the source has; it goes on then.
    pub(super) fn goes_on(&self, now_us: u64, p: &Incoming<'_>) -> bool {
        if self.feed != Feed::Relay || self.ring.highest().is_none() {
            return false;
        }
        let ts = p.ts.wrapping_add(self.ts_offset);
        let ahead = ts.wrapping_sub(self.last_ts) as i32;
        if ahead <= 0 {
            return self.has_had(ts, p.payload, u64::MAX);
        }
        let waited = ticks(now_us.saturating_sub(self.last_arrival_us), self.clock_rate);
        u64::from((ahead as u32).abs_diff(waited)) <= AGREES_US * u64::from(self.clock_rate) / 1_000_000
    }

    /// The next packets may have come before.
    pub(super) fn resume(&mut self) {
        self.resuming = Some(Resume { until: self.last_ts, left_out: None });
    }

    /// Whether a packet came before, from the parent before. `fed`: its number as the present parent has it. With the first
    /// one that did not, the sequence goes on.
    pub(super) fn came_before(&mut self, fed: u64, p: &Incoming<'_>) -> bool {
        let Some(resume) = &self.resuming else { return false };
        let ts = p.ts.wrapping_add(self.ts_offset);
        let ahead = ts.wrapping_sub(resume.until) as i32;
        if ahead < 0 || (ahead == 0 && self.has_had(ts, p.payload, COMPARED)) {
            let newest = resume.left_out.map_or(fed, |n| n.max(fed));
            self.resuming = Some(Resume { until: resume.until, left_out: Some(newest) });
            return true;
        }
        // What is missing since the last one that was left out may be new: its numbers are kept free.
        let first = resume.left_out.map_or(fed, |n| (n + 1).min(fed));
        self.numbers.restart(first, self.ring.highest().map_or(0, |h| h + 1));
        self.resuming = None;
        false
    }

    fn has_had(&self, ts: u32, payload: &[u8], among: u64) -> bool {
        self.newest(among).any(|p| p.ts == ts && *p.payload == *payload)
    }

    /// At most so many packets, in order.
    pub fn newest(&self, among: u64) -> impl Iterator<Item = &PacketRef> {
        let oldest = self.ring.highest().unwrap_or(0).saturating_sub(among);
        self.ring.since(oldest.max(self.ring.oldest()))
    }

    /// Whether nothing that came has been forgotten.
    pub fn has_all(&self) -> bool {
        self.ring.highest().is_none_or(|h| h - self.ring.oldest() + 1 >= self.stats.packets)
    }
}
