//! The time that a viewer is told by sender reports: one for all its tracks, and it does not jump when they go over to
//! another publisher, whose wall clock is another one, or when a publisher's wall clock is set.
//!
//! A receiver puts a line through the reports of the last 20 s to know when a packet was captured, and by that it keeps sound
//! and picture together (RFC 3550 §6.4.1). A jump bends that line, of each track at its own moment, because the picture waits
//! for a keyframe. So what the next publisher's reports say is moved by what its clock is off, for all tracks by the same.

use super::send::SendTrack;
use crate::packet::Clock;
use crate::source::Source;

/// Tracks of one publisher go over within this time of each other.
const TOGETHER_US: u64 = 10_000_000;
/// Clocks that are apart by less are taken for one: of the same publisher, it is known by reports that were under way for
/// some time.
const SAME_US: u64 = 300_000;

/// How far the clocks of a viewer's publishers are apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct TellClock {
    /// When a track went over to another clock, how much that was off, and how much it is moved.
    last: Option<(u64, i64, i64)>,
    /// The time that the viewer is told now, as `look` found it.
    ntp: Option<u64>,
}

impl TellClock {
    /// To be called before one of these tracks begins.
    pub fn look(&mut self, now_us: u64, tracks: &[SendTrack]) {
        let newest = tracks.iter().filter_map(SendTrack::told).max_by_key(|t| t.clock.at_us);
        self.ntp = newest.map(|t| t.at(now_us));
    }

    /// How much the reports of `source` are to be moved, for a track that begins with it. `present_us`: how much they are
    /// moved until now; None: there were none. `own`: what the track's viewer was told.
    fn shift_of_next(&mut self, now_us: u64, source: &Source, present_us: Option<i64>, own: Option<Told>) -> i64 {
        let present_us = present_us.or(self.last.map(|l| l.2)).unwrap_or_default();
        let told = own.map(|t| t.at(now_us)).or(self.ntp);
        let Some(off_us) = off_us(now_us, source, told) else { return present_us };
        let is_same = off_us.abs_diff(present_us) <= SAME_US;
        self.as_others(now_us, off_us, if is_same { present_us } else { off_us })
    }

    /// How much they are to be moved of a track that has sent `source`, whose clock may have been set since: then its time is
    /// another one now, and by as much for what has any timestamp. `moved_us`: by how much it is for that. Whatever moves
    /// only one of the two puts sound and picture right.
    fn shift_of_present(&mut self, now_us: u64, source: &Source, present_us: i64, moved_us: i64, own: Told) -> i64 {
        let Some(off_us) = off_us(now_us, source, Some(own.at(now_us))) else { return present_us };
        let set_us = present_us - off_us;
        if set_us.unsigned_abs() <= SAME_US || set_us.abs_diff(moved_us) > SAME_US {
            return present_us;
        }
        self.as_others(now_us, off_us, off_us)
    }

    /// Finds what another track is moved by since a moment ago whose clock is off by as much; or else `shift_us`. The
    /// first track decides, so that none of the others takes for another clock what it took for one.
    fn as_others(&mut self, now_us: u64, off_us: i64, shift_us: i64) -> i64 {
        let lately = self.last.filter(|(at_us, ..)| now_us < at_us + TOGETHER_US);
        if let Some((.., shift_us)) = lately.filter(|(_, seen_us, _)| off_us.abs_diff(*seen_us) <= SAME_US) {
            return shift_us;
        }
        self.last = Some((now_us, off_us, shift_us));
        shift_us
    }
}

/// The time that a track's viewer was told.
#[derive(Clone, Copy, Debug)]
struct Told {
    clock: Clock,
    rate: u32,
}

impl Told {
    fn at(&self, now_us: u64) -> u64 {
        self.clock.at(now_us, self.rate).0
    }
}

/// How much the time that the viewer is told is later than that of the source's publisher, if both are known.
fn off_us(now_us: u64, source: &Source, told: Option<u64>) -> Option<i64> {
    let clock = source.clock.filter(|_| source.clock_is_reported())?;
    let off = told?.wrapping_sub(clock.at(now_us, source.clock_rate).0) as i64;
    Some(((i128::from(off) * 1_000_000) >> 32) as i64)
}

impl SendTrack {
    /// NTP and RTP time for a sender report now, if anything was sent.
    pub fn report(&mut self, now_us: u64, source: &Source, told: &mut TellClock) -> Option<(u64, u32)> {
        if self.packets == 0 {
            return None;
        }
        let (munger, clock) = (self.current?, source.clock?);
        let clock = Clock { rtp: clock.rtp.wrapping_add(munger.ts_offset), ..clock };
        if let Some(own) = self.told() {
            let moved_us = clock.later(self.shift_us).ahead_of(&own.clock, now_us, source.clock_rate);
            self.shift_us = told.shift_of_present(now_us, source, self.shift_us, moved_us, own);
        }
        let (ntp, rtp) = clock.later(self.shift_us).at(now_us, source.clock_rate);
        self.timeline = Some(Clock { ntp, rtp, at_us: now_us });
        // Between two reports that agree with others, the arrival of packets tells the same publisher's time.
        self.timeline_is_sure |= source.clock_is_reported();
        self.reports[self.reported % 4] = ((ntp >> 16) as u32, now_us);
        self.reported += 1;
        Some((ntp, rtp))
    }

    /// What its viewer was told, if that goes back to reports of a publisher.
    fn told(&self) -> Option<Told> {
        let clock = self.timeline.filter(|_| self.timeline_is_sure)?;
        Some(Told { clock, rate: self.config.clock_rate })
    }

    /// How much reports of `source` are to be moved, with which the track begins.
    pub(super) fn shift_to(&self, now_us: u64, source: &Source, told: &mut TellClock) -> i64 {
        told.shift_of_next(now_us, source, self.timeline.map(|_| self.shift_us), self.told())
    }

    /// What is added to the source's timestamps so that they go on in the time that the viewer is told, if that and the
    /// source's clock are known.
    pub(super) fn offset_by_clock(&self, source: &Source, shift_us: i64) -> Option<u32> {
        let out = self.told()?.clock;
        let c = source.clock.filter(|_| source.clock_is_reported())?.later(shift_us);
        Some(out.rtp_at_ntp(c.ntp, self.config.clock_rate).wrapping_sub(c.rtp))
    }
}
