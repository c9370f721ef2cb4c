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

/// A part of a parameter set that came in several packets: FU-A of RFC 6184 §5.8, FU of RFC 7798 §4.4.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFragment<'a> {
    /// What kind of set it is a part of.
    pub rank: Rank,
    /// Whether it is the first part.
    pub starts: bool,
    /// Whether it is the last part.
    pub ends: bool,
    /// The header of the NAL unit, of which the second byte is one of H.265 only.
    head: [u8; 2],
    body: &'a [u8],
}

/// The part of a parameter set that a payload holds. Called once per packet; most are looked at no further than their
/// first bytes.
#[inline]
pub fn set_fragment(codec: Codec, payload: &[u8]) -> Option<SetFragment<'_>> {
    let (fu, kind, head, body) = match (codec, payload) {
        (Codec::H264, [head, fu, body @ ..]) if head & 0x1F == 28 => {
            (fu, fu & 0x1F, [head & 0xE0 | fu & 0x1F, 0], body)
        }
        (Codec::H265, [head, layer, fu, body @ ..]) if head >> 1 & 0x3F == 49 => {
            (fu, fu & 0x3F, [head & 0x81 | (fu & 0x3F) << 1, *layer], body)
        }
        _ => return None,
    };
    let rank = match (codec, kind) {
        (Codec::H265, 32) => Rank::Video,
        (Codec::H264, 7) | (Codec::H265, 33) => Rank::Sequence,
        (Codec::H264, 8) | (Codec::H265, 34) => Rank::Picture,
        _ => return None,
    };
    Some(SetFragment { rank, starts: fu & 0x80 != 0, ends: fu & 0x40 != 0, head, body })
}

/// The NAL unit whose parts these are, the first one first.
pub fn joined<'a>(codec: Codec, parts: impl IntoIterator<Item = SetFragment<'a>>) -> Vec<u8> {
    let mut nal = vec![];
    for part in parts {
        if nal.is_empty() {
            nal.extend(&part.head[..head_len(codec)]);
        }
        nal.extend(part.body);
    }
    nal
}

fn head_len(codec: Codec) -> usize {
    1 + usize::from(codec == Codec::H265)
}

/// Payloads of at most `most` bytes that hold these NAL units in their order: several together if they fit, and one that
/// is too long in parts.
pub fn payloads<'a>(codec: Codec, nals: impl Iterator<Item = &'a [u8]>, most: usize) -> Vec<Vec<u8>> {
    let (mut out, mut together, mut bytes) = (vec![], vec![], 0);
    let close = |together: &mut Vec<&'a [u8]>, out: &mut Vec<Vec<u8>>| match together[..] {
        [] => {}
        [nal] if nal.len() > most => out.extend(parts(codec, nal, most)),
        [nal] => out.push(nal.to_vec()),
        _ => out.push(aggregate(codec, together.iter().copied())),
    };
    for nal in nals {
        if head_len(codec) + bytes + 2 + nal.len() > most {
            close(&mut together, &mut out);
            (together, bytes) = (vec![], 0);
        }
        together.push(nal);
        bytes += 2 + nal.len();
    }
    close(&mut together, &mut out);
    out
}

fn parts(codec: Codec, nal: &[u8], most: usize) -> Vec<Vec<u8>> {
    let (head, body) = nal.split_at(head_len(codec).min(nal.len()));
    let room = most.saturating_sub(head.len() + 1).max(1);
    let last = body.len().div_ceil(room).saturating_sub(1);
    let part = |(i, body): (usize, &[u8])| {
        let flags = u8::from(i == 0) << 7 | u8::from(i == last) << 6;
        let mut payload = match head {
            [head, layer] => vec![head & 0x81 | 49 << 1, *layer, flags | head >> 1 & 0x3F],
            _ => vec![head[0] & 0xE0 | 28, flags | head[0] & 0x1F],
        };
        payload.extend(body);
        payload
    };
    body.chunks(room).enumerate().map(part).collect()
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

    /// As a decoder would put them together again.
    fn whole(codec: Codec, payloads: &[Vec<u8>]) -> Vec<u8> {
        let parts: Vec<SetFragment<'_>> = payloads.iter().map(|p| set_fragment(codec, p).expect("a part")).collect();
        let flags: Vec<(bool, bool)> = parts.iter().map(|p| (p.starts, p.ends)).collect();
        assert!(flags.iter().enumerate().all(|(i, f)| *f == (i == 0, i == flags.len() - 1)), "{flags:?}");
        joined(codec, parts)
    }

    #[test]
    fn a_set_that_does_not_fit_goes_in_parts_and_comes_together_again() {
        let h264 = [SPS, &[7; 2_000]].concat();
        let h265 = [&[33 << 1, 1][..], &[7; 2_000]].concat();
        for (codec, nal, rank) in [(Codec::H264, h264, Rank::Sequence), (Codec::H265, h265, Rank::Sequence)] {
            let out = payloads(codec, [&nal[..]].into_iter(), 1_150);
            assert_eq!(out.iter().map(|p| p.len() <= 1_150).collect::<Vec<_>>(), [true, true]);
            assert_eq!(set_fragment(codec, &out[0]).map(|f| f.rank), Some(rank));
            assert_eq!(whole(codec, &out), nal);
        }
        assert_eq!(set_fragment(Codec::H264, &[0x7C, 0x85, 0x88]), None, "of a picture");
        assert_eq!(set_fragment(Codec::Vp8, &[0x7C, 0x87, 0x88]), None);
    }

    #[test]
    fn sets_share_payloads_as_far_as_they_fit_in_their_order() {
        let long = [SPS, &[7; 1_500]].concat();
        let out = payloads(Codec::H264, [SPS, PPS, &long, PPS_1, PPS].into_iter(), 1_150);
        assert_eq!(out[0], aggregate(Codec::H264, [SPS, PPS].into_iter()));
        assert_eq!(whole(Codec::H264, &out[1..3]), long);
        assert_eq!(out[3], aggregate(Codec::H264, [PPS_1, PPS].into_iter()));
        assert_eq!(payloads(Codec::H265, [PPS].into_iter(), 1_150), [PPS], "one alone is no aggregation packet");
        assert_eq!(payloads(Codec::H264, [].into_iter(), 1_150), Vec::<Vec<u8>>::new());
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
