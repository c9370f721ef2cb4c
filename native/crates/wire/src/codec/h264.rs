//! H.264 payloads in non-interleaved mode (RFC 6184 §5.6–5.8): single NAL units, STAP-A, FU-A; and the size in an SPS.

use super::bits::Bits;
use super::{size, PayloadInfo};
use crate::bytes::u16_at;

const SLICE: u8 = 1;
const PARTITION_A: u8 = 2;
const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

pub(super) fn inspect(payload: &[u8]) -> PayloadInfo {
    let mut info = PayloadInfo::default();
    match *payload {
        [head, ref body @ ..] if head & 0x1F == STAP_A => aggregate(body, &mut info),
        [head, fu, ref body @ ..] if head & 0x1F == FU_A => {
            if fu & 0x80 != 0 {
                unit(fu & 0x1F, body, &mut info);
            }
        }
        [head, ref body @ ..] => unit(head & 0x1F, body, &mut info),
        [] => {}
    }
    info
}

fn aggregate(mut rest: &[u8], info: &mut PayloadInfo) {
    while let Some(nal) = u16_at(rest, 0).and_then(|len| rest.get(2..2 + usize::from(len))) {
        if let [head, body @ ..] = nal {
            unit(head & 0x1F, body, info);
        }
        rest = &rest[2 + nal.len()..];
    }
}

/// A NAL unit that begins here; `body` is what follows its header byte.
fn unit(kind: u8, body: &[u8], info: &mut PayloadInfo) {
    // first_mb_in_slice == 0 is the single bit 1. Later slices of the picture start no frame.
    let first_slice = body.first().is_none_or(|b| b & 0x80 != 0);
    match kind {
        SPS => {
            info.keyframe_start = true;
            info.frame_start = true;
            info.resolution = info.resolution.or_else(|| sps_size(body));
        }
        IDR if first_slice => {
            info.keyframe_start = true;
            info.intra_picture = true;
            info.frame_start = true;
        }
        SLICE | PARTITION_A if first_slice => info.frame_start = true,
        // SEI, PPS, delimiter: only ever before the first slice of a picture.
        6 | 8 | 9 => info.frame_start = true,
        _ => {}
    }
}

/// The picture size in a sequence parameter set (H.264 §7.3.2.1.1), cropping applied.
fn sps_size(body: &[u8]) -> Option<(u16, u16)> {
    let mut b = Bits::nal(body);
    let profile = b.bits(8)?;
    b.skip(16)?;
    b.ue()?;
    let chroma = if has_chroma_format(profile) { chroma_format(&mut b)? } else { 1 };
    b.ue()?;
    skip_order_count(&mut b)?;
    b.ue()?;
    b.flag()?;
    let (width_mbs, height_units) = (b.ue()? + 1, b.ue()? + 1);
    let frames_only = b.flag()?;
    if !frames_only {
        b.flag()?;
    }
    b.flag()?;
    let (crop_x, crop_y) = if b.flag()? { (b.ue()? + b.ue()?, b.ue()? + b.ue()?) } else { (0, 0) };
    let field = if frames_only { 1 } else { 2 };
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 * field } else { field };
    size((width_mbs * 16).checked_sub(crop_x * unit_x)?, (height_units * 16 * field).checked_sub(crop_y * unit_y)?)
}

fn has_chroma_format(profile: u64) -> bool {
    matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244)
}

/// chroma_format_idc, 0 for separate planes (cropped as if monochrome), with all that belongs to the high profiles.
fn chroma_format(b: &mut Bits<'_>) -> Option<u64> {
    let format = b.ue()?;
    let separate = format == 3 && b.flag()?;
    b.ue()?;
    b.ue()?;
    b.flag()?;
    if b.flag()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if b.flag()? {
                skip_scaling_list(b, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(if separate { 0 } else { format })
}

fn skip_scaling_list(b: &mut Bits<'_>, len: u32) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..len {
        if next != 0 {
            next = (last + b.se()?).rem_euclid(256);
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

fn skip_order_count(b: &mut Bits<'_>) -> Option<()> {
    match b.ue()? {
        0 => b.ue().map(drop),
        1 => {
            b.flag()?;
            b.se()?;
            b.se()?;
            let cycle = b.ue().filter(|n| *n <= 255)?;
            (0..cycle).try_for_each(|_| b.se().map(drop))
        }
        _ => Some(()),
    }
}
