//! From a source's packets to everybody who wants them: the path that decides what an edge costs.
//!
//! Per burst and viewer: header rewrite, encryption from the shared clear packet into the send slot, one message.
//! No lock, no allocation, no Python.

use super::audio_piggyback::Piggyback;
use super::relays::Relays;
use super::sessions::Sessions;
use super::start_queue::StartQueue;
use super::Worker;
use crate::config::Kind;
use crate::egress::{Bulk, Egress, Path, MAX_SEGMENTS, NOBODY};
use crate::mailbox::Mail;
use crate::packet::{Packet, PacketRef};
use crate::session::send::{Moment, Progress};
use crate::session::{Phase, Session};

/// Viewers ahead that memory is asked for.
const AHEAD: usize = 2;
/// Packets of a frame are padded to equal length for GSO if that costs at most this much each.
const MAX_PAD: usize = 48;

impl Worker {
    /// Sends what has gathered. Called after every batch of datagrams and mail.
    pub fn flush(&mut self, now_us: u64, out: &mut Egress) {
        // Video first: audio that waits goes with it.
        self.flush_kind(now_us, Kind::Video, out);
        self.flush_kind(now_us, Kind::Audio, out);
        out.flush();
        self.charge_failures(out);
    }

    fn flush_kind(&mut self, now_us: u64, kind: Kind, out: &mut Egress) {
        let mut i = 0;
        while let Some((place, id)) = self.sources.next_dirty(kind, i) {
            if self.holds(now_us, id) {
                self.forward_audio(id, out);
                i = place + 1;
            } else {
                self.sources.clean_at(place);
                self.flush_source(now_us, id, out);
                i = place;
            }
        }
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
        self.forward(id, out);
        let audio_waits = self.audio_waits();
        let Some(source) = self.sources.get_mut(id).filter(|s| !s.pending.is_empty()) else { return };
        let mut begin = vec![];
        if !source.settle_piggyback() {
            let first = source.next_first();
            self.fan_out(now_us, id, first, audio_waits, &mut begin, out);
        }
        if let Some(source) = self.sources.get_mut(id) {
            if !(source.viewers.is_empty() && source.relays.is_empty()) {
                self.passages.sent(&source.pending);
            }
            source.pending.clear();
            source.forwarded = 0;
        }
        self.note_piggyback();
        for (slot, track) in begin {
            self.try_begin(now_us, slot, track, out);
        }
    }

    /// Sends a source's pending packets to its viewers, from place `first` on. `begin`: tracks that want to begin with them.
    fn fan_out(
        &mut self,
        now_us: u64,
        id: u64,
        first: usize,
        audio_waits: bool,
        begin: &mut Vec<(usize, usize)>,
        out: &mut Egress,
    ) {
        let Worker { sessions, sources, starts, piggybacked, shared, .. } = self;
        let Some(source) = sources.get(id) else { return };
        let piggyback = (source.kind == Kind::Video && audio_waits).then(|| Piggyback::new(sources, piggybacked));
        let packets = &source.pending;
        let moment = Moment::new(now_us, shared.wall_ntp(now_us));
        let pads = padding(packets, piggyback.is_some());
        let mut burst = Burst { source: id, moment, packets, pads, begin, starts, piggyback };
        let (last, rest) = source.viewers.split_at(first);
        burst.fan_out(sessions, rest, out);
        burst.fan_out(sessions, last, out);
    }

    /// Sends what has not been yet to mirrors, taps and relays.
    pub(super) fn forward(&mut self, id: u64, out: &mut Egress) {
        let Some(source) = self.sources.get_mut(id) else { return };
        let packets = &source.pending[source.forwarded..];
        if packets.is_empty() {
            return;
        }
        for w in &source.mirrors {
            if self.shared.mailboxes[*w].post(Mail::Mirrored { source: id, packets: packets.to_vec() }).is_err() {
                self.counters.add("mirror_overflow");
            }
        }
        if source.tapped {
            for p in packets {
                self.shared.events.tap(id, whole(p));
            }
        }
        for relay in &source.relays {
            relay_out(&mut self.relays, *relay, packets, out);
        }
        source.forwarded = source.pending.len();
    }
}

/// One source's packets on their way to viewers.
struct Burst<'a> {
    source: u64,
    moment: Moment,
    packets: &'a [PacketRef],
    pads: Pads,
    /// Tracks that wait for a keyframe of this source.
    begin: &'a mut Vec<(usize, usize)>,
    /// Tracks that got the first message of a longer burst (a keyframe); `catch_up` paces the rest.
    starts: &'a mut StartQueue,
    piggyback: Option<Piggyback<'a>>,
}

