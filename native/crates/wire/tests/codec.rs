//! Payload inspection with headers made by x264, x265, libvpx and SVT-AV1, and with arbitrary bytes.

mod common;

use common::hex;
use proptest::collection::vec;
use proptest::prelude::*;
use rillcast_wire::codec::{inspect, Codec, LayerEntry, PayloadInfo};

const ALL: [Codec; 7] = [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus, Codec::Other];

fn of(codec: Codec, text: &str) -> PayloadInfo {
    inspect(codec, &hex(text))
}

fn starts(codec: Codec, text: &str) -> (bool, bool) {
    let info = of(codec, text);
    (info.keyframe_start, info.frame_start)
}

const X264_SPS_720P: &str = "6742c01fda014016e840000003004000000f23c60ca8";
const X264_PPS: &str = "68ce0fc8";
const X264_IDR: &str = "6588843a118a0002";
const X264_P: &str = "419a207af0a4";

#[test]
fn h264_sps_tells_the_size() {
    for (sps, size) in [
        (X264_SPS_720P, (1280, 720)),
        ("6742c028da01e0089f9610000003001000000303c8f1832a", (1920, 1080)),
        ("6742c01fda0360f79b84000003000400000300f23c60ca80", (854, 480)),
        ("6742c00dda05421e222210000003001000000303c8f142aa", (322, 242)),
        // High profile.
        ("6764001eacb405017fcb08000003000800000301e478b175", (640, 360)),
        // Field or frame coding (frame_mbs_only_flag = 0).
        ("674d4028f403c0227ee10000030001000003003c9f162ea0", (1920, 1080)),
        // 4:4:4 and 4:2:2 crop in other units.
        ("67f4001f919680f41178fb84000003000400000300f03c60ca80", (962, 542)),
        ("677a001fbcb407a08bc45c20000003002000000781e30654", (962, 542)),
    ] {
        assert_eq!(of(Codec::H264, sps).resolution, Some(size), "{sps}");
    }
}

#[test]
fn h264_sps_cut_short_is_still_where_to_start() {
    let info = of(Codec::H264, "6742c01fda");
    assert_eq!((info.keyframe_start, info.resolution), (true, None));
}

#[test]
fn h264_single_units() {
    assert_eq!(starts(Codec::H264, X264_SPS_720P), (true, true));
    assert_eq!(starts(Codec::H264, X264_PPS), (false, true));
    assert_eq!(starts(Codec::H264, X264_IDR), (true, true));
    assert_eq!(starts(Codec::H264, X264_P), (false, true));
    assert_eq!(starts(Codec::H264, "0601014280"), (false, true), "SEI");
    assert_eq!(starts(Codec::H264, "653c"), (false, false), "later slice of an IDR picture");
    assert_eq!(starts(Codec::H264, "413c"), (false, false), "later slice");
}

#[test]
fn h264_aggregates() {
    let stap = format!("78 0016{X264_SPS_720P} 0004{X264_PPS} 0008{X264_IDR}");
    let info = of(Codec::H264, &stap);
    assert_eq!((info.keyframe_start, info.frame_start, info.resolution), (true, true, Some((1280, 720))));
    assert_eq!(starts(Codec::H264, &format!("78 0006{X264_P}")), (false, true));
    assert_eq!(starts(Codec::H264, &format!("78 0005 0601014280 0008{X264_IDR}")), (true, true), "IDR behind SEI");
    assert_eq!(starts(Codec::H264, &format!("78 0000 00ff{X264_IDR}")), (false, false), "cut off");
}

#[test]
fn h264_fragments() {
    assert_eq!(starts(Codec::H264, "7c85 88843a118a"), (true, true), "first of an IDR slice");
    assert_eq!(starts(Codec::H264, "7c05 88843a118a"), (false, false), "middle");
    assert_eq!(starts(Codec::H264, "7c45 88843a118a"), (false, false), "last");
    assert_eq!(starts(Codec::H264, "5c81 9a207af0a4"), (false, true), "first of a P slice");
    assert_eq!(starts(Codec::H264, "7c85 3c843a"), (false, false), "later slice of an IDR picture");
    let sps = format!("7c87 {}", &X264_SPS_720P[2..]);
    assert_eq!(of(Codec::H264, &sps).resolution, Some((1280, 720)));
}

