//! Temporal layers: which packets a viewer of fewer layers does without, counted once at arrival for all such viewers.
//!
//! Sequence numbers of a thinned viewer follow from the packet alone: its own minus those skipped before it. A packet
//! that was missing when its successor came keeps its number free, since nobody knew its layer; should it turn out to
//! be of a layer the viewer does without, an empty packet takes the number.

use rillcast_wire::codec::LayerEntry;

use crate::packet::PacketRef;
use crate::ring::Ring;

/// What a viewer gets: layers up to its limit; from `ALL` on, everything.
pub const ALL: u8 = 2;
const LIMITS: usize = ALL as usize;

/// Packets and frames that a limit leaves out, since the source began; both wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub packets: u32,
    pub frames: u16,
}

/// One packet's place among the layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    pub id: u8,
    pub entry: LayerEntry,
    /// The first packet of its frame, and in order.
    pub starts: bool,
    /// It came after a successor, hence has a number whatever its layer.
    late: bool,
    /// Before this packet, by limit.
    skipped: [Skipped; LIMITS],
}

impl Layer {
    /// What a limit left out before this packet, since the source began.
    pub fn skipped(&self, limit: u8) -> Skipped {
        self.skipped.get(usize::from(limit)).copied().unwrap_or_default()
    }

    /// Whether a viewer with this limit gets the packet's content.
    pub fn within(&self, limit: u8) -> bool {
        limit >= ALL || self.id <= limit
    }

    /// Whether the packet has a sequence number under this limit.
    pub fn numbered(&self, limit: u8) -> bool {
        self.late || self.within(limit)
    }
}

/// Counts a source's packets.
#[derive(Debug, Default)]
pub struct LayerCount {
    frame: Option<u64>,
    id: u8,
    skipped: [Skipped; LIMITS],
}

impl LayerCount {
    /// The newest packet so far. Packets that don't tell their layer have that of their frame, or none.
    pub fn next(&mut self, frame: u64, id: Option<u8>, entry: LayerEntry) -> Layer {
        let starts = self.frame != Some(frame);
        if starts || id.is_some() {
            self.id = id.unwrap_or(0);
        }
        self.frame = Some(frame);
        let layer = Layer { id: self.id, entry, starts, late: false, skipped: self.skipped };
        for (limit, skipped) in self.skipped.iter_mut().enumerate().filter(|(l, _)| usize::from(layer.id) > *l) {
            debug_assert!(limit < LIMITS);
            skipped.packets = skipped.packets.wrapping_add(1);
            skipped.frames = skipped.frames.wrapping_add(u16::from(starts));
        }
        layer
    }

    /// A packet that comes after a successor.
    pub fn late(&self, seq: u64, id: Option<u8>, ring: &Ring) -> Layer {
        let skipped = ring.since(seq + 1).next().map_or(self.skipped, |p| p.layer.skipped);
        Layer { id: id.unwrap_or(0), entry: LayerEntry::None, starts: false, late: true, skipped }
    }
}

/// A run of packets under one limit: the number of packet `p` is its sequence number minus what was skipped in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinning {
    pub limit: u8,
    /// At the run's begin.
    pub before: Skipped,
}

impl Thinning {
    /// Everything is sent.
    pub const NONE: Thinning = Thinning { limit: ALL, before: Skipped { packets: 0, frames: 0 } };

    /// What the run left out before a packet.
    pub fn left_out(&self, layer: &Layer) -> Skipped {
        let now = layer.skipped(self.limit);
        Skipped {
            packets: now.packets.wrapping_sub(self.before.packets),
            frames: now.frames.wrapping_sub(self.before.frames),
        }
    }

    /// The packet whose number is `number`, in a run that begins at `first`. A dozen looks into the ring; for repairs.
    pub fn find<'a>(&self, ring: &'a Ring, first: u64, number: u64) -> Option<&'a PacketRef> {
        if self.limit >= ALL {
            return ring.get(number);
        }
        let number_of = |seq: u64| {
            let known = ring.since(seq).next()?;
            Some(seq.wrapping_sub(u64::from(self.left_out(&known.layer).packets)))
        };
        // The last packet with a number not above: those skipped share the number of the next that is not.
        let (mut low, mut high) = (first.max(ring.oldest()), ring.highest()? + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if number_of(middle).is_none_or(|n| n > number) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let seq = low.checked_sub(1)?;
        ring.get(seq).filter(|p| number_of(seq) == Some(number) && p.layer.numbered(self.limit))
    }
}

