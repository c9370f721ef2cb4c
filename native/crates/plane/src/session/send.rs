//! A viewer's track: one unbroken SSRC, sequence and timeline, whatever source feeds it.

use std::num::NonZeroU32;

use rillcast_crypto::srtp::Sender;
use rillcast_wire::codec::vp8::{self, FrameNumber};
use rillcast_wire::rtp;

use super::lag::Reported;
use super::pacer::{Limit, Pacer};
use super::repair_log::RepairLog;
use super::rtp_munger::RtpMunger;
use crate::config::{self, HeaderExtensions, Kind};
use crate::layers;
use crate::packet::{abs_send_time, Clock, Packet};
use crate::srtp_state::ShownPacket;

/// Payloads from this size on go without abs-send-time: header, extension and tag would exceed an MTU of 1500 bytes.
pub(super) const ROOM_FOR_SEND_TIME: usize = 1430;
/// A track that sent nothing for so long does not flow.
const FLOWS_US: u64 = 500_000;

/// A time of sending, in the forms that packets need; made once per burst.
pub struct Moment {
    now_us: u64,
    pub(super) abs_send_time: [u8; 3],
}

impl Moment {
    /// The time in microseconds.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Makes what the packets of one burst share. Call it once per burst. `ntp`: the time of the wall clock, so that a
    /// receiver which comes from another plane sees no jump as long as the clocks of the two agree.
    pub fn new(now_us: u64, ntp: u64) -> Self {
        Moment { now_us, abs_send_time: abs_send_time(ntp) }
    }
}

/// How far a track, or a relay, is with its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// For the source's next keyframe.
    Waiting,
    /// Cached packets are being sent, paced; the next one is `next`.
    Catching {
        next: u64,
    },
    Live,
}

/// A track's place in `Source::viewers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat {
    source: u64,
    /// One more than the place, so that no seat takes no room of its own.
    after: NonZeroU32,
}

impl Seat {
    fn new(source: u64, at: usize) -> Seat {
        Seat { source, after: NonZeroU32::MIN.saturating_add(at as u32) }
    }

    fn at(self) -> usize {
        self.after.get() as usize - 1
    }
}

/// What other servers call a down track. Touched once per burst.
pub struct SendTrack {
    pub config: config::SendTrack,
    pub source: Option<u64>,
    /// A source to switch to at its keyframe, and since when that is wanted.
    pub target: Option<u64>,
    pub wanted_us: u64,
    pub progress: Progress,
    pub current: Option<RtpMunger>,
    /// Temporal layers to be sent, and whether that is not so yet.
    pub(super) wanted_limit: u8,
    pub changes_layers: bool,
    /// Whether it is in the worker's start queue.
    queued: bool,
    /// Its place among the viewers of `source`, and of `target`.
    seats: [Option<Seat>; 2],
    /// Silent until the switch under way is complete.
    pub(super) held: bool,
    /// Catching up no faster than this.
    pub pace: Option<Pacer>,
    /// Never sending faster than this.
    pub limit: Option<Box<Limit>>,
    /// Packets of the source before this one were held back by the limit.
    pub limited_before: u64,
    pub previous: Option<RtpMunger>,
    /// Highest sequence number used plus one, 64 bit; its upper part is the ROC.
    pub(super) next: u64,
    /// Bit i: `next - 1 - i` was sent. Under GCM no sequence number may carry different bytes, ever.
    pub(super) sent: u64,
    pub(super) last_ts: u32,
    pub(super) last_sent_us: u64,
    /// The track's timeline against the time that the viewer is told, as last reported, and whether that goes back to
    /// reports of a publisher.
    pub(super) timeline: Option<Clock>,
    pub(super) timeline_is_sure: bool,
    /// How much what the publisher's reports say is moved: see `told_clock`.
    pub(super) shift_us: i64,
    pub(super) rtx_seq: u64,
    pub packets: u32,
    pub octets: u32,
    /// Middle bits of the last sender reports' NTP time, and when they left.
    pub(super) reports: [(u32, u64); 4],
    pub reported: usize,
    /// The newest packet of the last receiver report, unless it was not sent as it came.
    pub reported_packet: Option<Reported>,
    /// Highest sequence number and lost packets of the last receiver report.
    pub heard: Option<(u32, i32)>,
    /// Made at the first repair.
    pub(super) repairs: Option<Box<RepairLog>>,
    /// VP8 only: of the newest packet sent.
    pub(super) frame_number: Option<FrameNumber>,
    /// What another plane has sent last.
    pub(super) shown_before: Option<ShownPacket>,
}

impl SendTrack {
    /// Sequence numbers and timestamps begin at random (RFC 3550 §5.1).
    pub fn new(c: &config::SendTrack) -> Self {
        SendTrack {
            config: c.clone(),
            source: None,
            target: c.source,
            wanted_us: 0,
            progress: Progress::Waiting,
            current: None,
            wanted_limit: layers::ALL,
            changes_layers: false,
            queued: false,
            seats: [None; 2],
            held: false,
            pace: None,
            limit: None,
            limited_before: 0,
            previous: None,
            next: fastrand::u64(1..0x7000),
            sent: 0,
            last_ts: fastrand::u32(..),
            last_sent_us: 0,
            timeline: None,
            timeline_is_sure: false,
            shift_us: 0,
            rtx_seq: fastrand::u64(1..0x7000),
            packets: 0,
            octets: 0,
            reports: [(0, 0); 4],
            reported: 0,
            reported_packet: None,
            heard: None,
            repairs: None,
            frame_number: None,
            shown_before: None,
        }
    }

    /// Whether it is in the start queue.
    #[inline]
    pub fn is_queued(&self) -> bool {
        self.queued
    }

