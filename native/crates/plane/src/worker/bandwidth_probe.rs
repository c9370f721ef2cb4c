//! Whether a viewer's link takes more than it is sent: padding beside the media for a while, and checks (RFC 8445 §7)
//! before, during and after it. Every agent answers them at once, so that the round trips of those before and those after
//! the padding show what it left in the link's queue, to a few milliseconds, whatever else the receiver reports.

use super::failure::Failure;
use super::sources::Sources;
use super::Worker;
use crate::egress::{Egress, Path, MAX_SEGMENTS};
use crate::events::{Event, Probed};
use crate::session::send::Moment;
use crate::session::Session;

const MAX_PROBE_BPS: u64 = 20_000_000;
const MAX_PROBE_MS: u64 = 5_000;
/// Probes repeat packets not older than this.
const PROBE_WINDOW: u64 = 200;
/// Checks before and after the padding, one at each tick; of their round trips the median counts.
const BEFORE: usize = 3;
const AFTER: usize = 4;
/// While the padding goes on there is a check this often, or at every tick if all of it takes no longer than `SHORT_US`.
const MARK_US: u64 = 20_000;
const SHORT_US: u64 = 100_000;
/// The padding ends early once a round trip is longer by this much.
const TOO_LONG_US: u64 = 150_000;
/// How long the last check may take to be answered.
const WAIT_US: u64 = 1_000_000;

/// A check whose answer shows what the link is like.
pub(super) struct Mark {
    /// Its transaction, which the answer names.
    pub id: [u8; 12],
    /// When it was sent, in microseconds.
    pub sent_us: u64,
    /// When the answer came.
    pub answered_us: Option<u64>,
}

impl Mark {
    /// A check that was sent just now.
    pub fn new(id: [u8; 12], sent_us: u64) -> Self {
        Mark { id, sent_us, answered_us: None }
    }

    /// Whether this is the check that was so called, and its answer has not come yet.
    pub fn awaits(&self, id: &[u8; 12]) -> bool {
        self.id == *id && self.answered_us.is_none()
    }

    fn round_trip_us(&self) -> Option<u64> {
        Some(self.answered_us?.saturating_sub(self.sent_us))
    }
}

/// Notes an answer to one of these.
pub(super) fn answer(marks: &mut [Mark], now_us: u64, id: &[u8; 12]) {
    if let Some(mark) = marks.iter_mut().find(|m| m.awaits(id)) {
        mark.answered_us = Some(now_us);
    }
}

/// One probe under way.
pub(super) struct Probe {
    track: usize,
    /// Of media and padding together.
    rate_bps: u64,
    duration_us: u64,
    /// When the padding begins and ends, from the last check before it on.
    span_us: Option<(u64, u64)>,
    /// Bytes up to this time have been sent.
    paid_us: u64,
    padding_bytes: u64,
    media_bytes: u64,
    /// Bytes of media that the session had been sent in all when it was last looked at.
    counted: u64,
    /// Next packet of the source to repeat.
    next_seq: u64,
    /// In the order of sending: those before, during and after.
    marks: Vec<Mark>,
    /// How many there were when the padding had ended.
    marks_before_end: Option<usize>,
}

impl Probe {
    /// A probe of which nothing was sent yet.
    pub fn new(track: usize, rate_bps: u64, duration_us: u64) -> Self {
        Probe {
            track,
            rate_bps,
            duration_us,
            span_us: None,
            paid_us: 0,
            padding_bytes: 0,
            media_bytes: 0,
            counted: 0,
            next_seq: 0,
            marks: vec![],
            marks_before_end: None,
        }
    }

    /// One tick's worth of it. Returns whether it goes on.
    fn advance(
        &mut self,
        now_us: u64,
        s: &mut Session,
        owner: u32,
        sources: &Sources,
        at: &Moment,
        out: &mut Egress,
    ) -> bool {
        if self.is_mark_due(now_us) {
            self.marks.extend(s.mark(0, out, owner).map(|id| Mark::new(id, now_us)));
        }
        let Some((_, until_us)) = self.span_us else {
            if self.marks.len() >= BEFORE {
                (self.span_us, self.paid_us) = (Some((now_us, now_us + self.duration_us)), now_us);
                self.counted = s.totals.bytes_sent;
            }
            return s.path.is_some();
        };
        if self.marks_before_end.is_none() {
            self.pad(now_us.min(until_us), s, owner, sources, at, out);
            if now_us >= until_us {
                self.marks_before_end = Some(self.marks.len());
            }
        }
        !self.is_over(now_us)
    }

    fn is_mark_due(&self, now_us: u64) -> bool {
        let every_us = if self.duration_us <= SHORT_US { 0 } else { MARK_US };
        match (self.span_us, self.marks_before_end) {
            (None, _) => true,
            (_, None) => self.marks.last().is_none_or(|m| now_us >= m.sent_us + every_us),
            (_, Some(before)) => self.marks.len() < before + AFTER,
        }
    }

    fn is_over(&self, now_us: u64) -> bool {
        let Some(after) = self.marks_before_end.map(|before| &self.marks[before..]) else { return false };
        let waited = after.last().is_some_and(|m| now_us >= m.sent_us + WAIT_US);
        after.len() == AFTER && (waited || after.iter().all(|m| m.answered_us.is_some()))
    }

