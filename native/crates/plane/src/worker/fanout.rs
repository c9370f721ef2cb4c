//! From a source's packets to everybody who wants them: the path that decides what an edge costs.
//!
//! Per burst and viewer: header rewrite, encryption from the shared clear packet into the send slot, one message.
//! No lock, no allocation, no Python.

use std::collections::HashMap;

use slab::Slab;

use super::{Probe, Worker};
use crate::config::Kind;
use crate::egress::{Egress, MAX_SEGMENTS, NOBODY};
use crate::events::Event;
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
/// Catching up: packets per viewer and tick (one GSO message), and per relay.
const CATCH_UP: usize = MAX_SEGMENTS;
const CATCH_UP_RELAY: usize = 64;
/// A switch under a running picture uses a cached keyframe no older than this: catching up with more is a burst that the
/// thin links most switches are made for can't take. An older one is replaced by asking for a new one.
const FRESH_US: u64 = 150_000;
/// Probes repeat packets not older than this.
const PROBE_WINDOW: u64 = 200;
/// While a probe goes on its effect is asked for (sender reports give round trips) and told so often.
const PROBE_STATS_US: u64 = 200_000;

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

    /// Connects a viewer's track to its target source, and begins if a keyframe is at hand.
    pub(super) fn attach(&mut self, now_us: u64, slot: usize, track: usize, out: &mut Egress) {
        let t = &self.sessions[slot].send[track];
        let Some(id) = t.target else { return };
        let (kind, clock_rate) = (t.config.kind, t.config.clock_rate);
        if !self.ensure_source(id, kind, clock_rate) {
            self.counters.add("attach_unknown_source");
            return;
        }
        if let Some(source) = self.sources.get_mut(&id) {
            if !source.viewers.contains(&(slot, track)) {
                source.viewers.push((slot, track));
            }
        }
        self.flush_source(now_us, id, out);
        self.try_begin(now_us, slot, track, out);
    }

    /// Begins with the target source if its keyframe is cached, else asks for one. The old source goes on until then.
    fn try_begin(&mut self, now_us: u64, slot: usize, track: usize, out: &mut Egress) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let t = &mut session.send[track];
        let Some(id) = t.target else { return };
        let Some(source) = self.sources.get_mut(&id) else { return };
        let at = t.entry(now_us, source).filter(|k| !t.flows(now_us) || now_us < k.arrival_us + FRESH_US);
        let Some(at) = at else {
            source.keyframe_wanted = true;
            return;
        };
        let old = t.source;
        t.begin(now_us, source, at);
        if let Some(old) = old.filter(|o| *o != id) {
            self.shared.events.push(Event::SourceSwitched { session: session.id, track: t.config.track, source: id });
            self.detach(old, slot, track);
        }
        self.catch_up(now_us, slot, track, out);
    }

    /// A viewer that seemed gone speaks again: from the next keyframe on.
    pub(super) fn resume(&mut self, now_us: u64, slot: usize, out: &mut Egress) {
        for track in 0..self.sessions[slot].send.len() {
            let t = &mut self.sessions[slot].send[track];
            if t.progress == Progress::Waiting && t.target.is_none() {
                t.target = t.source;
                self.attach(now_us, slot, track, out);
            }
        }
    }

    pub(super) fn detach(&mut self, id: u64, slot: usize, track: usize) {
        if let Some(s) = self.sources.get_mut(&id) {
            s.viewers.retain(|v| *v != (slot, track));
        }
        self.drop_unused_mirror(id);
    }

    /// Sends the next cached packets to one track, and notes it if more remain.
    fn catch_up(&mut self, now_us: u64, slot: usize, track: usize, out: &mut Egress) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Session { send, tx, path, extensions, totals, .. } = &mut **session;
        let t = &mut send[track];
        let (Progress::Catching { next }, Some(source)) = (t.progress, t.source.and_then(|id| self.sources.get(&id)))
        else {
            return;
        };
        let (Some(tx), Some(path)) = (tx, path) else { return };
        let moment = Moment::new(now_us);
        let mut last = next;
        for p in source.ring.since(next).take(CATCH_UP) {
            last = p.seq + 1;
            let before = out.bytes;
            if out.packet(path, slot as u32, |b| t.write(p, 0, &moment, extensions, tx, b)) {
                totals.count(source.kind, out.bytes - before);
            }
        }
        let done = source.ring.highest().is_none_or(|h| last > h);
        t.progress = if done { Progress::Live } else { Progress::Catching { next: last } };
        if !done && !self.catching.contains(&(slot, track)) {
            self.catching.push((slot, track));
        }
        self.tell_media(slot);
    }

    /// One tick's worth for everybody who is catching up.
    pub(super) fn catch_up_all(&mut self, now_us: u64, out: &mut Egress) {
        for (slot, track) in std::mem::take(&mut self.catching) {
            if let Some(id) = self.sessions.get(slot).and_then(|s| s.send[track].source) {
                self.flush_source(now_us, id, out);
                self.dirty.retain(|d| *d != id);
            }
            self.catch_up(now_us, slot, track, out);
        }
        for id in std::mem::take(&mut self.catching_relays) {
            if let Some(source) = self.relays_out.get(&id).map(|r| r.source) {
                self.flush_source(now_us, source, out);
                self.dirty.retain(|d| *d != source);
            }
            self.catch_up_relay(id, out);
        }
    }

    /// One tick's worth of every probe under way.
    pub(super) fn probe_all(&mut self, now_us: u64, out: &mut Egress) {
        let mut probes = std::mem::take(&mut self.probes);
        probes.retain_mut(|p| self.probe(now_us, p, out));
        for p in probes.iter_mut().filter(|p| now_us >= p.told_us + PROBE_STATS_US) {
            p.told_us = now_us;
            self.session_stats(now_us, p.slot);
            self.send_reports(now_us, p.slot, out);
        }
        self.probes.append(&mut probes);
    }

    /// Repeats recent packets as RTX (RFC 4588) until the time since the last call is paid for. False: over.
    fn probe(&mut self, now_us: u64, p: &mut Probe, out: &mut Egress) -> bool {
        let Some(session) = self.sessions.get_mut(p.slot) else { return false };
        let Session { send, tx, path, extensions, .. } = &mut **session;
        let t = &mut send[p.track];
        let (Some(segment), Some(tx), Some(path)) = (t.current, tx, path) else { return now_us < p.until_us };
        let Some(source) = self.sources.get(&segment.source) else { return now_us < p.until_us };
        let Some(highest) = source.ring.highest() else { return now_us < p.until_us };
        let moment = Moment::new(now_us);
        let oldest = segment.first_seq.max(highest.saturating_sub(PROBE_WINDOW));
        for _ in 0..MAX_SEGMENTS {
            if p.paid_us >= now_us.min(p.until_us) {
                break;
            }
            p.next_seq = if (oldest..=highest).contains(&p.next_seq) { p.next_seq } else { oldest };
            let packet = source.ring.get(p.next_seq);
            p.next_seq += 1;
            let before = out.bytes;
            if let Some(packet) = packet {
                out.packet(path, p.slot as u32, |b| t.write_repair(packet, &segment, &moment, extensions, tx, b));
            }
            p.paid_us += ((out.bytes - before).max(100) * 8_000_000).checked_div(p.rate_bps).unwrap_or(u64::MAX / 4);
        }
        now_us < p.until_us
    }

    /// A relay's child is there: send from the newest keyframe on.
    pub(super) fn attach_relay(&mut self, now_us: u64, id: u64, out: &mut Egress) {
        let Some(source_id) = self.relays_out.get(&id).map(|r| r.source) else { return };
        self.flush_source(now_us, source_id, out);
        let (Some(relay), Some(source)) = (self.relays_out.get_mut(&id), self.sources.get_mut(&source_id)) else {
            return;
        };
        if !source.relays.contains(&id) {
            source.relays.push(id);
        }
        let highest = source.ring.highest();
        let keyframe = source.ring.keyframe().filter(|k| highest.is_some_and(|h| h - k.first_seq < 3_000));
        relay.progress = match (keyframe, highest) {
            (Some(k), _) => Progress::Catching { next: k.first_seq },
            (None, Some(h)) if source.kind == Kind::Audio => Progress::Catching { next: h.saturating_sub(25).max(1) },
            _ => {
                source.keyframe_wanted = true;
                Progress::Live
            }
        };
        self.report_relay(now_us, id, out);
        self.catch_up_relay(id, out);
    }

    fn catch_up_relay(&mut self, id: u64, out: &mut Egress) {
        let Some(relay) = self.relays_out.get_mut(&id) else { return };
        let (Progress::Catching { next }, Some(path)) = (relay.progress, relay.child) else { return };
        let Some(source) = self.sources.get(&relay.source) else { return };
        let mut last = next;
        for p in source.ring.since(next).take(CATCH_UP_RELAY) {
            last = p.seq + 1;
            out.packet(&path, NOBODY, |b| relay.write(p, b));
        }
        if source.ring.highest().is_none_or(|h| last > h) {
            relay.progress = Progress::Live;
        } else {
            relay.progress = Progress::Catching { next: last };
            self.catching_relays.push(id);
        }
    }

    fn tell_media(&mut self, slot: usize) {
        let s = &mut self.sessions[slot];
        if !s.media && s.totals.packets_sent > 0 {
            s.media = true;
            self.shared.events.push(Event::SessionMedia { session: s.id });
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

impl crate::session::Totals {
    #[inline]
    fn count(&mut self, kind: Kind, bytes: u64) {
        self.packets_sent += 1;
        self.bytes_sent += bytes;
        match kind {
            Kind::Video => self.video_bytes += bytes,
            Kind::Audio => self.audio_bytes += bytes,
        }
    }
}
