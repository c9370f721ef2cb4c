//! The parameter sets of a source, kept for viewers who come later. Some encoders send them with their first picture only,
//! and some only in the SDP: they are put before every picture at which a viewer can begin, unless they come with it.

use rillcast_wire::codec::{self, Codec, PayloadInfo, Rank};

/// What is kept of one source. Encoders have two or three sets, of less than a hundred bytes each.
const MOST_SETS: usize = 64;
const MOST_BYTES: usize = 4_096;
/// What goes into one packet.
const MOST_PAYLOAD: usize = 1_150;
/// A set that comes in more packets than this is not kept.
pub const MOST_PARTS: u64 = 16;

/// The newest of each rank and id that one encoder has sent, or that the SDP told.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    /// The one that came longest ago first.
    kept: Vec<Kept>,
    /// Those of the SDP hold for whatever encoder the publisher goes on with.
    told: Vec<Box<[u8]>>,
    came: Came,
    /// Sets that were not kept, or no longer, since somebody asked.
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    rank: Rank,
    id: u32,
    nal: Box<[u8]>,
}

/// The ranks of which sets have come with the newest picture, as bits.
#[derive(Clone, Copy, Debug, Default)]
struct Came {
    ts: u32,
    /// With packets before the newest one.
    before: u8,
    all: u8,
}

impl Came {
    fn has(&self, rank: Rank) -> bool {
        self.all & bit(rank) != 0
    }
}

fn bit(rank: Rank) -> u8 {
    1 << rank as u8
}

impl ParameterSets {
    /// Keeps those in a payload. Whether it holds a part of one. Once per packet. `late`: newer ones came before.
    pub fn note(&mut self, codec: Codec, payload: &[u8], ts: u32, late: bool) -> bool {
        let part = codec::set_fragment(codec, payload);
        let mut ranks = part.map_or(0, |p| bit(p.rank));
        for set in codec::parameter_sets(codec, payload) {
            ranks |= bit(set.rank);
            self.keep(set);
        }
        if !late || ts == self.came.ts {
            let before = self.came_with(ts).all;
            self.came = Came { ts, before, all: before | ranks };
        }
        part.is_some()
    }

    fn came_with(&self, ts: u32) -> Came {
        if ts == self.came.ts {
            self.came
        } else {
            Came::default()
        }
    }

    /// One that came in several packets, as a NAL unit.
    pub fn joined(&mut self, codec: Codec, nal: &[u8]) {
        if let Some(set) = codec::parameter_set(codec, nal) {
            self.keep(set);
        }
    }

    /// One that the SDP told, as a NAL unit.
    pub fn told(&mut self, codec: Codec, nal: &[u8]) {
        self.joined(codec, nal);
        if self.kept.last().is_some_and(|k| *k.nal == *nal) {
            self.told.push(nal.into());
        }
    }

    /// So many came that are not kept.
    pub fn count_dropped(&mut self, sets: u64) {
        self.dropped += sets;
    }

    /// Another encoder has begun: only what the SDP told holds.
    pub fn restart(&mut self, codec: Codec) {
        let told = std::mem::take(&mut self.told);
        *self = ParameterSets { dropped: self.dropped, ..ParameterSets::default() };
        told.iter().for_each(|nal| self.told(codec, nal));
    }

    /// How many were dropped since this was asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// All, as NAL units.
    pub fn nals(&self) -> impl Iterator<Item = &[u8]> {
        self.kept.iter().map(|k| &*k.nal)
    }

    /// Where there is no room, older ones of the same rank go first, then older ones of others. The newest one of each rank
    /// stays: without it, nobody could begin.
    fn keep(&mut self, set: codec::ParameterSet<'_>) {
        self.kept.retain(|k| (k.rank, k.id) != (set.rank, set.id));
        let newest = |i: &usize| !self.kept[i + 1..].iter().any(|k| k.rank == self.kept[*i].rank);
        let others = (0..self.kept.len()).filter(newest).filter(|i| self.kept[*i].rank != set.rank);
        let least: usize = others.map(|i| self.kept[i].takes()).sum();
        let kept = Kept { rank: set.rank, id: set.id, nal: set.nal.into() };
        if least + kept.takes() > MOST_BYTES {
            return self.count_dropped(1);
        }
        while self.kept.len() >= MOST_SETS || self.bytes() + kept.takes() > MOST_BYTES {
            let older = |k: &&Kept| self.kept.iter().filter(|o| o.rank == k.rank).count() > 1;
            let same = self.kept.iter().position(|k| k.rank == set.rank);
            let Some(first) = same.or_else(|| self.kept.iter().position(|k| older(&k))) else { break };
            self.kept.remove(first);
            self.count_dropped(1);
        }
        self.kept.push(kept);
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(Kept::takes).sum()
    }

