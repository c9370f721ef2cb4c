//! The parameter sets of a source, kept for viewers who come later. Some encoders send them with their first picture only,
//! and some only in the SDP: they are put before every picture at which a viewer can begin, unless they come with it.

use rillcast_wire::codec::{self, Codec, Rank};

/// What is kept of one source: what fits into one packet. Encoders have two or three sets.
const MOST_SETS: usize = 16;
const MOST_BYTES: usize = 1_150;

/// The newest of each rank and id that one source has had.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    /// The one that came longest ago first.
    kept: Vec<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    rank: Rank,
    id: u32,
    nal: Box<[u8]>,
    /// The timestamp of the picture with which it came last.
    ts: Option<u32>,
}

impl ParameterSets {
    /// Keeps those in a payload.
    pub fn note(&mut self, codec: Codec, payload: &[u8], ts: u32) {
        for set in codec::parameter_sets(codec, payload) {
            self.keep(set, Some(ts));
        }
    }

    /// One that the SDP or another plane told, as a NAL unit.
    pub fn told(&mut self, codec: Codec, nal: &[u8]) {
        if let Some(set) = codec::parameter_set(codec, nal) {
            self.keep(set, None);
        }
    }

    /// All, as NAL units.
    pub fn nals(&self) -> impl Iterator<Item = &[u8]> {
        self.kept.iter().map(|k| &*k.nal)
    }

    fn keep(&mut self, set: codec::ParameterSet<'_>, ts: Option<u32>) {
        if set.nal.len() > MOST_BYTES {
            return;
        }
        self.kept.retain(|k| (k.rank, k.id) != (set.rank, set.id));
        self.kept.push(Kept { rank: set.rank, id: set.id, nal: set.nal.into(), ts });
        while self.kept.len() > MOST_SETS || self.kept.iter().map(|k| k.nal.len() + 2).sum::<usize>() > MOST_BYTES {
            self.kept.remove(0);
        }
    }

    /// The payload that has to come before the picture with this timestamp. None if its sets came with it, or if not all
    /// that it needs are known.
    pub fn missing_before(&self, codec: Codec, ts: u32) -> Option<Vec<u8>> {
        let needed = codec.needed_sets();
        let has =
            |of: &dyn Fn(&&Kept) -> bool| needed.iter().all(|r| self.kept.iter().filter(of).any(|k| k.rank == *r));
        if needed.is_empty() || !has(&|_| true) || has(&|k| k.ts == Some(ts)) {
            return None;
        }
        let mut sets: Vec<&Kept> = self.kept.iter().collect();
        sets.sort_by_key(|k| (k.rank, k.id));
        Some(codec::aggregate(codec, sets.iter().map(|k| &*k.nal)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x0D, 0xDA, 0x05, 0x07, 0xE8];
    const PPS: &[u8] = &[0x68, 0xCE, 0x0F, 0x2C, 0x80];

    #[test]
    fn they_are_missing_once_they_are_known_and_did_not_come_along() {
        let mut sets = ParameterSets::default();
        assert_eq!(sets.missing_before(Codec::H264, 9), None, "nothing is known");
        sets.note(Codec::H264, SPS, 9);
        assert_eq!(sets.missing_before(Codec::H264, 10), None, "not all is known");
        sets.note(Codec::H264, PPS, 9);
        assert_eq!(sets.missing_before(Codec::H264, 9), None, "they came");
        let expected = [&[0x78, 0, 8][..], SPS, &[0, 5], PPS].concat();
        assert_eq!(sets.missing_before(Codec::H264, 10), Some(expected.clone()));
        sets.note(Codec::H264, PPS, 10);
        assert_eq!(sets.missing_before(Codec::H264, 10), Some(expected), "only one of the two came");
        assert_eq!(sets.missing_before(Codec::Vp8, 10), None);
    }

    #[test]
    fn a_newer_set_takes_the_place_of_the_one_with_its_id() {
        let mut sets = ParameterSets::default();
        sets.told(Codec::H264, SPS);
        sets.told(Codec::H264, PPS);
        let newer = [SPS, &[1]].concat();
        sets.note(Codec::H264, &newer, 1);
        assert_eq!(sets.nals().collect::<Vec<_>>(), [PPS, &newer]);
        sets.told(Codec::H264, &[0x65, 0x88]);
        assert_eq!(sets.nals().count(), 2, "a picture is none");
    }

    #[test]
    fn no_more_is_kept_than_fits_into_a_packet() {
        let mut sets = ParameterSets::default();
        for turn in 0..5_000 {
            let mut nal = vec![0; fastrand::usize(2..1_400)];
            fastrand::fill(&mut nal);
            nal[0] = 0x67 + fastrand::u8(..2);
            sets.note(Codec::H264, &nal, turn);
            assert!(sets.kept.len() <= MOST_SETS);
            assert!(sets.missing_before(Codec::H264, turn + 1).is_none_or(|p| p.len() <= MOST_BYTES + 1));
        }
    }
}