impl Burst<'_> {
    /// Sends one burst to all these viewers. Most of the CPU time is spent here.
    fn fan_out(&mut self, sessions: &mut Sessions, viewers: &[(usize, usize)], out: &mut Egress) {
        for s in viewers.iter().take(2 * AHEAD).filter_map(|v| sessions.get(v.0)) {
            s.prefetch();
        }
        for (s, track) in viewers.iter().take(AHEAD).filter_map(|v| Some((sessions.get(v.0)?, v.1))) {
            s.prefetch_track(track);
        }
        for (i, &(slot, track)) in viewers.iter().enumerate() {
            if let Some(s) = viewers.get(i + 2 * AHEAD).and_then(|v| sessions.get(v.0)) {
                s.prefetch();
            }
            if let Some((s, v)) = viewers.get(i + AHEAD).and_then(|v| Some((sessions.get(v.0)?, v))) {
                s.prefetch_track(v.1);
            }
            let session = &mut sessions[slot];
            if session.send[track].target == Some(self.source) {
                self.begin.push((slot, track));
                continue;
            }
            if session.phase == Phase::Connected {
                self.send_to(session, slot, track, out);
            }
        }
    }

    #[inline]
    fn send_to(&mut self, session: &mut Session, slot: usize, track: usize, out: &mut Egress) {
        let Session { send, tx, path, extensions, totals, raw_proof, .. } = session;
        let (Some(tx), Some(path)) = (tx, path) else { return };
        let to = Receiver { path, owner: slot as u32, bulk: raw_proof.bulk() };
        let t = &mut send[track];
        let limit = match t.progress {
            Progress::Live => u64::MAX,
            Progress::Catching { next } => next,
            Progress::Waiting => return,
        };
        if t.changes_layers {
            t.change_layers(self.packets);
        }
        if let Some(l) = &mut t.limit {
            l.refill(self.moment.now_us());
        }
        let pads_allowed = t.may_pad();
        let mut sent = 0;
        for (i, p) in self.packets.iter().enumerate() {
            if p.seq >= limit {
                continue;
            }
            let waits = sent == MAX_SEGMENTS || t.limit.as_ref().is_some_and(|l| l.is_spent());
            if waits && t.progress == Progress::Live && t.config.kind == Kind::Video {
                t.progress = Progress::Catching { next: p.seq };
                self.starts.add_track(slot, track, t);
                break;
            }
            sent += 1;
            let pad = if pads_allowed { self.pads.get(i) } else { 0 };
            let before = out.bytes;
            if to.send(out, |b| t.write(p, pad, &self.moment, extensions, tx, b)) {
                totals.count(t.config.kind, out.bytes - before);
            }
            if let Some(l) = &mut t.limit {
                l.spend(out.bytes - before);
            }
        }
        if let Some(piggyback) = &mut self.piggyback {
            piggyback.append(send, to, &self.moment, extensions, tx, totals, out);
        }
    }
}

/// Where a viewer's packets of a burst go, and how.
#[derive(Clone, Copy)]
pub(super) struct Receiver<'a> {
    path: &'a Path,
    owner: u32,
    bulk: Bulk,
}

impl Receiver<'_> {
    #[inline]
    pub(super) fn send(self, out: &mut Egress, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        out.bulk(self.path, self.owner, self.bulk, write)
    }
}

/// Padding per packet of a burst.
struct Pads([u8; 64]);

impl Pads {
    fn get(&self, i: usize) -> u8 {
        self.0.get(i).copied().unwrap_or(0)
    }
}

/// Within each frame of a burst, how much every packet but the last needs to be as long as the longest. With `piggyback`
/// the last one too: what follows it in the message must be shorter.
fn padding(packets: &[PacketRef], piggyback: bool) -> Pads {
    let mut pads = Pads([0; 64]);
    let mut start = 0;
    while start < packets.len().min(64) {
        let frame = packets[start].frame;
        let n = packets[start..].iter().take(64 - start).take_while(|p| p.frame == frame).count();
        let group = &packets[start..start + n];
        let most = group.iter().map(|p| p.payload.len()).max().unwrap_or(0);
        let short = |p: &PacketRef| most - p.payload.len();
        let padded = if piggyback && short(&group[n - 1]) <= MAX_PAD { n } else { n - 1 };
        if n > 1 && group[..padded].iter().all(|p| short(p) <= MAX_PAD) {
            for (i, p) in group[..padded].iter().enumerate() {
                pads.0[start + i] = short(p) as u8;
            }
        }
        start += n;
    }
    pads
}

fn relay_out(relays: &mut Relays, id: u64, packets: &[PacketRef], out: &mut Egress) {
    let Some(relay) = relays.outgoing_mut(id) else { return };
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
