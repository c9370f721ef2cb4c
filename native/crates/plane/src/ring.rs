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

/// Packets older than this are forgotten, unless a viewer that begins needs them: nobody wants a repair of them.
const KEEP_US: u64 = 5_000_000;
/// What the newest keyframe and all since may take at first, however old it is: ten seconds of 12 Mbit/s.
pub const MOST_BYTES: usize = 16 << 20;
/// What a packet takes besides its payload.
const OVERHEAD: usize = 128;

/// Written once per packet. Read for every viewer that begins, and for every packet that is repaired.
///
/// The newest keyframe and everything since stay for as long as they take no more than `limit` bytes and the ring can grow
/// to hold them. What is older than `KEEP_US` goes otherwise.
#[derive(Debug)]
pub struct Ring {
    slots: Vec<Option<PacketRef>>,
    mask: u64,
    /// The ring grows to so many packets where the newest keyframe needs it.
    most_packets: usize,
    bytes: usize,
    limit: usize,
    /// Everything before has been forgotten for its age.
    oldest: u64,
    highest: Option<u64>,
    keyframe: Option<Keyframe>,
    /// Keyframes that were forgotten before a newer one came, since this was asked.
    lost: u64,
}

impl Ring {
    /// `packets` and `most_packets` are rounded up to a power of two.
    pub fn new(packets: usize, most_packets: usize) -> Self {
        let n = packets.next_power_of_two();
        Ring {
            slots: vec![None; n],
            mask: n as u64 - 1,
            most_packets,
            bytes: 0,
            limit: MOST_BYTES,
            oldest: 0,
            highest: None,
            keyframe: None,
            lost: 0,
        }
    }

    /// What the newest keyframe and all since may take, from now on.
    pub fn limit_to(&mut self, now_us: u64, bytes: usize) {
        self.limit = bytes;
        if self.bytes > bytes {
            self.forget_before(now_us.saturating_sub(KEEP_US));
        }
    }

