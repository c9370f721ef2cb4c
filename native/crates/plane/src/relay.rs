//! Media between nodes: one source to one child as SRTP/SRTCP, however many watch below.
//!
//! Both sides know the keys beforehand (over the bus). The child's first authenticated keep-alive tells the parent its
//! address. Lost packets are sent again byte for byte: relay packets hold nothing that depends on the time of sending.

use std::net::SocketAddr;

use rillcast_crypto::srtp::{Receiver, Sender};
use rillcast_wire::{rtcp, rtp};

use crate::egress::Path;
use crate::packet::{Carried, Packet};
use crate::session::budget;
use crate::session::send::Progress;

/// Header extension ids inside relays; not negotiated, the same everywhere.
pub mod ext {
    pub const AUDIO_LEVEL: u8 = 1;
    pub const VIDEO_ORIENTATION: u8 = 2;
    pub const DEPENDENCY_DESCRIPTOR: u8 = 3;
}

/// A relay at its parent, which sends.
pub struct RelayOut {
    pub id: u64,
    pub source: u64,
    pub ssrc: u32,
    pub payload_type: u8,
    pub tx: Sender,
    pub rx: Receiver,
    pub child: Option<Path>,
    pub seen_us: u64,
    /// Whether the silence since then was told.
    pub silent_told: bool,
    pub reported_us: u64,
    /// Whether the last report told the source's clock.
    pub clock_told: bool,
    /// What the last report that the child has not answered is known by, and when it was sent.
    pub said: Option<(u32, u64)>,
    /// Since when there was nothing to send, and how many packets had been sent then.
    quiet: (u64, u32),
    pub progress: Progress,
    /// Whether it is in the worker's start queue.
    pub queued: bool,
    /// Relay sequence = source sequence + this.
    offset: Option<u64>,
    sent: Window,
    pub packets: u32,
    pub octets: u32,
    /// What the child may still ask for in this second.
    pub requests: u32,
}

/// The last 64 sequence numbers sent.
#[derive(Default)]
struct Window {
    next: u64,
    bits: u64,
}

impl Window {
    fn claim(&mut self, sequence: u64) -> bool {
        if sequence >= self.next {
            let step = sequence + 1 - self.next;
            self.bits = if step < 64 { self.bits << step } else { 0 } | 1;
            self.next = sequence + 1;
            return true;
        }
        let back = self.next - 1 - sequence;
        let fresh = back < 64 && self.bits & (1 << back) == 0;
        if fresh {
            self.bits |= 1 << back;
        }
        fresh
    }
}

impl RelayOut {
    /// A relay whose child was not heard yet. Keys were agreed on before, over the bus.
    pub fn new(id: u64, source: u64, ssrc: u32, payload_type: u8, tx: Sender, rx: Receiver, now_us: u64) -> Self {
        RelayOut {
            id,
            source,
            ssrc,
            payload_type,
            tx,
            rx,
            child: None,
            seen_us: now_us,
            silent_told: false,
            reported_us: 0,
            clock_told: false,
            said: None,
            quiet: (now_us, 0),
            progress: Progress::Waiting,
            queued: false,
            offset: None,
            sent: Window::default(),
            packets: 0,
            octets: 0,
            requests: REQUESTS_PER_SECOND,
        }
    }

    /// Whether the child may ask for all that is in this packet; it is charged before anything is looked up.
    pub fn may_ask(&mut self, packet: &rtcp::Packet<'_>) -> bool {
        budget::take(&mut self.requests, 1 + budget::items(packet))
    }

    /// The round trip, once the child answers the last report.
    pub fn round_trip(&mut self, now_us: u64, answer: &rtcp::Report) -> Option<u64> {
        let (_, at) = self.said.take_if(|(said, _)| *said == answer.last_sr)?;
        let held = u64::from(answer.delay_last_sr) * 1_000_000 / 65_536;
        Some(now_us.saturating_sub(at).saturating_sub(held))
    }

    /// Whether the child is to be told now that its parent lives. Call at every tick.
    pub fn is_report_due(&mut self, now_us: u64) -> bool {
        if self.quiet.1 != self.packets {
            self.quiet = (now_us, self.packets);
        }
        let quiet_us = now_us.saturating_sub(self.quiet.0.max(self.reported_us));
        self.child.is_some() && (quiet_us >= PARENT_QUIET_US || now_us >= self.reported_us + REPORT_US)
    }

    /// Whether to say now that the child has fallen silent: once per silence. One that never came is not missed.
    pub fn falls_silent(&mut self, now_us: u64) -> bool {
        let silent = self.child.is_some() && !self.silent_told && now_us >= self.seen_us + CHILD_QUIET_US;
        self.silent_told |= silent;
        silent
    }