    /// Set by the start queue and whoever takes from it; unset, the entry there is void.
    #[inline]
    pub fn set_queued(&mut self, queued: bool) {
        self.queued = queued;
    }

    /// Notes that the track is at `at` among the viewers of `source`. False if it is there already.
    pub fn take_seat(&mut self, source: u64, at: usize) -> bool {
        if self.seats.iter().flatten().any(|s| s.source == source) {
            return false;
        }
        // A track has a source and a target, so that one of the two is free.
        if let Some(free) = self.seats.iter_mut().find(|s| s.is_none()) {
            *free = Some(Seat::new(source, at));
        }
        true
    }

    /// Its place among the viewers of `source` has changed.
    pub fn move_seat(&mut self, source: u64, at: usize) {
        if let Some(s) = self.seats.iter_mut().flatten().find(|s| s.source == source) {
            *s = Seat::new(source, at);
        }
    }

    /// Where the track was among the viewers of `source`; it no longer is.
    pub fn leave_seat(&mut self, source: u64) -> Option<usize> {
        let seat = self.seats.iter_mut().find(|s| s.is_some_and(|s| s.source == source))?;
        seat.take().map(Seat::at)
    }

    /// The sources among whose viewers the track is.
    pub fn seated_at(&self) -> [Option<u64>; 2] {
        self.seats.map(|s| s.map(|s| s.source))
    }

    #[cfg(test)]
    pub fn seats_for_test(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        self.seats.iter().flatten().map(|s| (s.source, s.at()))
    }

    /// Whether media was sent a moment ago.
    pub fn flows(&self, now_us: u64) -> bool {
        self.source.is_some() && now_us < self.last_sent_us + FLOWS_US
    }

    /// Writes `p` as the viewer gets it. None: it doesn't belong to the current munger, or cannot be sent.
    #[inline]
    pub fn write(
        &mut self,
        p: &Packet,
        pad: u8,
        at: &Moment,
        ids: &HeaderExtensions,
        tx: &mut Sender,
        slot: &mut [u8],
    ) -> Option<usize> {
        let munger = match self.current? {
            whole if whole.is_whole() && p.seq >= whole.first_seq => whole,
            _ => self.munger_of(p)?,
        };
        let sequence = munger.sequence(p);
        if !self.claim(sequence) {
            return None;
        }
        let ts = munger.timestamp(p);
        if munger.blanks(p) {
            let header = self.header(p, (sequence, ts), true, ids, at, slot);
            return tx.protect_rtp(slot, header, &[], 1, (sequence >> 16) as u32).ok();
        }
        let header = self.header(p, (sequence, ts), pad > 0, ids, at, slot);
        let n = munger.protect(p, tx, slot, header, pad)?;
        if sequence + 1 == self.next {
            self.frame_number = munger.moves(p).map(|by| vp8::frame_number(&p.payload).plus(by));
            self.last_ts = ts;
            self.last_sent_us = at.now_us;
            if let Some(current) = &mut self.current {
                current.passed(p);
            }
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(p.payload.len() as u32);
        Some(n)
    }

    /// Whether `sequence` may be sent for the first time; it counts as sent afterwards.
    #[inline]
    fn claim(&mut self, sequence: u64) -> bool {
        if sequence >= self.next {
            let step = sequence + 1 - self.next;
            self.sent = if step < 64 { self.sent << step } else { 0 } | 1;
            self.next = sequence + 1;
            return true;
        }
        let back = self.next - 1 - sequence;
        if back >= 64 || self.sent & (1 << back) != 0 {
            return false;
        }
        self.sent |= 1 << back;
        true
    }

    #[inline]
    pub(super) fn header(
        &self,
        p: &Packet,
        (sequence, ts): (u64, u32),
        padded: bool,
        ids: &HeaderExtensions,
        at: &Moment,
        slot: &mut [u8],
    ) -> usize {
        let mut exts: [(u8, &[u8]); 4] = [(0, &[]); 4];
        let mut n = 0;
        // Without RTX a resend must be byte-identical, so nothing that depends on the time of sending may be in it.
        let video = self.config.kind == Kind::Video;
        if video && ids.abs_send_time != 0 && self.config.rtx_ssrc != 0 && p.payload.len() < ROOM_FOR_SEND_TIME {
            exts[n] = (ids.abs_send_time, &at.abs_send_time);
            n += 1;
        }
        if let (Some(v), true) = (&p.carried.audio_level, !video && ids.audio_level != 0) {
            exts[n] = (ids.audio_level, std::slice::from_ref(v));
            n += 1;
        }
        if let (Some(v), true) = (&p.carried.video_orientation, video && ids.video_orientation != 0) {
            exts[n] = (ids.video_orientation, std::slice::from_ref(v));
            n += 1;
        }
        if let (Some(v), true) = (&p.carried.dependency_descriptor, video && ids.dependency_descriptor != 0) {
            exts[n] = (ids.dependency_descriptor, v);
            n += 1;
        }
        rtp::write_header(
            slot,
            p.marker,
            self.config.payload_type,
            sequence as u16,
            ts,
            self.config.ssrc,
            padded,
            &exts[..n],
        )
    }

    /// Whether bursts may be padded to equal sizes: not without RTX, see `header`.
    pub fn may_pad(&self) -> bool {
        self.config.rtx_ssrc != 0
    }

    /// Round-trip time from a report block's LSR and DLSR (RFC 3550 §6.4.1), microseconds.
    pub fn round_trip(&self, now_us: u64, last_sr: u32, delay: u32) -> Option<u64> {
        let (_, at) = self.reports.iter().find(|(ntp, at)| *at > 0 && *ntp == last_sr)?;
        let held = u64::from(delay) * 1_000_000 / 65_536;
        Some(now_us.saturating_sub(*at).saturating_sub(held))
    }
}