    /// The payloads that have to come before the packet that was noted last: the first one of a picture at which a viewer
    /// can begin, or of sets before such a picture. None if all came along, or if not all that is needed are known.
    pub fn missing_before(&self, codec: Codec, ts: u32, info: &PayloadInfo) -> Option<Vec<Vec<u8>>> {
        if !info.keyframe_start {
            return None;
        }
        let (needed, came, intra) = (codec.needed_sets(), self.came_with(ts), info.intra_picture);
        let lowest = needed.iter().find(|r| came.has(**r));
        let missing = || {
            let before = |r: &&Rank| intra || lowest.is_some_and(|l| *r < l);
            needed.iter().filter(|r| !came.has(**r)).filter(before)
        };
        let known = missing().all(|r| self.kept.iter().any(|k| k.rank == *r));
        let (first, last) = (missing().next()?, missing().next_back()?);
        if !known || !(intra || came.before == 0) {
            return None;
        }
        // Decoders take a set only behind those to which it refers.
        let in_order = |rank: Rank| if came.before == 0 { rank <= *last } else { rank >= *first };
        let mut sets: Vec<&Kept> = self.kept.iter().filter(|k| in_order(k.rank)).collect();
        sets.sort_by_key(|k| (k.rank, k.id));
        Some(codec::payloads(codec, sets.iter().map(|k| &*k.nal), MOST_PAYLOAD))
    }
}

impl Kept {
    fn takes(&self) -> usize {
        self.nal.len() + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x0D, 0xDA, 0x05, 0x07, 0xE8];
    const PPS: &[u8] = &[0x68, 0xCE, 0x0F, 0x2C, 0x80];
    const IDR: &[u8] = &[0x65, 0x88, 1];

    impl ParameterSets {
        /// What is missing before a picture of H.264 with this timestamp that begins with `first`.
        fn before(&mut self, first: &[u8], ts: u32) -> Option<Vec<Vec<u8>>> {
            self.note(Codec::H264, first, ts, false);
            self.missing_before(Codec::H264, ts, &codec::inspect(Codec::H264, first))
        }
    }

    fn both() -> Vec<u8> {
        codec::aggregate(Codec::H264, [SPS, PPS].into_iter())
    }

    #[test]
    fn they_are_missing_once_they_are_known_and_did_not_come_along() {
        let mut sets = ParameterSets::default();
        assert_eq!(sets.before(IDR, 8), None, "nothing is known");
        sets.note(Codec::H264, SPS, 9, false);
        assert_eq!(sets.before(IDR, 10), None, "not all is known");
        sets.note(Codec::H264, SPS, 11, false);
        sets.note(Codec::H264, PPS, 11, false);
        assert_eq!(sets.before(IDR, 11), None, "they came");
        assert_eq!(sets.before(IDR, 12), Some(vec![both()]));
        assert_eq!(sets.missing_before(Codec::Vp8, 13, &codec::inspect(Codec::H264, IDR)), None);
    }

    #[test]
    fn only_those_that_did_not_come_along_are_put_there_as_far_as_their_order_allows() {
        let mut sets = ParameterSets::default();
        [SPS, PPS].iter().for_each(|s| sets.told(Codec::H264, s));
        sets.note(Codec::H264, SPS, 1, false);
        assert_eq!(sets.before(IDR, 1), Some(vec![PPS.to_vec()]));
        sets.note(Codec::H264, PPS, 2, false);
        assert_eq!(sets.before(IDR, 2), Some(vec![both()]), "a picture set counts only behind the one it refers to");
        let stap = codec::aggregate(Codec::H264, [PPS, IDR].into_iter());
        assert_eq!(sets.before(&stap, 3), Some(vec![SPS.to_vec()]));
        let stap = codec::aggregate(Codec::H264, [SPS, IDR].into_iter());
        assert_eq!(sets.before(&stap, 4), Some(vec![both()]));
    }

