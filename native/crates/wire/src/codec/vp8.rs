//! VP8 payloads: the descriptor (RFC 7741 §4.2) and a keyframe's header (RFC 6386 §9.1).

use super::{size, PayloadInfo};

pub(super) fn inspect(payload: &[u8]) -> PayloadInfo {
    let mut info = PayloadInfo::default();
    let Some((descriptor, temporal_id)) = descriptor(payload) else { return info };
    info.temporal_id = temporal_id;
    // S bit and partition 0: the first packet of a frame.
    info.frame_start = payload[0] & 0x1F == 0x10;
    let frame = payload.get(descriptor..).unwrap_or_default();
    if info.frame_start && frame.first().is_some_and(|b| b & 1 == 0) {
        info.keyframe_start = true;
        info.resolution = keyframe_size(frame);
    }
    info
}

/// The descriptor's length, and TID where it has one.
fn descriptor(d: &[u8]) -> Option<(usize, Option<u8>)> {
    if d.first()? & 0x80 == 0 {
        return Some((1, None));
    }
    let flags = *d.get(1)?;
    let mut at = 2;
    if flags & 0x80 != 0 {
        at += if d.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    if flags & 0x40 != 0 {
        at += 1;
    }
    let mut temporal_id = None;
    if flags & 0x30 != 0 {
        temporal_id = Some(d.get(at)? >> 6).filter(|_| flags & 0x20 != 0);
        at += 1;
    }
    Some((at, temporal_id))
}

fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    let header: &[u8; 10] = frame.first_chunk()?;
    if header[3..6] != [0x9D, 0x01, 0x2A] {
        return None;
    }
    // The upper two bits of each are a scaling hint.
    let side = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]) & 0x3FFF);
    size(side(6), side(8))
}
