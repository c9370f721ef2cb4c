//! H.265 payloads (RFC 7798 §4.4): single NAL units, aggregation packets, fragmentation units, without DONs. PACI packets
//! show nothing, as if they were not there: browsers drop them.

use super::bits::Bits;
use super::{size, LayerEntry, PayloadInfo};
use crate::bytes::u16_at;

const AP: u8 = 48;
const FU: u8 = 49;

pub(super) fn inspect(payload: &[u8]) -> PayloadInfo {
    let mut info = PayloadInfo::default();
    let [head, layer, body @ ..] = payload else { return info };
    info.temporal_id = (layer & 7).checked_sub(1);
    match (kind(*head), body) {
        (AP, _) => aggregate(body, &mut info),
        (FU, [fu, body @ ..]) => {
            if fu & 0x80 != 0 {
                unit([head & 0x81 | (fu & 0x3F) << 1, *layer], body, &mut info);
            }
        }
        _ => unit([*head, *layer], body, &mut info),
    }
    info
}

fn kind(head: u8) -> u8 {
    head >> 1 & 0x3F
}

fn aggregate(mut rest: &[u8], info: &mut PayloadInfo) {
    while let Some(nal) = u16_at(rest, 0).and_then(|len| rest.get(2..2 + usize::from(len))) {
        if let [head, layer, body @ ..] = nal {
            unit([*head, *layer], body, info);
        }
        rest = &rest[2 + nal.len()..];
    }
}

/// A NAL unit that begins here; `body` is what follows its header. One of another layer than the base layer
/// (nuh_layer_id) starts nothing: it belongs to a picture that has begun in the base layer.
fn unit([head, layer]: [u8; 2], body: &[u8], info: &mut PayloadInfo) {
    if (head & 1, layer >> 3) != (0, 0) {
        return;
    }
    // first_slice_segment_in_pic_flag is the first bit of a slice.
    let first_slice = body.first().is_none_or(|b| b & 0x80 != 0);
    match kind(head) {
        // IRAP pictures: BLA, IDR, CRA.
        16..=21 if first_slice => {
            info.keyframe_start = true;
            info.intra_picture = true;
            info.entry = LayerEntry::Above;
        }
        // TSA and STSA pictures.
        2..=5 if first_slice => info.entry = LayerEntry::Own,
        0..=15 if first_slice => {}
        // VPS, SPS.
        32 => info.keyframe_start = true,
        33 => {
            info.keyframe_start = true;
            info.resolution = info.resolution.or_else(|| sps_size(body));
        }
        // PPS, delimiter, prefix SEI.
        34 | 35 | 39 => {}
        _ => return,
    }
    info.frame_start = true;
}

/// The picture size in a sequence parameter set (H.265 §7.3.2.2), conformance window applied.
fn sps_size(body: &[u8]) -> Option<(u16, u16)> {
    let mut b = Bits::nal(body);
    b.skip(4)?;
    let sub_layers = b.bits(3)? as u32;
    b.flag()?;
    skip_profile_tier_level(&mut b, sub_layers)?;
    b.ue()?;
    let chroma = b.ue()?;
    let separate = chroma == 3 && b.flag()?;
    let (width, height) = (b.ue()?, b.ue()?);
    let (crop_x, crop_y) = if b.flag()? { (b.ue()? + b.ue()?, b.ue()? + b.ue()?) } else { (0, 0) };
    let unit_x = if matches!(chroma, 1 | 2) && !separate { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 };
    size(width.checked_sub(crop_x * unit_x)?, height.checked_sub(crop_y * unit_y)?)
}

fn skip_profile_tier_level(b: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    b.skip(88 + 8)?;
    if sub_layers == 0 {
        return Some(());
    }
    let present = b.bits(16)?;
    for layer in 0..sub_layers {
        let flags = present >> (14 - 2 * layer);
        b.skip(if flags & 2 != 0 { 88 } else { 0 })?;
        b.skip(if flags & 1 != 0 { 8 } else { 0 })?;
    }
    Some(())
}
