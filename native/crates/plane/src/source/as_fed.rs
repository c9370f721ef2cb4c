//! What a source hands over when its feed goes on under another one.

use super::{Incoming, Source};
use crate::config::Kind;
use crate::packet::PacketRef;

/// How much of a sound is worth catching up on: what came while Python was being asked.
const HANDED_AUDIO_US: u64 = 100_000;

/// A packet that waits to be taken into another source, with the numbers that it had in the feed.
pub struct Fed {
    seq: u16,
    ts: u32,
    packet: PacketRef,
}

impl Fed {
    pub fn incoming(&self) -> Incoming<'_> {
        let p = &self.packet;
        Incoming { seq: self.seq, ts: self.ts, marker: p.marker, carried: p.carried.clone(), payload: &p.payload }
    }
}

impl Source {
    /// The packets with which another source can begin: of video those from the newest keyframe on, and none without one.
    pub fn as_fed(&self, now_us: u64) -> Vec<Fed> {
        let (from, oldest_us) = match self.kind {
            Kind::Video => (self.ring.keyframe().map(|k| k.first_seq), 0),
            Kind::Audio => (Some(self.ring.oldest()), now_us.saturating_sub(HANDED_AUDIO_US)),
        };
        let packets = from.into_iter().flat_map(|seq| self.ring.since(seq)).filter(|p| p.arrival_us >= oldest_us);
        let fed = |p: &PacketRef| Fed {
            seq: self.numbers.fed(p.seq) as u16,
            ts: p.ts.wrapping_sub(self.ts_offset),
            packet: p.clone(),
        };
        packets.map(fed).collect()
    }
}