    /// How many keyframes were forgotten before a newer one came, since this was asked.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What is here, about.
    pub fn bytes(&self) -> usize {
        self.bytes
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

    /// Whether a packet that is here stays for a while: less than three quarters of what fits have come since.
    pub fn keeps(&self, seq: u64) -> bool {
        let room = self.slots.len().max(self.most_packets) as u64 * 3 / 4;
        self.highest.is_some_and(|h| h - seq < room) && self.bytes < self.limit / 4 * 3
    }

    /// Stores a packet. False if it is a duplicate or too old.
    pub fn insert(&mut self, packet: PacketRef, starts_keyframe: bool) -> bool {
        let too_old = self.highest.is_some_and(|h| h >= packet.seq + self.slots.len() as u64);
        if too_old || self.get(packet.seq).is_some() {
            return false;
        }
        if starts_keyframe {
            self.note_keyframe(&packet);
        }
        let highest = self.highest.map_or(packet.seq, |h| h.max(packet.seq));
        self.grow_for(highest);
        self.highest = Some(highest);
        self.forget_to((highest + 1).saturating_sub(self.slots.len() as u64));
        self.forget_before(packet.arrival_us.saturating_sub(KEEP_US));
        // One that comes out of order may belong before what was forgotten last.
        self.oldest = self.oldest.min(packet.seq);
        self.put(packet);
        true
    }

    /// Makes room for everything from the newest keyframe to `highest`.
    fn grow_for(&mut self, highest: u64) {
        let Some(needed) = self.keyframe() else { return };
        while highest - needed.first_seq >= self.slots.len() as u64
            && self.slots.len() < self.most_packets
            && self.bytes <= self.limit
        {
            let n = self.slots.len() * 2;
            let packets = std::mem::replace(&mut self.slots, vec![None; n]);
            (self.mask, self.bytes) = (n as u64 - 1, 0);
            packets.into_iter().flatten().for_each(|p| self.put(p));
        }
    }

    fn put(&mut self, packet: PacketRef) {
        self.bytes += packet.payload.len() + OVERHEAD;
        let slot = (packet.seq & self.mask) as usize;
        self.slots[slot] = Some(packet);
    }

    fn forget_to(&mut self, seq: u64) {
        if seq.saturating_sub(self.oldest) > self.slots.len() as u64 {
            self.slots.fill(None);
            (self.bytes, self.oldest) = (0, seq);
            self.lost += u64::from(self.keyframe.take_if(|k| k.first_seq < seq).is_some());
        }
        while self.oldest < seq {
            self.forget_oldest();
        }
    }

    fn forget_before(&mut self, us: u64) {
        while self.highest.is_some_and(|h| self.oldest < h) {
            let young = self.get(self.oldest).is_some_and(|p| p.arrival_us >= us);
            if young || (self.bytes <= self.limit && self.keyframe().is_some_and(|k| self.oldest >= k.first_seq)) {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let slot = &mut self.slots[(self.oldest & self.mask) as usize];
        if let Some(p) = slot.take_if(|p| p.seq == self.oldest) {
            self.bytes -= p.payload.len() + OVERHEAD;
            self.lost += u64::from(self.keyframe.take_if(|k| k.first_seq == self.oldest).is_some());
        }
        self.oldest += 1;
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

    /// A ring that does not grow.
    fn fixed(packets: usize) -> Ring {
        Ring::new(packets, packets)
    }

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
        let mut ring = fixed(4);
        for seq in 0..8 {
            assert!(ring.insert(packet(seq, 0), false));
        }
        assert!(!ring.contains(3));
        assert!(ring.contains(4));
        assert!(!ring.insert(packet(3, 0), false), "too old");
        assert!(!ring.insert(packet(7, 0), false), "duplicate");
        assert_eq!(ring.since(5).map(|p| p.seq).collect::<Vec<_>>(), [5, 6, 7]);
    }

    fn at(seq: u64, arrival_us: u64, bytes: usize) -> PacketRef {
        Arc::new(Packet {
            arrival_us,
            payload: vec![0; bytes].into(),
            ..Arc::into_inner(packet(seq, seq as u32)).unwrap()
        })
    }

    #[test]
    fn packets_are_forgotten_for_their_age_as_well() {
        let mut ring = fixed(64);
        ring.insert(at(1_000_000, 1, 0), false);
        ring.insert(at(1_000_002, 2, 0), false);
        ring.insert(at(1_000_003, 2 + KEEP_US, 0), false);
        assert!(!ring.contains(1_000_000));
        assert_eq!(ring.since(1_000_000).map(|p| p.seq).collect::<Vec<_>>(), [1_000_002, 1_000_003]);
        ring.insert(at(1_000_004, 9 * KEEP_US, 0), false);
        assert_eq!(ring.since(1_000_000).map(|p| p.seq).collect::<Vec<_>>(), [1_000_004]);
        assert!(ring.insert(at(1_000_003, 9 * KEEP_US, 0), false), "out of order");
        assert_eq!(ring.since(ring.oldest()).map(|p| p.seq).collect::<Vec<_>>(), [1_000_003, 1_000_004]);
    }

    #[test]
    fn the_newest_keyframe_stays_with_all_since_however_old_it_is() {
        let mut ring = Ring::new(4, 64);
        for seq in 0..5 {
            ring.insert(at(seq, seq, 0), false);
        }
        for seq in 5..65 {
            ring.insert(at(seq, seq * KEEP_US, 100), seq == 5);
        }
        assert_eq!(ring.keyframe().map(|k| k.first_seq), Some(5));
        assert_eq!(ring.since(0).map(|p| p.seq).collect::<Vec<_>>(), (5..65).collect::<Vec<_>>());
        assert!(ring.keeps(18) && !ring.keeps(16), "three quarters of 64");
        ring.insert(at(65, 65 * KEEP_US, 100), true);
        assert_eq!(ring.since(0).map(|p| p.seq).collect::<Vec<_>>(), [64, 65], "the one before is young");
        assert_eq!(ring.bytes(), 2 * (100 + OVERHEAD));
    }

    #[test]
    fn what_is_kept_for_its_keyframe_is_bounded_in_bytes() {
        let mut ring = Ring::new(64, 64);
        ring.limit_to(0, 10 * (1_000 + OVERHEAD));
        for seq in 0..40 {
            ring.insert(at(seq, seq * KEEP_US, 1_000), seq % 30 == 0);
            assert!(ring.bytes() <= 11 * (1_000 + OVERHEAD), "packet {seq}");
            assert_eq!(ring.keyframe().is_some(), !(11..30).contains(&seq), "packet {seq}");
            assert_eq!(ring.take_lost(), u64::from(seq == 11), "packet {seq}");
        }
    }

    #[test]
    fn a_lower_limit_holds_at_once_also_where_nothing_comes() {
        let mut ring = Ring::new(64, 64);
        for seq in 0..20 {
            ring.insert(at(seq, seq, 1_000), seq == 0);
        }
        ring.limit_to(KEEP_US / 2, 10_000);
        assert_eq!(ring.since(0).count(), 20, "what is young may still be repaired");
        ring.limit_to(9 * KEEP_US, 30_000);
        assert_eq!((ring.since(0).count(), ring.take_lost()), (20, 0));
        ring.limit_to(9 * KEEP_US, 10_000);
        assert!(ring.bytes() <= 10_000);
        assert_eq!((ring.keyframe(), ring.take_lost()), (None, 1));
    }

    #[test]
    fn what_a_ring_says_of_its_bytes_is_what_is_there() {
        let mut ring = Ring::new(8, 32);
        for turn in 0..2_000u64 {
            let seq = 1_000 + turn + fastrand::u64(0..12);
            ring.insert(at(seq, turn * fastrand::u64(1..KEEP_US), fastrand::usize(..500)), fastrand::u8(..) < 16);
            let there: usize = ring.slots.iter().flatten().map(|p| p.payload.len() + OVERHEAD).sum();
            assert_eq!(ring.bytes(), there);
            assert!(ring.slots.iter().flatten().all(|p| p.seq >= ring.oldest()));
            assert!(ring.slots.len() <= 32);
        }
    }

    #[test]
    fn the_keyframe_is_forgotten_with_its_first_packet() {
        let mut ring = fixed(4);
        ring.insert(packet(1, 9), true);
        ring.insert(packet(2, 9), true);
        assert_eq!(ring.keyframe().map(|k| k.first_seq), Some(1));
        for seq in 3..6 {
            ring.insert(packet(seq, 10), false);
        }
        assert_eq!(ring.keyframe(), None);
    }
}