    #[test]
    fn a_newer_set_takes_the_place_of_the_one_with_its_id() {
        let mut sets = ParameterSets::default();
        sets.told(Codec::H264, SPS);
        sets.told(Codec::H264, PPS);
        let newer = [SPS, &[1]].concat();
        sets.note(Codec::H264, &newer, 1, false);
        assert_eq!(sets.nals().collect::<Vec<_>>(), [PPS, &newer]);
        sets.told(Codec::H264, &[0x65, 0x88]);
        assert_eq!(sets.nals().count(), 2, "a picture is none");
    }

    #[test]
    fn another_encoder_has_only_what_the_sdp_told() {
        let mut sets = ParameterSets::default();
        sets.told(Codec::H264, SPS);
        sets.note(Codec::H264, &[SPS, &[1]].concat(), 1, false);
        sets.note(Codec::H264, PPS, 1, false);
        for _ in 0..2 {
            sets.restart(Codec::H264);
            assert_eq!(sets.nals().collect::<Vec<_>>(), [SPS]);
        }
        assert_eq!(sets.take_dropped(), 0);
    }

    /// `68` and the id as an Exp-Golomb code, then `more` bytes.
    fn picture_set(id: u32, more: usize) -> Vec<u8> {
        let bits = format!("{}{:b}1", "0".repeat((id + 1).ilog2() as usize), id + 1);
        let bytes = bits
            .as_bytes()
            .chunks(8)
            .map(|b| b.iter().enumerate().fold(0, |byte, (i, bit)| byte | (bit - b'0') << (7 - i)));
        [0x68].into_iter().chain(bytes).chain(vec![0xFF; more]).collect()
    }

    #[test]
    fn a_flood_of_ids_or_a_long_set_pushes_nothing_else_out_and_is_counted() {
        for (floods, more) in [(300, 0), (20, 900)] {
            let mut sets = ParameterSets::default();
            sets.note(Codec::H264, SPS, 1, false);
            for id in 0..floods {
                sets.note(Codec::H264, &picture_set(id, more), 1, false);
            }
            let kept: Vec<Vec<u8>> = sets.nals().map(<[u8]>::to_vec).collect();
            assert_eq!((&kept[0][..], kept.last()), (SPS, Some(&picture_set(floods - 1, more))));
            assert_eq!(sets.take_dropped(), u64::from(floods) + 1 - kept.len() as u64);
        }
        let mut sets = ParameterSets::default();
        for set in [SPS, PPS] {
            sets.note(Codec::H264, set, 1, false);
        }
        let long = picture_set(1, 4_082);
        sets.note(Codec::H264, &long, 1, false);
        assert_eq!(sets.nals().collect::<Vec<_>>(), [SPS, &long], "as long as it may be");
        sets.note(Codec::H264, &picture_set(2, 4_083), 1, false);
        assert_eq!(sets.nals().collect::<Vec<_>>(), [SPS, &long], "longer");
        assert_eq!(sets.take_dropped(), 2);
    }

    #[test]
    fn no_more_is_kept_than_fits_and_each_that_is_not_is_counted() {
        let mut sets = ParameterSets::default();
        for turn in 0..5_000 {
            let mut nal = vec![0; fastrand::usize(2..1_400)];
            fastrand::fill(&mut nal);
            nal[0] = 0x67 + fastrand::u8(..2);
            let (ranks, had) = (sets.ranks(), sets.kept.len() as u64);
            sets.note(Codec::H264, &nal, turn, false);
            assert!(sets.kept.len() <= MOST_SETS && sets.bytes() <= MOST_BYTES);
            assert!(ranks.iter().all(|r| sets.ranks().contains(r)), "the newest one of each rank stays");
            assert!(sets.take_dropped() + sets.kept.len() as u64 <= had + 1);
            let packets = sets.before(IDR, turn + 1).unwrap_or_default();
            assert!(packets.len() <= 9 && packets.iter().all(|p| p.len() <= MOST_PAYLOAD));
        }
    }

    impl ParameterSets {
        fn ranks(&self) -> Vec<Rank> {
            [Rank::Sequence, Rank::Picture].into_iter().filter(|r| self.kept.iter().any(|k| k.rank == *r)).collect()
        }
    }
}
