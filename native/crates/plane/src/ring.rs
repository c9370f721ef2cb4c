//! The newest packets of a source, addressed by sequence number: repair, instant start and switches read from here.

use crate::packet::PacketRef;

/// Where the newest keyframe begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyframe {
    pub first_seq: u64,
    pub ts: u32,
    pub frame: u64,
    pub arrival_us: u64,
}

/// Packets older than this are forgotten: nobody begins that far back or wants a repair of it.
const KEEP_US: u64 = 5_000_000;

/// Written once per packet. Read for every viewer that begins, and for every packet that is repaired.
#[derive(Debug)]
pub struct Ring {
    slots: Vec<Option<PacketRef>>,
    mask: u64,
    /// Everything before has been forgotten for its age.
    oldest: u64,
    highest: Option<u64>,
    keyframe: Option<Keyframe>,
}

impl Ring {
    /// `capacity` is rounded up to a power of two.
    pub fn new(capacity: usize) -> Self {
        let n = capacity.next_power_of_two();
        Ring { slots: vec![None; n], mask: n as u64 - 1, oldest: 0, highest: None, keyframe: None }
    }

    /// The newest packet's sequence number.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// No packet with a lower sequence number is here.
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Whether the packet is still here.
    pub fn contains(&self, seq: u64) -> bool {
        self.get(seq).is_some()
    }

    /// The packet with this sequence number, if it is still here.
    pub fn get(&self, seq: u64) -> Option<&PacketRef> {
        self.slots[(seq & self.mask) as usize].as_ref().filter(|p| p.seq == seq)
    }

    /// Stores a packet. False if it is a duplicate or too old.
    pub fn insert(&mut self, packet: PacketRef, starts_keyframe: bool) -> bool {
        let slot = (packet.seq & self.mask) as usize;
        if self.slots[slot].as_ref().is_some_and(|p| p.seq >= packet.seq) {
            return false;
        }
        if starts_keyframe {
            self.note_keyframe(&packet);
        }
        let highest = self.highest.map_or(packet.seq, |h| h.max(packet.seq));
        self.highest = Some(highest);
        self.oldest = self.oldest.max((highest + 1).saturating_sub(self.slots.len() as u64));
        self.forget_before(packet.arrival_us.saturating_sub(KEEP_US));
        self.slots[slot] = Some(packet);
        true
    }

    fn forget_before(&mut self, us: u64) {
        while self.highest.is_some_and(|h| self.oldest < h) {
            let slot = &mut self.slots[(self.oldest & self.mask) as usize];
            if slot.as_ref().is_some_and(|p| p.seq == self.oldest && p.arrival_us >= us) {
                break;
            }
            *slot = None;
            self.oldest += 1;
        }
    }

    fn note_keyframe(&mut self, p: &PacketRef) {
        match &mut self.keyframe {
            Some(k) if k.ts == p.ts => k.first_seq = k.first_seq.min(p.seq),
            Some(k) if k.first_seq > p.seq => {}
            _ => {
                self.keyframe = Some(Keyframe { first_seq: p.seq, ts: p.ts, frame: p.frame, arrival_us: p.arrival_us })
            }
        }
    }

    /// The newest keyframe, if its first packet is still here.
    pub fn keyframe(&self) -> Option<Keyframe> {
        self.keyframe.filter(|k| self.contains(k.first_seq))
    }

    /// All packets from `seq` on, in order.
    pub fn since(&self, seq: u64) -> impl Iterator<Item = &PacketRef> {
        let end = self.highest.map_or(seq, |h| h + 1);
        (seq..end).filter_map(|s| self.get(s))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::packet::{Carried, Packet};

    fn packet(seq: u64, ts: u32) -> PacketRef {
        Arc::new(Packet {
            seq,
            ts,
            marker: false,
            frame: ts as u64,
            arrival_us: 0,
            carried: Carried::default(),
            layer: Default::default(),
            payload: Box::new([]),
        })
    }

    #[test]
    fn old_packets_give_way_to_new_ones_and_never_the_other_way() {
        let mut ring = Ring::new(4);
        for seq in 0..8 {
            assert!(ring.insert(packet(seq, 0), false));
        }
        assert!(!ring.contains(3));
        assert!(ring.contains(4));
        assert!(!ring.insert(packet(3, 0), false), "too old");
        assert!(!ring.insert(packet(7, 0), false), "duplicate");
        assert_eq!(ring.since(5).map(|p| p.seq).collect::<Vec<_>>(), [5, 6, 7]);
    }

    #[test]
    fn packets_are_forgotten_for_their_age_as_well() {
        let mut ring = Ring::new(64);
        let at = |seq, arrival_us| Arc::new(Packet { arrival_us, ..Arc::into_inner(packet(seq, 9)).unwrap() });
        ring.insert(at(1_000_000, 1), true);
        ring.insert(at(1_000_002, 2), false);
        assert!(ring.keyframe().is_some());
        ring.insert(at(1_000_003, 2 + KEEP_US), false);
        assert!(!ring.contains(1_000_000));
        assert_eq!(ring.keyframe(), None);
        assert_eq!(ring.since(1_000_000).map(|p| p.seq).collect::<Vec<_>>(), [1_000_002, 1_000_003]);
        ring.insert(at(1_000_004, 9 * KEEP_US), false);
        assert_eq!(ring.since(1_000_000).map(|p| p.seq).collect::<Vec<_>>(), [1_000_004]);
    }

    #[test]
    fn the_keyframe_is_forgotten_with_its_first_packet() {
        let mut ring = Ring::new(4);
        ring.insert(packet(1, 9), true);
        ring.insert(packet(2, 9), true);
        assert_eq!(ring.keyframe().map(|k| k.first_seq), Some(1));
        for seq in 3..6 {
            ring.insert(packet(seq, 10), false);
        }
        assert_eq!(ring.keyframe(), None);
    }
}
