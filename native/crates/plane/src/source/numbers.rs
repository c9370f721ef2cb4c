//! The numbers that a feed's packets have in the source's own unbroken sequence, where packets of ours lie between them.

/// So many of the newest places at which packets of ours were put are remembered, for packets that come late.
const PLACES: usize = 4;

/// From the feed's numbers to the source's. Asked once per packet.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    offset: u64,
    /// The newest one first.
    places: [Place; PLACES],
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The feed's packet before which there are packets of ours.
    before: u64,
    packets: u64,
}

impl Numbers {
    /// Another feed: its packet `fed` becomes `seq`.
    pub fn restart(&mut self, fed: u64, seq: u64) {
        *self = Numbers { offset: seq.wrapping_sub(fed), ..Numbers::default() };
    }

    /// The source's number of the feed's packet `fed`.
    #[inline]
    pub fn of(&self, fed: u64) -> u64 {
        if fed >= self.places[0].before {
            return fed.wrapping_add(self.offset);
        }
        let passed = self.places.iter().filter(|p| fed < p.before).map(|p| p.packets).sum();
        fed.wrapping_add(self.offset).wrapping_sub(passed)
    }

    /// The feed's packet `fed`, the newest one, comes behind so many packets of ours.
    pub fn make_room(&mut self, fed: u64, packets: u64) {
        self.offset = self.offset.wrapping_add(packets);
        self.places.rotate_right(1);
        self.places[0] = Place { before: fed, packets };
    }

    /// The feed's number of a packet that came behind all of ours.
    pub fn fed(&self, seq: u64) -> u64 {
        seq.wrapping_sub(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_packets_find_their_places_among_several_of_ours() {
        let mut n = Numbers::default();
        n.restart(10, 100);
        assert_eq!(n.of(10), 100);
        n.make_room(12, 1);
        n.make_room(14, 3);
        let all: Vec<u64> = (10..16).map(|fed| n.of(fed)).collect();
        assert_eq!(all, [100, 101, 103, 104, 108, 109]);
        assert_eq!(n.fed(109), 15);
        n.restart(7, 110);
        assert_eq!(n.of(7), 110);
    }
}
