//! What a viewer's track sends again.

use rillcast_crypto::srtp::Sender;
use rillcast_wire::codec::vp8;
use rillcast_wire::rtp;

use super::rtp_munger::{RtpMunger, MAX_COPY};
use super::send::{Moment, SendTrack, ROOM_FOR_SEND_TIME};
use crate::config::HeaderExtensions;
use crate::packet::Packet;

impl SendTrack {
    /// The munger and 64-bit sequence number that the viewer's 16-bit `seq` means.
    pub fn lookup(&self, seq: u16) -> Option<(RtpMunger, u64)> {
        let newest = self.next.wrapping_sub(1);
        let back = (newest as u16).wrapping_sub(seq);
        let sequence = newest.checked_sub(u64::from(back))?;
        let munger = [self.current, self.previous].into_iter().flatten().find(|s| sequence >= s.start)?;
        Some((munger, sequence))
    }

    /// Whether a munger has been switched away from. Its gaps need no repair: what follows began with a keyframe.
    pub fn is_over(&self, munger: &RtpMunger) -> bool {
        self.current.is_some_and(|c| c.switch != munger.switch)
    }

    /// See `RepairLog::may_repair`.
    pub fn may_repair(&mut self, seq: u16, now_us: u64, rtt_us: u64) -> bool {
        self.repairs.get_or_insert_default().may_repair(seq, now_us, rtt_us)
    }

    /// Writes a repair packet: RTX (RFC 4588) if negotiated, else the same packet again.
    pub fn write_repair(
        &mut self,
        p: &Packet,
        munger: &RtpMunger,
        at: &Moment,
        ids: &HeaderExtensions,
        tx: &mut Sender,
        slot: &mut [u8],
    ) -> Option<usize> {
        let sequence = munger.sequence(p);
        let ts = munger.timestamp(p);
        let blank = munger.blanks(p);
        if self.config.rtx_ssrc == 0 {
            let header = self.header(p, (sequence, ts), blank, ids, at, slot);
            if blank {
                return tx.protect_rtp(slot, header, &[], 1, (sequence >> 16) as u32).ok();
            }
            return munger.protect(p, tx, slot, header, 0);
        }
        let mut payload = [0u8; MAX_COPY];
        let content: &[u8] = if blank { &[] } else { &p.payload };
        let len = 2 + content.len();
        payload.get_mut(2..len)?.copy_from_slice(content);
        if let Some(by) = munger.moves(p) {
            vp8::renumber(&mut payload[2..len], by);
        }
        payload[..2].copy_from_slice(&(sequence as u16).to_be_bytes());
        let exts: &[(u8, &[u8])] = if ids.abs_send_time != 0 && len < ROOM_FOR_SEND_TIME {
            &[(ids.abs_send_time, &at.abs_send_time)]
        } else {
            &[]
        };
        let rtx = self.rtx_seq;
        self.rtx_seq += 1;
        let header = rtp::write_header(
            slot,
            p.marker,
            self.config.rtx_payload_type,
            rtx as u16,
            ts,
            self.config.rtx_ssrc,
            false,
            exts,
        );
        tx.protect_rtp(slot, header, &payload[..len], 0, (rtx >> 16) as u32).ok()
    }
}
