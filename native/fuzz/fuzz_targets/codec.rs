//! Payload inspection: the first byte picks the codec, the rest is the payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rillcast_wire::codec::{inspect, Codec};

const CODECS: [Codec; 5] = [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1];

fuzz_target!(|data: &[u8]| {
    let Some((pick, payload)) = data.split_first() else { return };
    let info = inspect(CODECS[usize::from(*pick) % CODECS.len()], payload);
    assert!(!info.keyframe_start || info.frame_start);
    assert!(info.temporal_id.is_none_or(|t| t < 8));
    assert!(info.resolution.is_none_or(|(width, height)| width > 0 && height > 0));
});
