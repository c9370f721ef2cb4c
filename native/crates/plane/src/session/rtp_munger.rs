//! How packets of one source map into a viewer's track, from one switch or change of layers to the next.

use rillcast_crypto::srtp::Sender;
use rillcast_wire::codec::vp8::{self, FrameNumber};

use crate::layers;
use crate::packet::{Packet, PacketRef};
use crate::ring::Ring;
use crate::thinning::Thinning;

/// Larger than any payload with an RTX prefix.
pub const MAX_COPY: usize = 1600;

/// Copied per packet: small, and without anything on the heap.
#[derive(Clone, Copy, Debug)]
pub struct RtpMunger {
    pub source: u64,
    /// First sequence number of the track in this segment, 64 bit.
    pub start: u64,
    /// First packet of the source that belongs to it.
    pub first_seq: u64,
    /// `start` of the first segment since the last switch: those that share it differ in layers only.
    pub switch: u64,
    pub seq_offset: u64,
    pub ts_offset: u32,
    pub squeeze: Option<Squeeze>,
    /// VP8 only: what is added to frame numbers. Receivers take them for one stream's (RFC 7741 §4.2).
    pub renumber: Option<FrameNumber>,
    pub thinning: Thinning,
}

/// Cached frames sent at a start or switch are squeezed together in time, as much as they are sent faster than they were
/// made, so that the receiver neither waits for them nor takes them for delay. No two of them come to lie at one time.
#[derive(Clone, Copy, Debug)]
pub struct Squeeze {
    /// The source's time from which on nothing is squeezed.
    until: u32,
    /// What the time before is squeezed into, of what; besides one tick for each frame up to `live`.
    into: u32,
    of: u32,
    /// The newest frame that was there at the start, modulo 2^32.
    live: u32,
    /// The first packet behind all that is squeezed, once it came: timestamps wrap around, and publishers' clocks jump.
    end_seq: u64,
}

/// What is longer ago by its timestamp (60 s of 90 kHz) is squeezed to where this lies: so much is a jump of the publisher's
/// clock, or a picture that stood still.
const MOST_SPAN: u32 = 60 * 90_000;
/// A frame that is so much newer by its timestamp than a later one (200 ms) was sent out of order.
const REORDERED: i32 = 18_000;

impl Squeeze {
    /// From the source's time `from` to `until`; both in RTP ticks, as is `into`. `live`: the newest frame, and how many
    /// there are from the first one to it. None if there is nothing to squeeze.
    pub fn new((from, until): (u32, u32), into: u32, (live, frames): (u64, u32)) -> Option<Squeeze> {
        let of = match until.wrapping_sub(from) as i32 {
            0 if frames == 0 => return None,
            span if span > 0 => (span as u32).min(MOST_SPAN),
            _ => MOST_SPAN,
        };
        Some(Squeeze { until, into: into.saturating_sub(frames), of, live: live as u32, end_seq: u64::MAX })
    }

    /// How far before `until` a packet comes to lie.
    fn back(&self, p: &Packet) -> Option<u32> {
        if p.seq >= self.end_seq {
            return None;
        }
        let frames = self.live.wrapping_sub(p.frame as u32) as i32;
        let back = match self.until.wrapping_sub(p.ts) as i32 {
            back if 0 < back && back as u32 <= self.of => back as u32,
            _ if frames <= 0 => return None,
            back if -REORDERED < back && back <= 0 => 0,
            _ => self.of,
        };
        let squeezed = u64::from(back) * u64::from(self.into) / u64::from(self.of);
        Some(squeezed as u32 + frames.max(0) as u32)
    }

    /// The newest packet is sent: from the first one that is not squeezed on, none is.
    fn pass(&mut self, p: &Packet) {
        if self.end_seq == u64::MAX && self.back(p).is_none() {
            self.end_seq = p.seq;
        }
    }
}

