//! VP9 payloads: the descriptor with its scalability structure (RFC 9628 §4.2) and a keyframe's uncompressed header.

use super::bits::Bits;
use super::{size, LayerEntry, PayloadInfo};
use crate::bytes::u16_at;

const I: u8 = 0x80;
const P: u8 = 0x40;
const L: u8 = 0x20;
const F: u8 = 0x10;
const B: u8 = 0x08;
const V: u8 = 0x02;

pub(super) fn inspect(payload: &[u8]) -> Option<PayloadInfo> {
    let flags = *payload.first()?;
    let mut at = 1;
    if flags & I != 0 {
        at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    let mut temporal_id = None;
    let mut entry = LayerEntry::None;
    let mut spatial_id = 0;
    if flags & L != 0 {
        let layer = *payload.get(at)?;
        temporal_id = Some(layer >> 5);
        // U: nothing above this picture's layer that follows depends on what came before it.
        if layer & 0x10 != 0 {
            entry = LayerEntry::Above;
        }
        spatial_id = layer >> 1 & 7;
        at += if flags & F == 0 { 2 } else { 1 };
    }
    if flags & (F | P) == F | P {
        at += reference_list(payload.get(at..)?)?;
    }
    let frame_start = flags & B != 0 && spatial_id == 0;
    let keyframe_start = frame_start && flags & P == 0;
    let mut resolution = None;
    if flags & V != 0 {
        let (len, largest) = structure(payload.get(at..)?)?;
        at += len;
        resolution = largest;
    }
    if keyframe_start {
        entry = LayerEntry::Above;
        resolution = resolution.or_else(|| keyframe_size(payload.get(at..)?));
    }
    Some(PayloadInfo { keyframe_start, frame_start, temporal_id, entry, resolution, ..PayloadInfo::default() })
}

/// Length of the P_DIFF list: up to three, each but the last with its N bit.
fn reference_list(d: &[u8]) -> Option<usize> {
    let more = d.iter().take(3).take_while(|b| *b & 1 == 1).count();
    (more < 3 && d.len() > more).then_some(more + 1)
}

/// The scalability structure's length and the size of its highest spatial layer.
fn structure(d: &[u8]) -> Option<(usize, Option<(u16, u16)>)> {
    let head = *d.first()?;
    let layers = usize::from(head >> 5) + 1;
    let (has_sizes, has_group) = (head & 0x10 != 0, head & 0x08 != 0);
    let mut at = 1;
    let mut largest = None;
    if has_sizes {
        let last = at + 4 * (layers - 1);
        largest = size(u64::from(u16_at(d, last)?), u64::from(u16_at(d, last + 2)?));
        at += 4 * layers;
    }
    if has_group {
        let pictures = *d.get(at)?;
        at += 1;
        for _ in 0..pictures {
            at += 1 + usize::from(d.get(at)? >> 2 & 3);
        }
    }
    Some((at, largest))
}

/// The size in a keyframe's uncompressed header (VP9 bitstream specification §6.2, §7.2).
fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    let mut b = Bits::plain(frame);
    let marker = b.bits(2)?;
    let profile = u8::from(b.flag()?) | u8::from(b.flag()?) << 1;
    if profile == 3 {
        b.flag()?;
    }
    let (show_existing, inter) = (b.flag()?, b.flag()?);
    b.skip(2)?;
    if marker != 2 || show_existing || inter || b.bits(24)? != 0x49_83_42 {
        return None;
    }
    if profile >= 2 {
        b.flag()?;
    }
    const SRGB: u64 = 7;
    let odd = profile & 1 == 1;
    let srgb = b.bits(3)? == SRGB;
    b.skip(match (srgb, odd) {
        (true, true) => 1,
        (true, false) => 0,
        (false, true) => 4,
        (false, false) => 1,
    })?;
    size(b.bits(16)? + 1, b.bits(16)? + 1)
}
