//! Parameter sets: what a decoder of H.264 or H.265 has to have before the first picture.

use super::bits::Bits;
use super::Codec;
use crate::bytes::u16_at;

/// One parameter set, as a NAL unit with its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParameterSet<'a> {
    /// What kind of set it is.
    pub rank: Rank,
    /// Sets of one rank with different ids are in force together. Of H.265 that is said of picture sets only.
    pub id: u32,
    /// All of it, its header included.
    pub nal: &'a [u8],
}

/// Sets of a later rank refer to those of an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// The video parameter set of H.265 (VPS).
    Video,
    /// The sequence parameter set (SPS).
    Sequence,
    /// The picture parameter set (PPS).
    Picture,
}

impl Codec {
    /// What has to be there before a picture; nothing for codecs without parameter sets.
    pub fn needed_sets(self) -> &'static [Rank] {
        match self {
            Codec::H264 => &[Rank::Sequence, Rank::Picture],
            Codec::H265 => &[Rank::Video, Rank::Sequence, Rank::Picture],
            _ => &[],
        }
    }
}

/// The parameter sets that are whole in an RTP payload. Called once per packet; most are looked at no further than their
/// first byte.
pub fn parameter_sets(codec: Codec, payload: &[u8]) -> impl Iterator<Item = ParameterSet<'_>> {
    let (mut one, mut many) = (None, &[][..]);
    match (codec, payload) {
        (Codec::H264, [head, rest @ ..]) if head & 0x1F == 24 => many = rest,
        (Codec::H265, [head, _, rest @ ..]) if head >> 1 & 0x3F == 48 => many = rest,
        (Codec::H264 | Codec::H265, _) => one = Some(payload),
        _ => {}
    }
    let units = std::iter::from_fn(move || {
        one.take().or_else(|| {
            let nal = many.get(2..2 + usize::from(u16_at(many, 0)?))?;
            many = &many[2 + nal.len()..];
            Some(nal)
        })
    });
    units.filter_map(move |nal| parameter_set(codec, nal))
}

/// What a NAL unit says, if it is a parameter set.
pub fn parameter_set(codec: Codec, nal: &[u8]) -> Option<ParameterSet<'_>> {
    let (rank, id) = match (codec, nal) {
        (Codec::H264, [head, body @ ..]) => match head & 0x1F {
            7 => (Rank::Sequence, Bits::nal(body.get(3..)?).ue()?),
            8 => (Rank::Picture, Bits::nal(body).ue()?),
            _ => return None,
        },
        // Of the base layer: what decoders of viewers show.
        (Codec::H265, [head, layer, body @ ..]) if head & 1 == 0 && layer & 0xF8 == 0 => match head >> 1 & 0x3F {
            32 => (Rank::Video, 0),
            33 => (Rank::Sequence, 0),
            34 => (Rank::Picture, Bits::nal(body).ue()?),
            _ => return None,
        },
        _ => return None,
    };
    Some(ParameterSet { rank, id: u32::try_from(id).ok()?, nal })
}

/// One payload that holds these NAL units: STAP-A of RFC 6184 §5.7.1, aggregation packet of RFC 7798 §4.4.2.
pub fn aggregate<'a>(codec: Codec, nals: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = if codec == Codec::H265 { vec![48 << 1, 1] } else { vec![0x78] };
    for nal in nals {
        out.extend((nal.len() as u16).to_be_bytes());
        out.extend(nal);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 320x240, Baseline, of x264, with ids 0; and a second picture set with id 1.
    const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x0D, 0xDA, 0x05, 0x07, 0xE8, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0F, 3];
    const PPS: &[u8] = &[0x68, 0xCE, 0x0F, 0x2C, 0x80];
    const PPS_1: &[u8] = &[0x68, 0x4E, 0x0F, 0x2C];

    fn found(codec: Codec, payload: &[u8]) -> Vec<(Rank, u32, Vec<u8>)> {
        parameter_sets(codec, payload).map(|s| (s.rank, s.id, s.nal.to_vec())).collect()
    }

    #[test]
    fn sets_are_found_alone_and_among_others() {
        assert_eq!(found(Codec::H264, SPS), [(Rank::Sequence, 0, SPS.to_vec())]);
        let idr = [0x65, 0x88, 1, 2, 3];
        let stap = aggregate(Codec::H264, [SPS, PPS, PPS_1, &idr].into_iter());
        let (sps, pps, second) = (SPS.to_vec(), PPS.to_vec(), PPS_1.to_vec());
        assert_eq!(
            found(Codec::H264, &stap),
            [(Rank::Sequence, 0, sps), (Rank::Picture, 0, pps), (Rank::Picture, 1, second)]
        );
        assert_eq!(found(Codec::H264, &idr), []);
        assert_eq!(found(Codec::Vp8, SPS), []);
    }

    #[test]
    fn those_of_h265_are_found_too() {
        let (vps, pps) = (&[32 << 1, 1, 0x0C, 1][..], &[34 << 1, 1, 0xC1, 0x72][..]);
        let ap = aggregate(Codec::H265, [vps, pps].into_iter());
        assert_eq!(found(Codec::H265, &ap), [(Rank::Video, 0, vps.to_vec()), (Rank::Picture, 0, pps.to_vec())]);
        assert_eq!(found(Codec::H265, &[34 << 1, 9, 0xC1, 0x72]), [], "of another layer");
    }

    #[test]
    fn what_is_cut_short_is_none() {
        let stap = aggregate(Codec::H264, [SPS, PPS].into_iter());
        for len in 0..stap.len() {
            assert!(found(Codec::H264, &stap[..len]).len() < 2);
            found(Codec::H265, &stap[..len]);
        }
        assert_eq!(found(Codec::H264, &[0x67, 1, 2, 3]), [], "without an id");
    }
}