    /// Writes `p` for its first sending.
    pub fn write(&mut self, p: &Packet, slot: &mut [u8]) -> Option<usize> {
        let offset = *self.offset.get_or_insert_with(|| 1u64.wrapping_sub(p.seq));
        let sequence = p.seq.wrapping_add(offset);
        if sequence > u64::MAX / 2 || !self.sent.claim(sequence) {
            return None;
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(p.payload.len() as u32);
        self.put(p, sequence, slot)
    }

    /// Writes `p` again, byte for byte.
    pub fn write_again(&mut self, p: &Packet, slot: &mut [u8]) -> Option<usize> {
        let sequence = p.seq.wrapping_add(self.offset?);
        (sequence < self.sent.next).then_some(())?;
        self.put(p, sequence, slot)
    }

    fn put(&mut self, p: &Packet, sequence: u64, slot: &mut [u8]) -> Option<usize> {
        let mut exts: [(u8, &[u8]); 3] = [(0, &[]); 3];
        let mut n = 0;
        if let Some(v) = &p.carried.audio_level {
            exts[n] = (ext::AUDIO_LEVEL, std::slice::from_ref(v));
            n += 1;
        }
        if let Some(v) = &p.carried.video_orientation {
            exts[n] = (ext::VIDEO_ORIENTATION, std::slice::from_ref(v));
            n += 1;
        }
        if let Some(v) = &p.carried.dependency_descriptor {
            exts[n] = (ext::DEPENDENCY_DESCRIPTOR, v);
            n += 1;
        }
        let header =
            rtp::write_header(slot, p.marker, self.payload_type, sequence as u16, p.ts, self.ssrc, false, &exts[..n]);
        self.tx.protect_rtp(slot, header, &p.payload, 0, (sequence >> 16) as u32).ok()
    }

    /// The source sequence number that the child's 16-bit `seq` means.
    pub fn source_sequence(&self, seq: u16) -> Option<u64> {
        let newest = self.sent.next.checked_sub(1)?;
        let sequence = newest.checked_sub(u64::from((newest as u16).wrapping_sub(seq)))?;
        Some(sequence.wrapping_sub(self.offset?))
    }
}

/// Child side; the packets go into the source of the same id.
pub struct RelayIn {
    pub source: u64,
    pub parent: SocketAddr,
    pub ssrc: u32,
    pub tx: Sender,
    pub rx: Receiver,
    pub heard_us: u64,
    pub sent_us: u64,
    pub lost_told: bool,
    /// What the parent's last report is known by, and when it came, until that is answered.
    pub report: Option<(u32, u64)>,
}

impl RelayIn {
    /// A keep-alive: a receiver report without blocks; the caller adds what else the child wants to say, and encrypts.
    pub fn keep_alive(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        rtcp::write_rr(&mut out, self.ssrc, &[]);
        out
    }

    /// A keep-alive that also answers the last report of the parent, which learns the round trip by that. Once per report.
    pub fn answer(&mut self, now_us: u64) -> Vec<u8> {
        let Some((last_sr, at)) = self.report.take() else { return self.keep_alive() };
        let delay_last_sr = (now_us.saturating_sub(at) * 65_536 / 1_000_000) as u32;
        let report = rtcp::Report { ssrc: self.ssrc, last_sr, delay_last_sr, ..rtcp::Report::default() };
        let mut out = Vec::with_capacity(128);
        rtcp::write_rr(&mut out, self.ssrc, &[report]);
        out
    }
}

/// Extension values of a relay packet.
pub fn carried(datagram: &[u8], h: &rtp::Header) -> Carried {
    let mut c = Carried::default();
    if h.ext.is_none() {
        return c;
    }
    for (id, value) in rtp::extensions(datagram, h) {
        match (id, value) {
            (ext::AUDIO_LEVEL, [b, ..]) => c.audio_level = Some(*b),
            (ext::VIDEO_ORIENTATION, [b, ..]) => c.video_orientation = Some(*b),
            (ext::DEPENDENCY_DESCRIPTOR, v) => c.dependency_descriptor = Some(v.into()),
            _ => {}
        }
    }
    c
}

/// Packets asked for again, and other requests, of one child: the 400 packets that it follows at most, every 20 ms for as
/// long as a short outage lasts.
pub const REQUESTS_PER_SECOND: u32 = 8_000;
/// A child that says nothing for this long is gone.
pub const CHILD_TIMEOUT_US: u64 = 10_000_000;
/// A child that says nothing for this long is reported. Two of its keep-alives may be lost.
pub const CHILD_QUIET_US: u64 = 800_000;
/// A parent that says nothing for this long is reported. Three of its reports may be lost.
pub const PARENT_TIMEOUT_US: u64 = 400_000;
/// A parent with nothing to send says so after this long.
pub const PARENT_QUIET_US: u64 = 100_000;
/// How often a child says to its parent that it is there.
pub const KEEP_ALIVE_US: u64 = 250_000;
/// Child → parent until the first packet comes: the first one may have been too early.
pub const HELLO_US: u64 = 50_000;
/// Sender reports, parent → child.
pub const REPORT_US: u64 = 1_000_000;