/// From `limit`, on the way to `wanted`: what may be sent from this packet on, if that is anything else.
pub fn step(limit: u8, wanted: u8, layer: &Layer) -> Option<u8> {
    if !layer.starts || wanted == limit {
        return None;
    }
    if wanted < limit {
        return Some(wanted);
    }
    match layer.entry {
        LayerEntry::Above if layer.id <= limit => Some(wanted),
        LayerEntry::Own if layer.id == limit + 1 => Some(layer.id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::packet::{Carried, Packet};

    fn put(ring: &mut Ring, layer: Layer, seq: u64) -> Layer {
        let packet = Packet {
            seq,
            ts: 0,
            marker: true,
            frame: seq,
            arrival_us: 0,
            carried: Carried::default(),
            layer,
            payload: Box::new([]),
        };
        assert!(ring.insert(Arc::new(packet), false));
        layer
    }

    /// Layers 0 2 1 2 0 2 1 2 …, one packet each; `missing` come at the end.
    fn filled(count: u64, missing: &[u64]) -> Ring {
        let (mut ring, mut counter) = (Ring::new(64), LayerCount::default());
        let id = |seq: u64| Some([0u8, 2, 1, 2][(seq % 4) as usize]);
        for seq in (0..count).filter(|s| !missing.contains(s)) {
            put(&mut ring, counter.next(seq, id(seq), LayerEntry::None), seq);
        }
        for &seq in missing {
            let layer = counter.late(seq, id(seq), &ring);
            put(&mut ring, layer, seq);
        }
        ring
    }

    fn numbers(ring: &Ring, limit: u8, first: u64) -> Vec<(u64, u64)> {
        let run = Thinning { limit, before: ring.get(first).unwrap().layer.skipped(limit) };
        ring.since(first)
            .filter(|p| p.layer.numbered(limit))
            .map(|p| {
                let number = p.seq - u64::from(run.left_out(&p.layer).packets);
                assert_eq!(run.find(ring, first, number).map(|p| p.seq), Some(p.seq), "{limit}: {number}");
                (number, p.seq)
            })
            .collect()
    }

    #[test]
    fn numbers_have_no_holes_and_lead_back_to_their_packets() {
        let ring = filled(40, &[]);
        assert_eq!(numbers(&ring, 0, 8)[..3], [(8, 8), (9, 12), (10, 16)]);
        assert_eq!(numbers(&ring, 1, 8)[..3], [(8, 8), (9, 10), (10, 12)]);
        for limit in 0..ALL {
            let seen = numbers(&ring, limit, 8);
            assert!(seen.windows(2).all(|w| w[1].0 == w[0].0 + 1));
        }
    }

    #[test]
    fn a_packet_that_was_missing_keeps_a_number_whatever_its_layer() {
        let ring = filled(40, &[9, 12, 13]);
        let seen = numbers(&ring, 0, 8);
        assert_eq!(seen[..5], [(8, 8), (9, 9), (10, 12), (11, 13), (12, 16)]);
        assert!(!ring.get(9).unwrap().layer.within(0) && ring.get(12).unwrap().layer.within(0));
    }

    #[test]
    fn a_number_whose_packet_never_came_is_not_found() {
        let (mut ring, mut counter) = (Ring::new(64), LayerCount::default());
        for seq in [0, 1, 2, 4, 5] {
            let layer = counter.next(seq, Some((seq % 2) as u8), LayerEntry::None);
            put(&mut ring, layer, seq);
        }
        let run = Thinning { limit: 0, before: Skipped::default() };
        let found: Vec<_> = (0..5).map(|n| run.find(&ring, 0, n).map(|p| p.seq)).collect();
        assert_eq!(found, [Some(0), Some(2), None, Some(4), None]);
    }

    #[test]
    fn layers_come_back_where_the_codec_allows_it() {
        let at = |id, entry| Layer { id, entry, starts: true, ..Layer::default() };
        assert_eq!(step(2, 0, &at(2, LayerEntry::None)), Some(0), "down at any frame");
        assert_eq!(step(0, 2, &at(1, LayerEntry::None)), None);
        assert_eq!(step(0, 2, &at(2, LayerEntry::Own)), None, "not past a layer");
        assert_eq!(step(0, 2, &at(1, LayerEntry::Own)), Some(1));
        assert_eq!(step(0, 2, &at(0, LayerEntry::Above)), Some(2));
        assert_eq!(step(0, 2, &at(1, LayerEntry::Above)), None, "that frame is not decoded itself");
        assert_eq!(step(2, 0, &Layer::default()), None, "not inside a frame");
    }
}