impl RtpMunger {
    /// Whether no layer is left out. Asked once per packet and viewer.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.thinning.limit >= layers::ALL
    }

    /// The track's sequence number of `p`, 64 bit.
    #[inline]
    pub fn sequence(&self, p: &Packet) -> u64 {
        let sequence = p.seq.wrapping_add(self.seq_offset);
        if self.is_whole() {
            return sequence;
        }
        sequence.wrapping_sub(u64::from(self.thinning.left_out(&p.layer).packets))
    }

    /// Whether `p` has a sequence number here.
    pub fn numbers(&self, p: &Packet) -> bool {
        p.layer.numbered(self.thinning.limit)
    }

    /// Whether only the number of `p` is sent, its layer being one the viewer does without.
    pub fn blanks(&self, p: &Packet) -> bool {
        !p.layer.within(self.thinning.limit)
    }

    /// The source's packet behind a sequence number.
    pub fn find<'a>(&self, ring: &'a Ring, sequence: u64) -> Option<&'a PacketRef> {
        self.thinning.find(ring, self.first_seq, sequence.wrapping_sub(self.seq_offset))
    }

    /// From `p` on with other layers, without a hole.
    pub fn thinned(&self, limit: u8, p: &Packet) -> RtpMunger {
        let start = self.sequence(p);
        let left_out = self.thinning.left_out(&p.layer);
        RtpMunger {
            start,
            first_seq: p.seq,
            seq_offset: start.wrapping_sub(p.seq),
            renumber: self.renumber.map(|by| fewer(by, left_out.frames)),
            thinning: Thinning { limit, before: p.layer.skipped(limit) },
            ..*self
        }
    }

    /// What the frame number of `p` moves by.
    #[inline]
    pub fn moves(&self, p: &Packet) -> Option<FrameNumber> {
        match self.renumber {
            Some(by) if !self.is_whole() => Some(fewer(by, self.thinning.left_out(&p.layer).frames)),
            by => by,
        }
    }

    /// Encrypts `p` into `slot` behind the header that is there.
    #[inline]
    pub fn protect(&self, p: &Packet, tx: &mut Sender, slot: &mut [u8], header: usize, pad: u8) -> Option<usize> {
        let roc = (self.sequence(p) >> 16) as u32;
        match self.moves(p).filter(|by| *by != FrameNumber::default()) {
            None => tx.protect_rtp(slot, header, &p.payload, pad, roc).ok(),
            Some(by) => protect_moved(p, by, tx, slot, header, (pad, roc)),
        }
    }

    /// Whether `p` is sent as it comes, not caught up with.
    pub fn is_live(&self, p: &Packet) -> bool {
        self.squeeze.is_none_or(|s| s.back(p).is_none())
    }

    /// The newest packet was sent. Once per packet and viewer.
    #[inline]
    pub fn passed(&mut self, p: &Packet) {
        if let Some(squeeze) = &mut self.squeeze {
            squeeze.pass(p);
        }
    }

    /// The RTP timestamp that the viewer gets. Once per packet and viewer.
    pub fn timestamp(&self, p: &Packet) -> u32 {
        match self.squeeze.and_then(|s| Some((s.until, s.back(p)?))) {
            Some((until, back)) => until.wrapping_add(self.ts_offset).wrapping_sub(back),
            None => p.ts.wrapping_add(self.ts_offset),
        }
    }
}

fn fewer(by: FrameNumber, frames: u16) -> FrameNumber {
    FrameNumber { picture: by.picture.wrapping_sub(frames), ..by }
}

/// Apart, so that only tracks which switched pay for the copy.
#[inline(never)]
fn protect_moved(
    p: &Packet,
    by: FrameNumber,
    tx: &mut Sender,
    slot: &mut [u8],
    header: usize,
    (pad, roc): (u8, u32),
) -> Option<usize> {
    let mut copy = [0u8; MAX_COPY];
    let copy = copy.get_mut(..p.payload.len())?;
    copy.copy_from_slice(&p.payload);
    vp8::renumber(copy, by);
    tx.protect_rtp(slot, header, copy, pad, roc).ok()
}
