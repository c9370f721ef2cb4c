//! Viewers and relays that begin: with the newest cached keyframe, then packet by packet up to the live edge, paced.

use super::Worker;
use crate::config::Kind;
use crate::egress::{Egress, Remote, MAX_SEGMENTS, NOBODY};
use crate::events::Event;
use crate::ring::Keyframe;
use crate::session::send::{Moment, Progress, SendTrack};
use crate::session::Session;
use crate::source::Source;

/// Catching up: packets per viewer and tick (one GSO message), and per relay.
const CATCH_UP: usize = MAX_SEGMENTS;
const CATCH_UP_RELAY: usize = 64;
/// Half a second of audio in packets of 20 ms: as much as a player has in its buffer when it begins.
pub(super) const AUDIO_START: u64 = 25;
/// A switch under a running picture uses a cached keyframe no older than this: catching up with more is a burst that the
/// thin links most switches are made for can't take. An older one is replaced by asking for a new one.
const FRESH_US: u64 = 150_000;
/// A track that its limit holds back by more than this goes on with the next keyframe.
const MOST_HELD_BACK_US: u64 = 700_000;
/// Catching up with more than this takes long: a new keyframe ends it earlier.
const LONG_US: u64 = 2_000_000;
/// Rather than catch up with more than this, a viewer waits for a new keyframe.
const MAX_CACHED_US: u64 = 4_000_000;
const MAX_CACHED_PACKETS: u64 = 2_000;
/// But no longer than this: an old picture is better than none.
const PATIENCE_US: u64 = 250_000;

impl Worker {
    /// Connects a viewer's track to its target source, and begins if a keyframe is at hand.
    pub(super) fn attach(&mut self, now_us: u64, slot: usize, track: usize, out: &mut Egress) {
        let t = &mut self.sessions[slot].send[track];
        let Some(id) = t.target else { return };
        t.wanted_us = now_us;
        let (kind, clock_rate) = (t.config.kind, t.config.clock_rate);
        if !self.ensure_source(id, kind, clock_rate) {
            self.counters.add("attach_unknown_source");
            return;
        }
        if let Some(source) = self.sources.get_mut(id) {
            if self.sessions[slot].send[track].take_seat(id, source.viewers.len()) {
                source.viewers.push((slot, track));
            }
        }
        self.flush_source(now_us, id, out);
        self.try_begin(now_us, slot, track, out);
    }

    /// Begins with the target source if its keyframe is cached, else asks for one. The old source goes on until then.
    pub(super) fn try_begin(&mut self, now_us: u64, slot: usize, track: usize, out: &mut Egress) {
        let Some(session) = self.sessions.get_mut(slot).filter(|s| !s.stalled) else { return };
        let t = &mut session.send[track];
        let Some(id) = t.target else { return };
        let Some(source) = self.sources.get_mut(id) else { return };
        let (old, name) = (t.source, t.config.track);
        if !t.goes_on(now_us, source) {
            let at = match (t.entry(now_us, source), t.flows(now_us)) {
                (Some(k), true) if now_us < k.arrival_us + FRESH_US => k,
                (Some(k), false) if is_worth_it(now_us, t, source, k) => k,
                (kept, flows) => {
                    source.keyframe_wanted |= !source.is_filling(now_us);
                    if kept.is_some() && !flows {
                        self.starts.add_track(slot, track, t);
                    }
                    return;
                }
            };
            if t.is_ahead_of(now_us, source, at) {
                return;
            }
            let known_bps = known_bps(session.remb_bps, session.path_bps, t);
            session.told.look(now_us, &session.send);
            let t = &mut session.send[track];
            t.begin(now_us, source, at, known_bps, &mut session.told);
            source.keyframe_wanted |= t.pace.is_some() && now_us >= at.arrival_us + LONG_US;
        }
        if let Some(old) = old.filter(|o| *o != id) {
            self.shared.events.push(Event::SourceSwitched { session: session.id, track: name, source: id });
            self.detach(old, slot, track);
        }
        self.catch_up(now_us, slot, track, out);
    }

