//! Where frames and keyframes start, seen from the first bytes of an RTP payload; nothing is decoded.

mod av1;
mod bits;
mod h264;
mod h265;
mod parameter_sets;
pub mod vp8;
mod vp9;

pub use parameter_sets::{
    aggregate, joined, parameter_set, parameter_sets, payloads, set_fragment, ParameterSet, Rank, SetFragment,
};

/// A payload format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// H.264, in the payload format of RFC 6184.
    H264,
    /// H.265, in the payload format of RFC 7798.
    H265,
    /// VP8, in the payload format of RFC 7741.
    Vp8,
    /// VP9, in the payload format of RFC 9628.
    Vp9,
    /// The AV1 RTP specification of AOMedia.
    Av1,
    /// Opus, in the payload format of RFC 7587.
    Opus,
    /// Anything else: carried, never looked into.
    Other,
}

impl Codec {
    /// From the encoding name of an `a=rtpmap` line, upper or lower case.
    pub fn from_name(name: &str) -> Codec {
        const NAMES: [(&str, Codec); 8] = [
            ("H264", Codec::H264),
            ("H265", Codec::H265),
            ("HEVC", Codec::H265),
            ("VP8", Codec::Vp8),
            ("VP9", Codec::Vp9),
            ("AV1", Codec::Av1),
            ("AV1X", Codec::Av1),
            ("opus", Codec::Opus),
        ];
        NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or(Codec::Other, |(_, codec)| *codec)
    }

    /// Whether frames depend on each other, so that a viewer has to start at a keyframe.
    pub fn is_video(self) -> bool {
        !matches!(self, Codec::Opus | Codec::Other)
    }
}

/// Where a receiver of fewer temporal layers may begin to take more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LayerEntry {
    /// A receiver cannot begin to take another layer at this frame.
    #[default]
    None,
    /// This frame's own layer: who got all layers below may take it from here on.
    Own,
    /// Every layer above this frame's.
    Above,
}

/// What one RTP payload shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PayloadInfo {
    /// A decoder may start with this packet: it holds the beginning of a keyframe (first slice) or of the parameter sets
    /// before it. Several packets of one keyframe may say so; the first is the place to start.
    pub keyframe_start: bool,
    /// The first slice of a picture at which a decoder can start begins here, where the codec has parameter sets besides.
    pub intra_picture: bool,
    /// A frame begins in this packet, as far as the codec tells.
    pub frame_start: bool,
    /// Temporal layer, 0 = base, where the payload carries it.
    pub temporal_id: Option<u8>,
    /// Whether more temporal layers may be decoded from this frame on.
    pub entry: LayerEntry,
    /// Width and height in pixels, where this packet carries them.
    pub resolution: Option<(u16, u16)>,
}

/// Looks into one payload (behind the RTP header, without padding). Any bytes will do: what cannot be read is not
/// reported. Called per ingested packet; tens of nanoseconds, a few hundred with parameter sets.
pub fn inspect(c: Codec, payload: &[u8]) -> PayloadInfo {
    match c {
        Codec::H264 => h264::inspect(payload),
        Codec::H265 => h265::inspect(payload),
        Codec::Vp8 => vp8::inspect(payload),
        Codec::Vp9 => vp9::inspect(payload).unwrap_or_default(),
        Codec::Av1 => av1::inspect(payload),
        Codec::Opus | Codec::Other => PayloadInfo { frame_start: !payload.is_empty(), ..PayloadInfo::default() },
    }
}

/// Both sides, if they are pictures one can have.
fn size(width: u64, height: u64) -> Option<(u16, u16)> {
    let side = |s: u64| u16::try_from(s).ok().filter(|s| *s > 0);
    Some((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_in_any_case() {
        assert_eq!(Codec::from_name("h264"), Codec::H264);
        assert_eq!(Codec::from_name("OPUS"), Codec::Opus);
        assert_eq!(Codec::from_name("rtx"), Codec::Other);
        assert!(Codec::Av1.is_video() && !Codec::Opus.is_video() && !Codec::Other.is_video());
    }

    #[test]
    fn audio_is_a_frame_per_packet_and_never_a_keyframe() {
        let info = inspect(Codec::Opus, &[0x78, 1, 2]);
        assert_eq!(info, PayloadInfo { frame_start: true, ..PayloadInfo::default() });
    }
}
