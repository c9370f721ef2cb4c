//! AV1 payloads: the aggregation header and OBU elements (AV1 RTP specification §4), and the size in a sequence header.

use super::bits::Bits;
use super::{size, LayerEntry, PayloadInfo};

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// OBU elements looked at; what matters stands in front.
const ELEMENTS_MAX: usize = 16;

pub(super) fn inspect(payload: &[u8]) -> PayloadInfo {
    let mut info = PayloadInfo::default();
    let Some((head, mut rest)) = payload.split_first() else { return info };
    let (continues, counted) = (head & 0x80 != 0, usize::from(head >> 4 & 3));
    info.keyframe_start = head & 0x08 != 0;
    info.frame_start = info.keyframe_start;
    if info.keyframe_start {
        info.entry = LayerEntry::Above;
    }
    let elements = if counted == 0 { ELEMENTS_MAX } else { counted };
    for index in 0..elements {
        if rest.is_empty() {
            break;
        }
        let sized = counted == 0 || index + 1 < counted;
        let Some(element) = take_element(&mut rest, sized) else { break };
        if index > 0 || !continues {
            obu(element, &mut info);
        }
    }
    info
}

fn take_element<'a>(rest: &mut &'a [u8], sized: bool) -> Option<&'a [u8]> {
    if !sized {
        return Some(std::mem::take(rest));
    }
    let (len, used) = leb128(rest)?;
    let (element, after) = rest[used..].split_at_checked(len)?;
    *rest = after;
    Some(element)
}

/// A little-endian base-128 number below 2^32 and the bytes it takes.
fn leb128(d: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (i, byte) in d.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()? as usize, i + 1));
        }
    }
    None
}

/// An OBU that begins here.
fn obu(d: &[u8], info: &mut PayloadInfo) {
    let Some((head, mut body)) = d.split_first() else { return };
    let (kind, extended, sized) = (head >> 3 & 0xF, head & 4 != 0, head & 2 != 0);
    let mut spatial_id = 0;
    if extended {
        let Some((layer, after)) = body.split_first() else { return };
        info.temporal_id.get_or_insert(layer >> 5);
        spatial_id = layer >> 3 & 3;
        body = after;
    }
    if sized {
        let Some((len, used)) = leb128(body) else { return };
        body = &body[used..];
        body = &body[..len.min(body.len())];
    }
    match kind {
        SEQUENCE_HEADER => {
            info.frame_start = true;
            info.resolution = info.resolution.or_else(|| sequence_size(body));
        }
        TEMPORAL_DELIMITER => info.frame_start = true,
        FRAME_HEADER | FRAME if spatial_id == 0 => info.frame_start = true,
        _ => {}
    }
}

/// The largest frame size of a sequence header (AV1 specification §5.5).
fn sequence_size(body: &[u8]) -> Option<(u16, u16)> {
    let mut b = Bits::plain(body);
    b.skip(4)?;
    let reduced = b.flag()?;
    if reduced {
        b.skip(5)?;
    } else {
        skip_operating_points(&mut b)?;
    }
    let (width_bits, height_bits) = (b.bits(4)? as u32 + 1, b.bits(4)? as u32 + 1);
    size(b.bits(width_bits)? + 1, b.bits(height_bits)? + 1)
}

fn skip_operating_points(b: &mut Bits<'_>) -> Option<()> {
    let delay_bits = if b.flag()? { timing(b)? } else { None };
    let display_delay = b.flag()?;
    let points = b.bits(5)? + 1;
    for _ in 0..points {
        b.skip(12)?;
        if b.bits(5)? > 7 {
            b.flag()?;
        }
        if let Some(n) = delay_bits {
            if b.flag()? {
                b.skip(2 * n + 1)?;
            }
        }
        if display_delay && b.flag()? {
            b.skip(4)?;
        }
    }
    Some(())
}

/// timing_info() and decoder_model_info(): the bits of a decoder buffer delay, if there is a decoder model.
fn timing(b: &mut Bits<'_>) -> Option<Option<u32>> {
    b.skip(64)?;
    if b.flag()? {
        b.ue()?;
    }
    if !b.flag()? {
        return Some(None);
    }
    let n = b.bits(5)? as u32 + 1;
    b.skip(32 + 5 + 5)?;
    Some(Some(n))
}
