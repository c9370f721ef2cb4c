//! VP8 payloads: the descriptor (RFC 7741 §4.2) and a keyframe's header (RFC 6386 §9.1).

use super::{size, LayerEntry, PayloadInfo};

pub(super) fn inspect(payload: &[u8]) -> PayloadInfo {
    let mut info = PayloadInfo::default();
    let Some((descriptor, layer)) = descriptor(payload) else { return info };
    info.temporal_id = layer.map(|l| l >> 6);
    // Y: the frame depends on the base layer only.
    if layer.is_some_and(|l| l & 0x20 != 0) {
        info.entry = LayerEntry::Own;
    }
    // S bit and partition 0: the first packet of a frame.
    info.frame_start = payload[0] & 0x1F == 0x10;
    let frame = payload.get(descriptor..).unwrap_or_default();
    if info.frame_start && frame.first().is_some_and(|b| b & 1 == 0) {
        info.keyframe_start = true;
        info.entry = LayerEntry::Above;
        info.resolution = keyframe_size(frame);
    }
    info
}

/// The descriptor's length, and the byte with TID and Y where it has one.
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
    let mut layer = None;
    if flags & 0x30 != 0 {
        layer = Some(*d.get(at)?).filter(|_| flags & 0x20 != 0);
        at += 1;
    }
    Some((at, layer))
}

/// Where a frame stands in its stream, modulo each field's size: PictureID and TL0PICIDX, 0 where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameNumber {
    /// The PictureID (RFC 7741 §4.2).
    pub picture: u16,
    /// The TL0PICIDX (RFC 7741 §4.2).
    pub tl0: u8,
}

impl FrameNumber {
    /// Both numbers moved on.
    #[must_use]
    pub fn plus(self, by: FrameNumber) -> FrameNumber {
        FrameNumber { picture: self.picture.wrapping_add(by.picture), tl0: self.tl0.wrapping_add(by.tl0) }
    }

    /// What has to be added to `self` to be `other`.
    #[must_use]
    pub fn gap_to(self, other: FrameNumber) -> FrameNumber {
        FrameNumber { picture: other.picture.wrapping_sub(self.picture), tl0: other.tl0.wrapping_sub(self.tl0) }
    }

    /// What has to be added to `self` to follow `before` at once.
    #[must_use]
    pub fn gap_after(self, before: FrameNumber) -> FrameNumber {
        FrameNumber {
            picture: before.picture.wrapping_add(1).wrapping_sub(self.picture),
            tl0: before.tl0.wrapping_add(1).wrapping_sub(self.tl0),
        }
    }
}

/// Positions of PictureID and TL0PICIDX.
fn number_fields(d: &[u8]) -> (Option<usize>, Option<usize>) {
    let (Some(first), Some(flags)) = (d.first(), d.get(1)) else { return (None, None) };
    if first & 0x80 == 0 {
        return (None, None);
    }
    let picture = (flags & 0x80 != 0).then_some(2);
    let after = match picture {
        Some(at) if d.get(at).is_some_and(|b| b & 0x80 != 0) => at + 2,
        Some(at) => at + 1,
        None => 2,
    };
    (picture, (flags & 0x40 != 0).then_some(after))
}

/// A packet's frame number.
pub fn frame_number(payload: &[u8]) -> FrameNumber {
    let (picture, tl0) = number_fields(payload);
    let byte = |at: usize| payload.get(at).copied().unwrap_or_default();
    FrameNumber {
        picture: picture.map_or(0, |at| match byte(at) {
            b if b & 0x80 != 0 => u16::from_be_bytes([b & 0x7F, byte(at + 1)]),
            b => u16::from(b),
        }),
        tl0: tl0.map_or(0, byte),
    }
}

/// Adds to a packet's frame number; fields it lacks stay away.
pub fn renumber(payload: &mut [u8], by: FrameNumber) {
    let number = frame_number(payload);
    let (picture, tl0) = number_fields(payload);
    if let Some(at) = picture {
        let new = number.picture.wrapping_add(by.picture);
        match payload.get_mut(at..at + 2) {
            Some(wide) if wide[0] & 0x80 != 0 => wide.copy_from_slice(&(new | 0x8000).to_be_bytes()),
            _ => payload.get_mut(at).into_iter().for_each(|b| *b = new as u8 & 0x7F),
        }
    }
    if let Some(b) = tl0.and_then(|at| payload.get_mut(at)) {
        *b = number.tl0.wrapping_add(by.tl0);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_numbers_are_read_and_moved_in_every_form() {
        let forms: [(&[u8], FrameNumber, &[u8]); 5] = [
            (&[0x10, 9], FrameNumber { picture: 0, tl0: 0 }, &[0x10, 9]),
            (&[0x90, 0x80, 0x05, 9], FrameNumber { picture: 5, tl0: 0 }, &[0x90, 0x80, 0x07, 9]),
            (&[0x90, 0x80, 0x7F, 9], FrameNumber { picture: 127, tl0: 0 }, &[0x90, 0x80, 0x01, 9]),
            (
                &[0x90, 0xE0, 0xFF, 0xFF, 0xFE, 0x40, 9],
                FrameNumber { picture: 0x7FFF, tl0: 0xFE },
                &[0x90, 0xE0, 0x80, 0x01, 0x01, 0x40, 9],
            ),
            (&[0x90, 0x40, 0x07, 9], FrameNumber { picture: 0, tl0: 7 }, &[0x90, 0x40, 0x0A, 9]),
        ];
        for (packet, number, moved) in forms {
            assert_eq!(frame_number(packet), number);
            let mut copy = packet.to_vec();
            renumber(&mut copy, FrameNumber { picture: 2, tl0: 3 });
            assert_eq!(copy, moved);
        }
    }

    #[test]
    fn no_cut_packet_is_read_beyond_its_end() {
        let packet = [0x90, 0xE0, 0xFF, 0xFF, 0xFE, 0x40];
        for len in 0..packet.len() {
            let mut copy = packet[..len].to_vec();
            renumber(&mut copy, FrameNumber { picture: 1, tl0: 1 });
            assert_eq!(copy.len(), len);
        }
    }

    #[test]
    fn the_gap_leads_to_the_next_number() {
        let (before, now) = (FrameNumber { picture: 0x7FFF, tl0: 255 }, FrameNumber { picture: 9, tl0: 3 });
        let gap = now.gap_after(before);
        let mut packet = vec![0x90, 0xC0, 0x80, 9, 3, 0];
        renumber(&mut packet, gap);
        assert_eq!(frame_number(&packet), FrameNumber { picture: 0, tl0: 0 });
    }
}