    /// Takes an answer to one of its checks.
    fn on_answer(&mut self, now_us: u64, id: &[u8; 12]) {
        answer(&mut self.marks, now_us, id);
        let round_trips = || self.marks.iter().filter_map(Mark::round_trip_us);
        let too_long = round_trips().max().unwrap_or(0) > round_trips().min().unwrap_or(0) + TOO_LONG_US;
        if let (Some((from_us, until_us)), true) = (self.span_us, too_long) {
            self.span_us = Some((from_us, until_us.min(now_us.max(from_us))));
        }
    }

    fn result(&self, session: u64, track: u64) -> Probed {
        let (from_us, until_us) = self.span_us.unwrap_or_default();
        let ended = self.marks_before_end.unwrap_or(self.marks.len());
        Probed {
            session,
            track,
            padding_bytes: self.padding_bytes,
            media_bytes: self.media_bytes,
            lasted_ms: (until_us - from_us) as f64 / 1000.0,
            before_ms: median_ms(&self.marks[..self.marks.len().min(BEFORE)]),
            after_ms: median_ms(&self.marks[ended..]),
            checks: self.marks.len(),
            answered: self.marks.iter().filter(|m| m.answered_us.is_some()).count(),
        }
    }

    /// Repeats recent packets, as RTX (RFC 4588) if there is that, until the time up to `until_us` is paid for by media and
    /// padding.
    fn pad(
        &mut self,
        until_us: u64,
        session: &mut Session,
        owner: u32,
        sources: &Sources,
        at: &Moment,
        out: &mut Egress,
    ) {
        let Session { send, tx, path, extensions, totals, .. } = session;
        let media = totals.bytes_sent - std::mem::replace(&mut self.counted, totals.bytes_sent);
        self.media_bytes += media;
        self.paid_us += self.time_of(media);
        let t = &mut send[self.track];
        let (Some(munger), Some(tx), Some(path)) = (t.current, tx, path) else { return };
        let Some(ring) = sources.get(munger.source).map(|s| &s.ring) else { return };
        let Some(highest) = ring.highest() else { return };
        let oldest = munger.first_seq.max(highest.saturating_sub(PROBE_WINDOW));
        for _ in 0..MAX_SEGMENTS {
            if self.paid_us >= until_us {
                break;
            }
            self.next_seq = if (oldest..=highest).contains(&self.next_seq) { self.next_seq } else { oldest };
            let packet = ring.get(self.next_seq);
            self.next_seq += 1;
            let before = out.bytes;
            if let Some(packet) = packet.filter(|p| munger.numbers(p)) {
                out.packet(path, owner, |b| t.write_repair(packet, &munger, at, extensions, tx, b));
            }
            let bytes = out.bytes - before;
            self.padding_bytes += bytes;
            totals.extra_bytes += bytes;
            self.paid_us += self.time_of(bytes.max(100));
        }
    }

    /// How long so many bytes take at its rate.
    fn time_of(&self, bytes: u64) -> u64 {
        (bytes * 8_000_000).checked_div(self.rate_bps).unwrap_or(MAX_PROBE_MS * 1000)
    }
}

/// The median of the round trips, in milliseconds; 0 without any.
fn median_ms(marks: &[Mark]) -> f64 {
    let mut round_trips: Vec<u64> = marks.iter().filter_map(Mark::round_trip_us).collect();
    round_trips.sort_unstable();
    round_trips.get(round_trips.len().saturating_sub(1) / 2).map_or(0.0, |us| *us as f64 / 1000.0)
}

impl Worker {
    /// A new probe of the session replaces one under way, of which nothing is told.
    pub(super) fn start_probe(&mut self, id: u64, track: u64, rate_bps: u64, duration_ms: u64) -> Result<(), Failure> {
        let (slot, track) = self.track(id, track)?;
        let duration_us = duration_ms.min(MAX_PROBE_MS) * 1000;
        self.probes.insert(slot, Probe::new(track, rate_bps.min(MAX_PROBE_BPS), duration_us));
        Ok(())
    }

    /// One tick's worth of every probe under way. Those that are over are told.
    pub(super) fn probe_all(&mut self, now_us: u64, out: &mut Egress) {
        let Worker { probes, sessions, sources, shared, .. } = self;
        let at = Moment::new(now_us, shared.wall_ntp(now_us));
        probes.retain(|slot, p| {
            let Some(s) = sessions.get_mut(*slot) else { return false };
            let goes_on = !s.stalled && p.advance(now_us, s, *slot as u32, sources, &at, out);
            if !goes_on {
                shared.events.push(Event::Probed(p.result(s.id, s.send[p.track].config.track)));
            }
            goes_on
        });
    }

    /// An answer to a check that shows what a path is like. False: none of those under way was meant, or it is not
    /// authentic.
    pub(super) fn mark_answered(&mut self, now_us: u64, slot: usize, path: Path, data: &[u8], id: &[u8; 12]) -> bool {
        let measuring = self.measuring.get_mut(&slot).filter(|m| m.marks.iter().any(|m| m.awaits(id)));
        let probe = self.probes.get_mut(&slot).filter(|p| p.marks.iter().any(|m| m.awaits(id)));
        if measuring.is_none() && probe.is_none() {
            return false;
        }
        if !self.sessions.get_mut(slot).is_some_and(|s| s.on_mark(now_us, path, data)) {
            return false;
        }
        if let Some(measuring) = measuring {
            answer(&mut measuring.marks, now_us, id);
        }
        if let Some(probe) = probe {
            probe.on_answer(now_us, id);
        }
        true
    }
}