#[test]
fn h265_units_by_x265() {
    assert_eq!(starts(Codec::H265, "40010c01ffff01600000030090000003000003005dba0240"), (true, true), "VPS");
    assert_eq!(starts(Codec::H265, "4401c0718312"), (false, true), "PPS");
    assert_eq!(starts(Codec::H265, "2801adc2e5f4e307"), (true, true), "IDR");
    assert_eq!(starts(Codec::H265, "28012dc2e5f4e307"), (false, false), "later slice");
    assert_eq!(starts(Codec::H265, "0201d0097882"), (false, true), "trailing picture");
    assert_eq!(starts(Codec::H265, "620194 adc2e5"), (true, true), "first fragment of an IDR");
    assert_eq!(starts(Codec::H265, "620114 adc2e5"), (false, false), "middle fragment");
    assert_eq!(starts(Codec::H265, "6001 0006 4401c0718312 0008 2801adc2e5f4e307"), (true, true), "aggregate");
    assert_eq!(of(Codec::H265, "0203d0").temporal_id, Some(2));
    assert_eq!(of(Codec::H265, "0203d0").entry, LayerEntry::None, "TRAIL_R");
    assert_eq!(of(Codec::H265, "0402d0").entry, LayerEntry::Own, "TSA_N");
    assert_eq!(of(Codec::H265, "2801adc2e5f4e307").entry, LayerEntry::Above, "IDR");
}

#[test]
fn h265_parameter_sets_and_a_picture_in_one_packet() {
    let vps = "0018 40010c01ffff01600000030090000003000003005dba0240";
    let sps = "0028 42010101600000030090000003000003005da00280802d165ba4a4c2e68080000003008000000f04";
    let info = of(Codec::H265, &format!("6001 {vps} {sps} 0006 4401c0718312 0008 2801adc2e5f4e307"));
    assert_eq!((info.keyframe_start, info.frame_start), (true, true));
    assert_eq!((info.resolution, info.temporal_id, info.entry), (Some((1280, 720)), Some(0), LayerEntry::Above));
    let fragment = "6202a1 0101600000030090000003000003005da00280802d165ba4a4c2e68080000003008000000f04";
    assert_eq!(of(Codec::H265, fragment).resolution, Some((1280, 720)), "first fragment of an SPS");
    assert_eq!(of(Codec::H265, fragment).temporal_id, Some(1));
}

#[test]
fn h265_pictures_where_decoding_may_begin() {
    for kind in 0..=63u8 {
        let payload = [kind << 1, 1, 0xad, 0xc2, 0xe5, 0xf4];
        let irap = (16..=21).contains(&kind);
        let info = inspect(Codec::H265, &payload);
        assert_eq!(info.keyframe_start, irap || kind == 32 || kind == 33, "type {kind}");
        assert_eq!(info.entry == LayerEntry::Above, irap, "type {kind}");
        assert_eq!(info.entry == LayerEntry::Own, (2..=5).contains(&kind), "type {kind}");
        let first_fragment = inspect(Codec::H265, &[0x62, 1, 0x80 | kind, 0xad, 0xc2]);
        assert_eq!(first_fragment.keyframe_start, info.keyframe_start, "fragment of type {kind}");
    }
}

#[test]
fn h265_packets_that_are_not_read() {
    assert_eq!(starts(Codec::H265, "6401 2600 80 adc2e5f4"), (false, false), "PACI around an IDR");
    assert_eq!(starts(Codec::H265, "6001 000a 6001 0006 2801adc2e5f4"), (false, false), "an aggregate in an aggregate");
    assert_eq!(starts(Codec::H265, "6001 0006 620194 adc2e5"), (false, false), "a fragment in an aggregate");
    assert_eq!(starts(Codec::H265, "6001 0009 2801adc2e5f4"), (false, false), "cut off");
    assert_eq!(
        starts(Codec::H265, "6001 0001 28 0000 0008 2801adc2e5f4e307"),
        (true, true),
        "behind what is too short"
    );
    assert_eq!(starts(Codec::H265, "6201"), (false, false), "a fragment without a header");
    assert_eq!(of(Codec::H265, "28"), PayloadInfo::default(), "half a header");
    assert_eq!(of(Codec::H265, "0200d0").temporal_id, None, "nuh_temporal_id_plus1 is never 0");
}