    /// Something authentic came from this end: a viewer that was stalled goes on from the next keyframe, if it is where
    /// its media goes.
    pub(super) fn resume(&mut self, now_us: u64, slot: usize, from: Remote, out: &mut Egress) {
        let s = &mut self.sessions[slot];
        if !s.stalled || s.path.is_none_or(|p| p.remote() != from) {
            return;
        }
        s.stalled = false;
        for track in 0..self.sessions[slot].send.len() {
            let t = &mut self.sessions[slot].send[track];
            if t.progress == Progress::Waiting {
                t.target = t.target.or(t.source);
                self.attach(now_us, slot, track, out);
            }
        }
    }

    pub(super) fn detach(&mut self, id: u64, slot: usize, track: usize) {
        let seat = self.sessions[slot].send[track].leave_seat(id);
        if let (Some(seat), Some(s)) = (seat, self.sources.get_mut(id)) {
            s.viewers.swap_remove(seat);
            if let Some(&(other, t)) = s.viewers.get(seat) {
                self.sessions[other].send[t].move_seat(id, seat);
            }
        }
        self.drop_unused_mirror(id);
    }

    /// Sends the next cached packets to one track, and notes it if more remain.
    fn catch_up(&mut self, now_us: u64, slot: usize, track: usize, out: &mut Egress) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Session { send, told, tx, path, extensions, totals, remb_bps, path_bps, raw_proof, .. } = session;
        let t = &mut send[track];
        let (Progress::Catching { mut next }, Some(source)) =
            (t.progress, t.source.and_then(|id| self.sources.get(id)))
        else {
            return;
        };
        let (Some(tx), Some(path)) = (tx, path) else { return };
        let behind = source.ring.since(next).next().is_some_and(|p| now_us >= p.arrival_us + MOST_HELD_BACK_US);
        let newer = source.ring.keyframe().filter(|k| k.first_seq > next && (t.pace.is_some() || behind));
        if let Some(newer) = newer.filter(|_| t.pace.is_some() || t.limit.is_some()) {
            t.begin(now_us, source, newer, known_bps(*remb_bps, *path_bps, t), told);
            next = newer.first_seq;
        } else if t.pace.as_mut().is_some_and(|pace| !pace.ready(now_us, source.steady_bps(now_us))) {
            return self.starts.add_track(slot, track, t);
        }
        if let Some(limit) = &mut t.limit {
            limit.refill(now_us);
            if !limit.is_spent() {
                limit.note(next, now_us);
            }
        }
        if next < source.ring.oldest() {
            // What it was to be sent next is forgotten: what comes after that can't be decoded.
            self.counters.add("catch_up_overtaken");
            (t.progress, t.pace) = (Progress::Waiting, None);
            t.target = t.target.or(t.source);
            return self.attach(now_us, slot, track, out);
        }
        let moment = Moment::new(now_us, self.shared.wall_ntp(now_us));
        let bulk = raw_proof.bulk();
        let mut last = next;
        for p in source.ring.since(next).take(CATCH_UP) {
            if t.pace.is_some_and(|pace| pace.is_spent()) || t.limit.as_ref().is_some_and(|limit| limit.is_spent()) {
                break;
            }
            last = p.seq + 1;
            let before = out.bytes;
            if out.bulk(path, slot as u32, bulk, |b| t.write(p, 0, &moment, extensions, tx, b)) {
                totals.count(source.kind, out.bytes - before);
            }
            if let Some(pace) = &mut t.pace {
                pace.spend(out.bytes - before);
            }
            if let Some(limit) = &mut t.limit {
                limit.spend(out.bytes - before);
                t.limited_before = p.seq + 1;
            }
        }
        let done = source.ring.highest().is_none_or(|h| last > h) && t.pace.is_none_or(|p| p.is_over(now_us));
        t.progress = if done { Progress::Live } else { Progress::Catching { next: last } };
        t.pace = t.pace.filter(|_| !done);
        if let Some(limit) = t.limit.as_mut().filter(|_| done) {
            limit.note_live(last);
        }
        if !done {
            self.starts.add_track(slot, track, t);
        }
        self.tell_media(slot);
    }

    /// One tick's worth for everybody who is catching up.
    pub(super) fn catch_up_all(&mut self, now_us: u64, out: &mut Egress) {
        let (tracks, relays) = self.starts.take();
        for (slot, track) in tracks {
            let Some(t) = self.sessions.get_mut(slot).and_then(|s| s.send.get_mut(track)) else { continue };
            if !t.is_queued() {
                continue;
            }
            t.set_queued(false);
            if let Progress::Catching { .. } = t.progress {
                if let Some(id) = t.source {
                    self.flush_pending(now_us, id, out);
                }
                self.catch_up(now_us, slot, track, out);
            } else if let Some(id) = t.target {
                self.flush_pending(now_us, id, out);
                self.try_begin(now_us, slot, track, out);
            }
        }
        for id in relays {
            let Some(relay) = self.relays.outgoing_mut(id) else { continue };
            relay.queued = false;
            let source = relay.source;
            self.flush_pending(now_us, source, out);
            self.catch_up_relay(id, out);
        }
    }

    /// What a source has gathered is sent before who is caught up gets more of it, so that nobody gets it twice.
    fn flush_pending(&mut self, now_us: u64, id: u64, out: &mut Egress) {
        if self.sources.get(id).is_some_and(|s| !s.pending.is_empty()) {
            self.sources.clean(id);
            self.flush_source(now_us, id, out);
        }
    }

    /// A relay's child is there: send from the newest keyframe on.
    pub(super) fn attach_relay(&mut self, now_us: u64, id: u64, out: &mut Egress) {
        let Some(source_id) = self.relays.outgoing(id).map(|r| r.source) else { return };
        self.flush_source(now_us, source_id, out);
        let (Some(relay), Some(source)) = (self.relays.outgoing_mut(id), self.sources.get_mut(source_id)) else {
            return;
        };
        if !source.relays.contains(&id) {
            source.relays.push(id);
        }
        let highest = source.ring.highest();
        // What is forgotten soon would lose its beginning to newer packets before it is sent.
        let keyframe = source.ring.keyframe().filter(|k| source.ring.keeps(k.first_seq));
        relay.progress = match (keyframe, highest) {
            (Some(k), _) => Progress::Catching { next: k.first_seq },
            (None, Some(h)) if source.kind == Kind::Audio => {
                Progress::Catching { next: h.saturating_sub(AUDIO_START).max(1) }
            }
            // A publisher that moved in: its pictures go on from those that the child has of another parent.
            (None, Some(_)) if source.has_all() && source.ring.keeps(source.ring.oldest()) => {
                source.keyframe_wanted = true;
                Progress::Catching { next: source.ring.oldest() }
            }
            _ => {
                source.keyframe_wanted = true;
                Progress::Live
            }
        };
        self.report_relay(now_us, id, out);
        self.catch_up_relay(id, out);
    }

    fn catch_up_relay(&mut self, id: u64, out: &mut Egress) {
        let Some(relay) = self.relays.outgoing_mut(id) else { return };
        let (Progress::Catching { next }, Some(path)) = (relay.progress, relay.child) else { return };
        let Some(source) = self.sources.get(relay.source) else { return };
        let mut last = next;
        for p in source.ring.since(next).take(CATCH_UP_RELAY) {
            last = p.seq + 1;
            out.packet(&path, NOBODY, |b| relay.write(p, b));
        }
        if source.ring.highest().is_none_or(|h| last > h) {
            relay.progress = Progress::Live;
        } else {
            relay.progress = Progress::Catching { next: last };
            self.starts.add_relay(relay);
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

/// What a viewer's link is known to take, for a track that begins; 0: nothing is known. Before there is an estimate it is
/// most of what the path was measured to take, but not of a track that is held because its link got slower since.
fn known_bps(remb_bps: u64, path_bps: u64, t: &SendTrack) -> u64 {
    if remb_bps == 0 && !t.is_held() {
        path_bps / 5 * 4
    } else {
        remb_bps
    }
}

/// Whether a track without a picture begins with the keyframe that is kept, rather than wait for another one.
fn is_worth_it(now_us: u64, t: &SendTrack, source: &Source, at: Keyframe) -> bool {
    if now_us >= t.wanted_us + PATIENCE_US {
        return true;
    }
    if source.is_filling(now_us) {
        return false;
    }
    let behind = source.ring.highest().map_or(0, |h| h - at.first_seq);
    let recent = behind < MAX_CACHED_PACKETS && now_us < at.arrival_us + MAX_CACHED_US;
    recent || source.answers_no_request(now_us)
}
