//! How a track begins with a source, at first or after another one: where its sequence numbers and timestamps go on.

use rillcast_wire::codec::vp8::{self, FrameNumber};
use rillcast_wire::codec::Codec;

use super::pacer::Plan;
use super::rtp_munger::{RtpMunger, Squeeze};
use super::send::{Progress, SendTrack};
use super::told_clock::TellClock;
use crate::config::Kind;
use crate::layers;
use crate::packet::ticks;
use crate::ring::Keyframe;
use crate::source::Source;
use crate::thinning::Thinning;

/// What the viewer has had of the former publisher may be so much newer than what comes of the next one, which is farther
/// away.
const MOST_OVERLAP_US: u64 = 1_000_000;
/// What lies further ahead than this is of another clock.
const TOO_FAR_S: u32 = 10;

impl SendTrack {
    /// Begins a munger at `at`; the packets from there to the live edge are to be sent next.
    /// `estimate_bps`: what the viewer says it can take, or 0.
    pub fn begin(&mut self, now_us: u64, source: &Source, at: Keyframe, estimate_bps: u64, told: &mut TellClock) {
        let Some(live) = source.ring.highest().and_then(|h| source.ring.get(h)) else { return };
        let rate = self.config.clock_rate;
        let first = self.current.is_none() && !self.takes_over();
        let before = self.current.filter(|c| c.source == source.id);
        let shift_us = match before {
            Some(_) => self.shift_us,
            None => self.shift_to(now_us, source, told),
        };
        let by_clock = self.offset_by_clock(source, shift_us);
        let mut ts_offset = match (before, by_clock) {
            _ if first => self.last_ts.wrapping_sub(live.ts),
            (Some(before), _) => before.ts_offset,
            (None, Some(offset)) => offset,
            (None, None) => self.continued_ts(now_us).wrapping_sub(live.ts),
        };
        self.shift_us = shift_us;
        self.timeline_is_sure &= before.is_some() || source.clock_is_reported();
        let frames = live.frame.saturating_sub(at.frame).min(u64::from(u32::MAX)) as u32;
        let room_for = |offset: u32| live.ts.wrapping_add(offset).wrapping_sub(self.last_ts) as i32;
        let mut room = room_for(ts_offset);
        let mut overlap = 0;
        if !first && (room <= frames as i32 || room > (rate * TOO_FAR_S) as i32) {
            let lacks = (frames as i32 + 1).saturating_sub(room);
            if before.is_none() && by_clock.is_some() && (1..=ticks(MOST_OVERLAP_US, rate) as i32).contains(&lacks) {
                overlap = lacks as u32;
            } else {
                // Another clock than we thought: time goes on from what was sent.
                ts_offset = self.continued_ts(now_us).wrapping_add(frames).wrapping_sub(live.ts);
                room = room_for(ts_offset);
            }
        }
        let step = if first { rate / 1000 } else { (room.max(1) as u32 / (frames + 1)).clamp(1, (rate / 1000).max(1)) };
        let plan = Plan::new(now_us, source, at, estimate_bps, self.held).filter(|_| source.kind == Kind::Video);
        let mut ahead = plan.as_ref().map_or(0, |p| ticks(p.lasts_us, rate));
        let mut into = ahead.max(frames * step);
        let mut first_seq = at.first_seq;
        if overlap > 0 && source.kind == Kind::Video {
            // Pictures come faster than they were made, until they are where they belong.
            ahead = ahead.max(2 * overlap + rate / 10);
            into = (i64::from(room) + i64::from(ahead) - 1).max(1) as u32;
        } else if overlap > 0 {
            // The viewer has heard that time of the former publisher.
            first_seq += u64::from(overlap.div_ceil(packet_ticks(source, first_seq)));
        }
        let begins = || source.ring.get(at.first_seq).map(|p| vp8::frame_number(&p.payload));
        let renumber = (source.codec == Codec::Vp8).then(|| match (self.frame_number, begins()) {
            (Some(before), Some(number)) => number.gap_after(before),
            _ => FrameNumber::default(),
        });
        self.previous = self.current;
        self.wanted_limit = if before.is_some() { self.wanted_limit } else { layers::ALL };
        self.changes_layers = self.wanted_limit != layers::ALL;
        self.held = false;
        self.current = Some(RtpMunger {
            renumber,
            thinning: Thinning::NONE,
            source: source.id,
            start: self.next,
            switch: self.next,
            first_seq,
            seq_offset: self.next.wrapping_sub(first_seq),
            ts_offset,
            squeeze: (source.kind == Kind::Video)
                .then(|| Squeeze::new((at.ts, live.ts.wrapping_add(ahead)), into, (live.frame, frames)))
                .flatten(),
        });
        self.pace = plan.map(|p| p.pace);
        self.progress = Progress::Catching { next: first_seq };
        self.source = Some(source.id);
        // A wish for yet another source stays: its keyframe is still to come, and the track has a seat there.
        self.target = self.target.filter(|t| *t != source.id);
    }

    fn continued_ts(&self, now_us: u64) -> u32 {
        let elapsed = ticks(now_us.saturating_sub(self.last_sent_us), self.config.clock_rate);
        self.last_ts.wrapping_add(elapsed.max(1))
    }
}

/// How long a packet of sound lasts, from the one at `seq` and the one before it; 20 ms where that can't be seen.
fn packet_ticks(source: &Source, seq: u64) -> u32 {
    let usual = (source.clock_rate / 50).max(1);
    let (Some(p), Some(before)) = (source.ring.get(seq), seq.checked_sub(1).and_then(|s| source.ring.get(s))) else {
        return usual;
    };
    let apart = p.ts.wrapping_sub(before.ts);
    if (1..=6 * usual).contains(&apart) {
        apart
    } else {
        usual
    }
}