#[test]
fn h265_units_of_other_layers_start_nothing() {
    assert_eq!(starts(Codec::H265, "2809adc2e5f4e307"), (false, false), "IDR");
    assert_eq!(starts(Codec::H265, "2901adc2e5f4e307"), (false, false), "IDR of layer 32");
    let sps = "42090101600000030090000003000003005da00280802d165ba4a4c2e68080000003008000000f04";
    assert_eq!((starts(Codec::H265, sps), of(Codec::H265, sps).resolution), ((false, false), None));
    assert_eq!(starts(Codec::H265, "620994 adc2e5"), (false, false), "first fragment of an IDR");
}

#[test]
fn h265_sps_tells_the_size() {
    for (sps, size) in [
        ("42010101600000030090000003000003005da00280802d165ba4a4c2e68080000003008000000f04", (1280, 720)),
        ("420101016000000300900000030000030078a003c0801107cb96e92930b9a020000003002000000303c1", (1920, 1080)),
        ("42010101600000030090000003000003005aa006c201e1cde5ba4a4c2e6808000003000800000300f040", (854, 480)),
    ] {
        let info = of(Codec::H265, sps);
        assert_eq!((info.keyframe_start, info.resolution), (true, Some(size)));
    }
}

#[test]
fn vp8_keyframes_tell_the_size() {
    for (frame, size) in [("5034009d012a8002680101c7", (640, 360)), ("90c3009d012a0005d0020847", (1280, 720))] {
        let info = of(Codec::Vp8, &format!("10 {frame}"));
        assert_eq!((info.keyframe_start, info.frame_start, info.resolution), (true, true, Some(size)));
    }
    assert_eq!(starts(Codec::Vp8, "10 b10b000f11fc"), (false, true), "inter frame");
    assert_eq!(starts(Codec::Vp8, "00 5034009d012a"), (false, false), "later packet of a keyframe");
    assert_eq!(starts(Codec::Vp8, "11 5034009d012a"), (false, false), "start of partition 1");
}

#[test]
fn vp8_descriptors_of_every_length_are_skipped() {
    let frame = "5034009d012a8002680101c7";
    for (descriptor, temporal_id) in [
        ("90 80 11", None),
        ("90 80 9122", None),
        ("90 e0 9122 05 80", Some(2)),
        ("90 f0 9122 05 60", Some(1)),
        ("90 10 60", None),
        ("90 20 40", Some(1)),
        ("90 00", None),
    ] {
        let info = of(Codec::Vp8, &format!("{descriptor} {frame}"));
        assert_eq!((info.keyframe_start, info.resolution), (true, Some((640, 360))), "{descriptor}");
        assert_eq!(info.temporal_id, temporal_id, "{descriptor}");
    }
    assert_eq!(of(Codec::Vp8, "90 e0 9122"), PayloadInfo::default(), "cut off");
}

#[test]
fn entries_into_temporal_layers_are_seen() {
    let vp8 = |descriptor: &str| of(Codec::Vp8, &format!("{descriptor} b10b000f11fc"));
    assert_eq!((vp8("90 e0 9122 05 80").temporal_id, vp8("90 e0 9122 05 80").entry), (Some(2), LayerEntry::None));
    assert_eq!((vp8("90 e0 9122 05 60").temporal_id, vp8("90 e0 9122 05 60").entry), (Some(1), LayerEntry::Own));
    assert_eq!(vp8("80 e0 9122 05 60").entry, LayerEntry::Own, "every packet of the frame tells");
    assert_eq!(vp8("90 80 9122").entry, LayerEntry::None);
    assert_eq!(of(Codec::Vp8, "90 e0 9122 05 00 5034009d012a").entry, LayerEntry::Above, "a keyframe");
    assert_eq!(of(Codec::Vp9, "ec 9122 50 00 86004092f0").entry, LayerEntry::Above, "U");
    assert_eq!(of(Codec::Vp9, "ec 9122 40 00 86004092f0").entry, LayerEntry::None);
}

