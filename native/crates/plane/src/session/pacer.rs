//! How fast a viewer that begins is sent what is cached: the keyframe at once, the rest of the group of pictures faster
//! than it was made, but not as a burst that a thin link can't take. On a link known to be full the keyframe as well: the
//! queue would drop its end.

use std::collections::VecDeque;

use crate::ring::Keyframe;
use crate::source::Source;

/// Catching up takes what the media takes and as much again, at least this much.
const LEAST_SPARE_BPS: u64 = 1_000_000;
/// A backlog no larger than this, or than this much time of media, goes out at once.
const AT_ONCE_BYTES: u64 = 4_800;
const AT_ONCE_MS: u64 = 100;
/// Packets leave in groups, which cost less than one by one.
const GROUP_BYTES: i64 = 4_800;
/// The first estimates of a link that just got slow are means of before and after. Slower costs no time as long as the
/// queue isn't empty.
const FULL_PERCENT: u64 = 60;
const FULL_US: u64 = 500_000;
/// What a packet has beside its payload: IP, UDP and RTP headers, extension, tag.
const OVERHEAD: u64 = 60;
/// Shorter spans tell no rate.
const LEAST_SPAN_US: u64 = 500_000;

/// On a link that takes little more than a track, no more than this much time of what it takes leaves at once, or these bytes.
const BURST_MS: u64 = 50;
const LEAST_BURST: i64 = 2_500;
/// Ticks whose packets are remembered: half a second of a keyframe that is spread.
const HELD_BACK: usize = 100;
const AS_IT_CAME: u64 = 0;

/// A leaky bucket for one track whose link takes little more than it is sent: keyframes are spread over the time that they
/// take there, so that they neither overflow its queue nor hold up what else is in it.
#[derive(Clone, Debug)]
pub struct Limit {
    rate_bps: u64,
    /// Bytes that may be sent; below 0 while too many were.
    credit: i64,
    at_us: u64,
    /// The last packets that left with a tick, in the order of sending: (place in the source, when). `AS_IT_CAME`: from
    /// this place on they were sent as they came.
    held_back: VecDeque<(u64, u64)>,
}

impl Limit {
    /// Nothing was sent for a while.
    pub fn new(rate_bps: u64, now_us: u64) -> Self {
        let limit = Limit { rate_bps, credit: 0, at_us: now_us, held_back: VecDeque::new() };
        Limit { credit: limit.burst(), ..limit }
    }

    /// A packet that was held back, with its place in the source, has left with those after it. Once per tick.
    pub fn note(&mut self, seq: u64, now_us: u64) {
        if self.held_back.len() == HELD_BACK {
            self.held_back.pop_front();
        }
        self.held_back.push_back((seq, now_us));
    }

    /// From this place in the source on nothing is held back, until something is again.
    pub fn note_live(&mut self, seq: u64) {
        self.note(seq, AS_IT_CAME);
    }

    /// When a packet left that came at this time; None: it was held back, and too long ago.
    pub fn sent_us(&self, seq: u64, came_us: u64) -> Option<u64> {
        let (_, at) = self.held_back.iter().rev().find(|(first, _)| *first <= seq)?;
        Some(if *at == AS_IT_CAME { came_us } else { *at })
    }

    /// Another rate from now on.
    pub fn change(&mut self, rate_bps: u64, now_us: u64) {
        self.refill(now_us);
        self.rate_bps = rate_bps;
    }

    /// Adds what may be sent for the time that has passed.
    pub fn refill(&mut self, now_us: u64) {
        let us = now_us.saturating_sub(self.at_us).min(1_000_000);
        self.credit = (self.credit + (self.rate_bps * us / 8_000_000) as i64).min(self.burst());
        self.at_us = now_us;
    }

    /// Whether the next packet has to wait. Asked once per packet.
    pub fn is_spent(&self) -> bool {
        self.credit <= 0
    }

    /// Bytes were sent. Once per packet.
    pub fn spend(&mut self, bytes: u64) {
        self.credit -= bytes as i64;
    }

    fn burst(&self) -> i64 {
        ((self.rate_bps * BURST_MS / 8_000) as i64).max(LEAST_BURST)
    }
}

/// A leaky bucket for one track that is being caught up. Asked at every tick.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    rate_bps: u64,
    /// Bytes that may be sent; below 0 while too many were.
    credit: i64,
    at_us: u64,
    /// The rate holds until then even if there is no backlog: more of the keyframe may be on its way here.
    until_us: u64,
}

/// A way to catch up.
pub struct Plan {
    pub pace: Pacer,
    /// How long it will take.
    pub lasts_us: u64,
}

impl Plan {
    /// From keyframe `at` to the live edge; None: so little that it can go out at once. `estimate_bps`: what the viewer's
    /// link is known to take, 0 = nothing is known. `full`: and that its queue is full. Looks at every packet between,
    /// once per join.
    pub fn new(now_us: u64, source: &Source, at: Keyframe, estimate_bps: u64, full: bool) -> Option<Plan> {
        let (mut keyframe, mut rest) = (0, 0);
        for p in source.ring.since(at.first_seq) {
            let bytes = p.payload.len() as u64 + OVERHEAD;
            *(if p.frame == at.frame { &mut keyframe } else { &mut rest }) += bytes;
        }
        let span_us = now_us.saturating_sub(at.arrival_us).max(source.media_time_us(at.ts)).max(LEAST_SPAN_US);
        let media_bps = match source.steady_bps(now_us) {
            0 => (keyframe + rest) * 8_000_000 / span_us,
            rate => rate,
        };
        let full = full && estimate_bps > 0;
        if full {
            rest += std::mem::take(&mut keyframe);
        } else if rest <= AT_ONCE_BYTES || rest * 8_000 <= media_bps * AT_ONCE_MS {
            return None;
        }
        let wanted_bps = media_bps + media_bps.max(LEAST_SPARE_BPS);
        let room_bps = match estimate_bps {
            0 => wanted_bps,
            falling if full => falling / 100 * FULL_PERCENT,
            known => known,
        };
        let rate_bps = wanted_bps.min(room_bps).max(least(media_bps));
        let until_us = if full { now_us + FULL_US } else { now_us };
        let pace = Pacer { rate_bps, credit: keyframe as i64 + GROUP_BYTES, at_us: now_us, until_us };
        Some(Plan { pace, lasts_us: rest * 8_000_000 / (rate_bps - media_bps).max(1) })
    }
}

/// Anything slower never catches up.
fn least(media_bps: u64) -> u64 {
    media_bps + media_bps / 4 + 1
}

impl Pacer {
    /// Time passed. Whether it is worth sending something now. `media_bps`: what the media takes by now.
    pub fn ready(&mut self, now_us: u64, media_bps: u64) -> bool {
        let rate = self.rate_bps.max(least(media_bps));
        let us = now_us.saturating_sub(self.at_us).min(1_000_000);
        self.credit += (rate * us / 8_000_000) as i64;
        self.at_us = now_us;
        self.credit >= GROUP_BYTES
    }

    /// Whether a track that has caught up may send as packets come.
    pub fn is_over(&self, now_us: u64) -> bool {
        now_us >= self.until_us
    }

    /// Whether the tick's share is used up. Asked once per packet.
    pub fn is_spent(&self) -> bool {
        self.credit <= 0
    }

    /// Bytes were sent. Once per packet.
    pub fn spend(&mut self, bytes: u64) {
        self.credit -= bytes as i64;
    }
}
