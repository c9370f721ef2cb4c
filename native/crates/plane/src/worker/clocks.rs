//! The clocks of sources: those of the tracks that come from one publisher, whose reports count all or none, and how they
//! are passed on.

use super::Worker;
use crate::events::Event;
use crate::mailbox::Mail;
use crate::packet::Clock;
use crate::source::{judge, Feed, Source, Verdict};

/// Children hear at once of a clock that is off by more than this from what they have been told; of others each second.
const NEWS_US: u64 = 20_000;

impl Worker {
    /// Looks at the sender reports of a session's tracks. After each of them, and once a second.
    pub(super) fn judge_clocks(&mut self, now_us: u64, slot: usize) {
        let Some(session) = self.sessions.get(slot).filter(|s| !s.recv.is_empty()) else { return };
        let ids: Vec<u64> = session.recv.iter().flat_map(|t| &t.config.encodings).map(|e| e.source).collect();
        let fed = |s: &&Source| matches!(s.feed, Feed::Session { slot: of, .. } if of == slot);
        let sources = || ids.iter().filter_map(|id| self.sources.get(*id)).filter(fed);
        let tracks: Vec<_> = sources().filter_map(|s| s.evidence(now_us)).collect();
        let (verdict, known_us) =
            (judge(&tracks), sources().map(Source::wall_us).find(|w| *w != 0).unwrap_or_default());
        let wall_us = tracks.first().filter(|_| verdict == Verdict::Take).map_or(known_us, |t| t.newest_us);
        if verdict == Verdict::Guess {
            self.counters.add("sender_reports_set_aside");
        }
        for id in ids {
            let Some(source) = self.sources.get_mut(id).filter(|s| fed(&&**s)) else { continue };
            let (is_judged, before) = (tracks.iter().any(|t| t.source == id), source.clock);
            let mut news = source.set_wall(now_us, wall_us);
            match verdict {
                Verdict::Take if is_judged => source.take_newest(now_us),
                Verdict::Doubt if is_judged => source.doubt_newest(),
                Verdict::Guess => source.go_by_arrivals(now_us),
                _ => {}
            }
            news |= is_judged && matches!(verdict, Verdict::Take | Verdict::Guess);
            if let (true, Some(clock)) = (news, source.clock) {
                self.clock_changed(now_us, id, before, clock);
            }
        }
    }

    /// A sender report of a source's feed.
    pub(super) fn source_clock(&mut self, now_us: u64, id: u64, ntp: u64, rtp_ts: u32) {
        let Some(source) = self.sources.get_mut(id) else { return };
        let before = source.clock;
        if let Some(clock) = source.on_sender_report(now_us, ntp, rtp_ts) {
            self.clock_changed(now_us, id, before, clock);
        }
    }

    fn clock_changed(&mut self, now_us: u64, id: u64, before: Option<Clock>, clock: Clock) {
        self.pass_clock(id, clock);
        let Some(source) = self.sources.get(id) else { return };
        let off_us = before.map_or(0, |b| b.ahead_of(&clock, now_us, source.clock_rate));
        if off_us.unsigned_abs() > NEWS_US {
            for relay in &source.relays {
                self.relays.outgoing_mut(*relay).into_iter().for_each(|r| r.clock_told = false);
            }
        }
    }

    /// What is known of a source's clock now, to mirrors and taps.
    pub(super) fn pass_clock(&mut self, id: u64, clock: Clock) {
        let Some(source) = self.sources.get(id) else { return };
        for w in &source.mirrors {
            if self.shared.mailboxes[*w].post(Mail::MirrorClock { source: id, clock }).is_err() {
                self.counters.add("mirror_overflow");
            }
        }
        if source.tapped {
            self.shared.events.push(Event::ClockSeen { source: id, ntp: clock.ntp, rtp_ts: clock.rtp });
        }
    }
}
