//! From a source's packets to everybody who wants them: the path that decides what an edge costs.
//!
//! Per burst and viewer: header rewrite, encryption from the shared clear packet into the send slot, one message.
//! No lock, no allocation, no Python.

use std::collections::HashMap;

use slab::Slab;

use super::Worker;
use crate::config::Kind;
use crate::egress::{Egress, MAX_SEGMENTS, NOBODY};
use crate::mailbox::Mail;
use crate::packet::{Packet, PacketRef};
use crate::relay::RelayOut;
use crate::session::send::{Moment, Progress};
use crate::session::{Phase, Session};

/// Above this load a burst waits for the rest of its frame, at most `WINDOW_US`.
const BUSY: f64 = 0.3;
const VERY_BUSY: f64 = 0.6;
const WINDOW_US: u64 = 5_000;
const LONG_WINDOW_US: u64 = 10_000;
/// Packets of a frame are padded to equal length for GSO if that costs at most this much each.
const MAX_PAD: usize = 48;

impl Worker {
    /// Sends what has gathered. Called after every batch of datagrams and mail.
    pub fn flush(&mut self, now_us: u64, out: &mut Egress) {
        let mut i = 0;
        while i < self.dirty.len() {
            let id = self.dirty[i];
            if self.holds(now_us, id) {
                i += 1;
                continue;
            }
            self.dirty.swap_remove(i);
            self.flush_source(now_us, id, out);
        }
        out.flush();
        self.charge_failures(out);
    }

    fn holds(&self, now_us: u64, id: u64) -> bool {
        let Some(s) = self.sources.get(&id) else { return false };
        let window = match self.busy {
            b if b > VERY_BUSY => LONG_WINDOW_US,
            b if b > BUSY => WINDOW_US,
            _ => return false,
        };
        s.kind == Kind::Video && s.pending.last().is_some_and(|p| !p.marker) && now_us < s.pending_since_us + window
    }

    fn charge_failures(&mut self, out: &mut Egress) {
        for owner in out.failed.drain(..) {
            self.counters.add("send_failed");
            if let Some(s) = self.sessions.get_mut(owner as usize) {
                s.totals.dropped += 1;
            }
        }
    }

    /// Sends a source's pending packets to mirrors, taps, relays and viewers.
    pub(super) fn flush_source(&mut self, now_us: u64, id: u64, out: &mut Egress) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        let packets = std::mem::take(&mut source.pending);
        if packets.is_empty() {
            return;
        }
        for w in &source.mirrors {
            if !self.shared.mailboxes[*w].post(Mail::Mirrored { source: id, packets: packets.clone() }) {
                self.counters.add("mirror_overflow");
            }
        }
        if source.tapped {
            for p in &packets {
                self.shared.events.tap(id, whole(p));
            }
        }
        let viewers = std::mem::take(&mut source.viewers);
        let rotation = source.rotation % viewers.len().max(1);
        source.rotation = rotation + 1;
        for relay in &source.relays {
            relay_out(&mut self.relays_out, *relay, &packets, out);
        }
        let mut begin = vec![];
        for part in [&viewers[rotation..], &viewers[..rotation]] {
            fan_out(now_us, &mut self.sessions, id, part, &packets, &mut begin, &mut self.catching, out);
        }
        if let Some(source) = self.sources.get_mut(&id) {
            source.viewers = viewers;
            // The vector goes back so that the next burst needs no allocation.
            let mut packets = packets;
            packets.clear();
            source.pending = packets;
        }
        for (slot, track) in begin {
            self.try_begin(now_us, slot, track, out);
        }
    }
}

/// The inner loops: `packets` of source `id` to `viewers`. Of a burst longer than one message (a keyframe) the rest is
/// left to `catch_up`, so that it is paced: `catching` gets those tracks, `begin` those that wait for a keyframe.
#[allow(clippy::too_many_arguments)]
fn fan_out(
    now_us: u64,
    sessions: &mut Slab<Box<Session>>,
    id: u64,
    viewers: &[(usize, usize)],
    packets: &[PacketRef],
    begin: &mut Vec<(usize, usize)>,
    catching: &mut Vec<(usize, usize)>,
    out: &mut Egress,
) {
    let moment = Moment::new(now_us);
    let pads = padding(packets);
    for &(slot, track) in viewers {
        let session = &mut *sessions[slot];
        let Session { send, tx, path, extensions, totals, phase, .. } = session;
        let t = &mut send[track];
        if t.target == Some(id) {
            begin.push((slot, track));
            continue;
        }
        let (Some(tx), Some(path), Phase::Connected) = (tx, path, *phase) else { continue };
        let limit = match t.progress {
            Progress::Live => u64::MAX,
            Progress::Catching { next } => next,
            Progress::Waiting => continue,
        };
        let pads_allowed = t.may_pad();
        let mut sent = 0;
        for (i, p) in packets.iter().enumerate() {
            if p.seq >= limit {
                continue;
            }
            if sent == MAX_SEGMENTS && t.progress == Progress::Live && t.config.kind == Kind::Video {
                t.progress = Progress::Catching { next: p.seq };
                catching.push((slot, track));
                break;
            }
            sent += 1;
            let pad = if pads_allowed { pads.get(i) } else { 0 };
            let before = out.bytes;
            if out.packet(path, slot as u32, |b| t.write(p, pad, &moment, extensions, tx, b)) {
                totals.count(t.config.kind, out.bytes - before);
            }
        }
    }
}

/// Padding per packet of a burst.
struct Pads([u8; 64]);

impl Pads {
    fn get(&self, i: usize) -> u8 {
        self.0.get(i).copied().unwrap_or(0)
    }
}

/// Within each frame of a burst, how much every packet but the last needs to be as long as the longest.
fn padding(packets: &[PacketRef]) -> Pads {
    let mut pads = Pads([0; 64]);
    let mut start = 0;
    while start < packets.len().min(64) {
        let frame = packets[start].frame;
        let n = packets[start..].iter().take(64 - start).take_while(|p| p.frame == frame).count();
        let group = &packets[start..start + n];
        let most = group.iter().map(|p| p.payload.len()).max().unwrap_or(0);
        if n > 1 && group[..n - 1].iter().all(|p| most - p.payload.len() <= MAX_PAD) {
            for (i, p) in group[..n - 1].iter().enumerate() {
                pads.0[start + i] = (most - p.payload.len()) as u8;
            }
        }
        start += n;
    }
    pads
}

fn relay_out(relays: &mut HashMap<u64, RelayOut>, id: u64, packets: &[PacketRef], out: &mut Egress) {
    let Some(relay) = relays.get_mut(&id) else { return };
    let Some(path) = relay.child else { return };
    let limit = match relay.progress {
        Progress::Live => u64::MAX,
        Progress::Catching { next } => next,
        Progress::Waiting => return,
    };
    for p in packets.iter().filter(|p| p.seq < limit) {
        out.packet(&path, NOBODY, |b| relay.write(p, b));
    }
}

/// A packet as Python gets it: payload type and SSRC mean nothing there.
fn whole(p: &Packet) -> Vec<u8> {
    let mut d = vec![0; 12 + p.payload.len()];
    rillcast_wire::rtp::write_header(&mut d, p.marker, 96, p.seq as u16, p.ts, 1, false, &[]);
    d[12..].copy_from_slice(&p.payload);
    d
}
