//! Payload inspection: the first byte picks the codec, the rest is the payload.

use rillcast_wire::codec::vp8::{frame_number, renumber, FrameNumber};
use rillcast_wire::codec::{inspect, Codec};

const CODECS: [Codec; 7] = [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus, Codec::Other];

pub fn run(data: &[u8]) {
    let Some((pick, payload)) = data.split_first() else { return };
    let info = inspect(CODECS[usize::from(*pick) % CODECS.len()], payload);
    assert!(!info.keyframe_start || info.frame_start);
    assert!(info.temporal_id.is_none_or(|t| t < 8));
    assert!(info.resolution.is_none_or(|(width, height)| width > 0 && height > 0));
    vp8_numbers(payload);
}

/// Flags, a PictureID of two bytes and a TL0PICIDX.
const LONGEST_VP8_NUMBERS: usize = 5;

/// A viewer's frame numbers are shifted in place: nothing else changes, and shifting back restores the payload.
fn vp8_numbers(payload: &[u8]) {
    let Some((by, payload)) = payload.split_first_chunk::<3>() else { return };
    if payload.len() < LONGEST_VP8_NUMBERS {
        return; // a number that is cut off may change its form
    }
    let by = FrameNumber { picture: u16::from_be_bytes([by[0], by[1]]), tl0: by[2] };
    let back = FrameNumber { picture: by.picture.wrapping_neg(), tl0: by.tl0.wrapping_neg() };
    let before = inspect(Codec::Vp8, payload);
    let mut shifted = payload.to_vec();
    renumber(&mut shifted, by);
    assert_eq!(inspect(Codec::Vp8, &shifted), before);
    renumber(&mut shifted, back);
    assert_eq!(frame_number(&shifted), frame_number(payload));
    assert_eq!(shifted, payload);
}