#[test]
fn vp9_keyframes_tell_the_size() {
    for (frame, size) in [
        ("824983420027f016760038241c184a10", (640, 360)),
        ("82498342004ff02cf60038241c184a18", (1280, 720)),
        // Profile 1, 4:4:4.
        ("a249834200028201e2c0070483830940", (322, 242)),
    ] {
        for descriptor in ["08", "8c 11", "8c 9122", "ac 9122 00 05", "bc 9122 00"] {
            let info = of(Codec::Vp9, &format!("{descriptor} {frame}"));
            assert_eq!((info.keyframe_start, info.frame_start), (true, true), "{descriptor}");
            assert_eq!(info.resolution, Some(size), "{descriptor} {frame}");
        }
    }
}

#[test]
fn vp9_inter_frames_and_upper_layers_start_no_keyframe() {
    assert_eq!(starts(Codec::Vp9, "cc 9122 86004092f0"), (false, true), "P");
    assert_eq!(starts(Codec::Vp9, "84 9122 86004092f0"), (false, false), "not the beginning");
    assert_eq!(starts(Codec::Vp9, "ac 9122 02 05 8249"), (false, false), "spatial layer 1");
    assert_eq!(of(Codec::Vp9, "fc 9122 40 0300 8600").temporal_id, Some(2), "flexible, two references");
    assert_eq!(of(Codec::Vp9, "fc 9122 40 030303 8600"), PayloadInfo::default(), "four references are no VP9");
}

#[test]
fn vp9_scalability_structure_tells_the_largest_layer() {
    // Three spatial layers with sizes, a group of two pictures; key picture of a flexible-mode stream.
    let structure = "58 0140 00b4 0280 0168 0500 02d0 02 00 14 01";
    let info = of(Codec::Vp9, &format!("ba 9122 00 {structure} 8249"));
    assert_eq!((info.keyframe_start, info.resolution, info.temporal_id), (true, Some((1280, 720)), Some(0)));
}

#[test]
fn av1_new_sequences_tell_the_size() {
    // SVT-AV1's sequence header without its size field, then a frame; Z=0 Y=0 W=2 N=1.
    let info = of(Codec::Av1, "28 0b 08 0000002d4cffb3c4af90 30 10008c20");
    assert_eq!((info.keyframe_start, info.frame_start, info.resolution), (true, true, Some((1280, 720))));
    // The same with OBU size fields kept and every element counted (W=0).
    let info = of(Codec::Av1, "08 0d 0a0b 0000002d4cffb3c4af9004 06 320410008c20");
    assert_eq!((info.keyframe_start, info.resolution), (true, Some((1280, 720))));
}

#[test]
fn av1_later_packets_start_no_sequence() {
    assert_eq!(starts(Codec::Av1, "10 30 b0062802"), (false, true), "next frame");
    assert_eq!(starts(Codec::Av1, "90 30 b0062802"), (false, false), "continuation");
    assert_eq!(starts(Codec::Av1, "10 20 b0062802"), (false, false), "tile group");
    let layered = of(Codec::Av1, "10 34 48 b0062802");
    assert_eq!((layered.frame_start, layered.temporal_id), (false, Some(2)), "spatial layer 1");
}

/// Writes bits, Exp-Golomb codes and emulation prevention, to build parameter sets encoders seldom make.
#[derive(Default)]
struct BitWriter(Vec<bool>);

impl BitWriter {
    fn bits(mut self, n: u32, value: u64) -> Self {
        self.0.extend((0..n).rev().map(|i| value >> i & 1 == 1));
        self
    }

    fn ue(self, value: u64) -> Self {
        let len = (value + 1).ilog2();
        self.bits(len, 0).bits(len + 1, value + 1)
    }

    fn se(self, value: i64) -> Self {
        self.ue(if value > 0 { 2 * value - 1 } else { -2 * value } as u64)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.chunks(8).map(|c| c.iter().enumerate().fold(0, |b, (i, set)| b | u8::from(*set) << (7 - i))).collect()
    }

    fn nal(self, head: &[u8]) -> Vec<u8> {
        let (mut out, mut zeros) = (head.to_vec(), 0);
        for byte in self.bits(1, 1).bytes() {
            if zeros >= 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            out.push(byte);
        }
        out
    }
}

