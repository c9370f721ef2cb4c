//! The numbers of a thinned viewer's packets, and the way back from a number to its packet in the ring.

use crate::layers::{Layer, Skipped, ALL};
use crate::packet::PacketRef;
use crate::ring::Ring;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rillcast_wire::codec::LayerEntry;

    use super::*;
    use crate::layers::LayerCount;
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
        let (mut ring, mut counter) = (Ring::new(64, 64), LayerCount::default());
        let id = |seq: u64| Some([0u8, 2, 1, 2][(seq % 4) as usize]);
        for seq in (0..count).filter(|s| !missing.contains(s)) {
            put(&mut ring, counter.next(seq, id(seq), LayerEntry::None), seq);
        }
        for &seq in missing {
            let layer = counter.late(id(seq), ring.since(seq + 1).next().map(|p| &p.layer));
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
        let (mut ring, mut counter) = (Ring::new(64, 64), LayerCount::default());
        for seq in [0, 1, 2, 4, 5] {
            let layer = counter.next(seq, Some((seq % 2) as u8), LayerEntry::None);
            put(&mut ring, layer, seq);
        }
        let run = Thinning { limit: 0, before: Skipped::default() };
        let found: Vec<_> = (0..5).map(|n| run.find(&ring, 0, n).map(|p| p.seq)).collect();
        assert_eq!(found, [Some(0), Some(2), None, Some(4), None]);
    }
}