/// A high-profile SPS with scaling lists, picture order count type 1 and long zero runs before its size.
fn intricate_sps(width_mbs: u64, height_mbs: u64, crop_right: u64, crop_bottom: u64) -> Vec<u8> {
    let mut w = BitWriter::default().bits(24, 0x64_00_1f).ue(0).ue(1).ue(0).ue(0).bits(1, 0).bits(1, 1);
    for list in 0..8 {
        w = match list {
            0 => w.bits(1, 1).se(-8),
            6 => (0..64).fold(w.bits(1, 1), |w, i| w.se(if i % 2 == 0 { 3 } else { -2 })),
            _ => w.bits(1, 0),
        };
    }
    // Offsets of 2^30 are long codes full of zeros.
    w = w.ue(4).ue(1).bits(1, 0).se(1 << 30).se(-(1 << 30)).ue(2).se(1 << 30).se(0);
    w = w.ue(1).bits(1, 0).ue(width_mbs - 1).ue(height_mbs - 1).bits(1, 1).bits(1, 1);
    w.bits(1, 1).ue(0).ue(crop_right).ue(0).ue(crop_bottom).nal(&[0x67])
}

#[test]
fn h264_sps_with_everything_before_its_size_is_read_through() {
    let sps = intricate_sps(120, 68, 0, 4);
    assert!(sps.windows(3).any(|w| w == [0, 0, 3]), "has emulation prevention bytes");
    assert_eq!(inspect(Codec::H264, &sps).resolution, Some((1920, 1080)));
}

proptest! {
    #[test]
    fn h264_sps_tells_any_size(width_mbs in 1..4_000u64, height_mbs in 1..4_000u64, right in 0..8u64, bottom in 0..8u64) {
        let expected = (u16::try_from(width_mbs * 16 - right * 2).ok()).zip(u16::try_from(height_mbs * 16 - bottom * 2).ok());
        let sps = intricate_sps(width_mbs, height_mbs, right, bottom);
        prop_assert_eq!(inspect(Codec::H264, &sps).resolution, expected.filter(|(w, h)| *w > 0 && *h > 0));
    }

    #[test]
    fn av1_sequence_headers_with_everything_are_read_through(
        width in 1..=65_535u64, height in 1..=65_535u64, points in 1..=32u64, delay_bits in 1..=32u32, tier: bool,
    ) {
        // Timing and decoder model, operating points each with model and display delay.
        let mut w = BitWriter::default().bits(5, 0).bits(1, 1).bits(64, 7).bits(1, 1).ue(99).bits(1, 1);
        w = w.bits(5, u64::from(delay_bits) - 1).bits(42, 1).bits(1, 1).bits(5, points - 1);
        for _ in 0..points {
            w = w.bits(12, 0x101).bits(5, if tier { 8 } else { 7 }).bits(u32::from(tier), 1).bits(1, 1);
            w = w.bits(delay_bits, 1).bits(delay_bits, 1).bits(1, 0).bits(1, 1).bits(4, 9);
        }
        let obu = w.bits(4, 15).bits(4, 15).bits(16, width - 1).bits(16, height - 1).bits(1, 1).bytes();
        let payload = [&[0x18, 0x08][..], &obu].concat();
        prop_assert_eq!(inspect(Codec::Av1, &payload).resolution, Some((width as u16, height as u16)));
    }

    #[test]
    fn no_bytes_make_it_panic(d in vec(any::<u8>(), 0..300)) {
        for codec in ALL {
            let info = inspect(codec, &d);
            prop_assert!(!info.keyframe_start || info.frame_start);
            prop_assert!(info.resolution.is_none_or(|(w, h)| w > 0 && h > 0));
        }
    }

    #[test]
    fn no_parameter_set_makes_it_panic(d in vec(any::<u8>(), 0..120), flags: u8) {
        let heads: [(Codec, &[u8]); 6] = [
            (Codec::H264, &[0x67, 0x64, 0, 0x1f]), (Codec::H264, &[0x78, 0, 40, 0x67]), (Codec::H265, &[0x42, 1, flags]),
            (Codec::Vp9, &[flags | 0x0a]), (Codec::Av1, &[0x18, 0x08]), (Codec::Vp8, &[0x10, 0x10, 0, 0, 0x9d, 1, 0x2a]),
        ];
        for (codec, head) in heads {
            prop_assert!(inspect(codec, &[head, &d].concat()).resolution.is_none_or(|(w, h)| w > 0 && h > 0));
        }
    }
}
