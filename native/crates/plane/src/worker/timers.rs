//! What happens because time passes: handshakes, catching up, repair, keyframe requests, reports, consent, statistics.

use rillcast_wire::rtcp;

use super::{Worker, TICK_US};
use crate::config::Kind;
use crate::egress::{Egress, NOBODY};
use crate::events::{CloseReason, Event, SessionStats};
use crate::mailbox::Mail;
use crate::relay::{self, RelayOut, CHILD_TIMEOUT_US, HELLO_US, KEEP_ALIVE_US, PARENT_TIMEOUT_US};
use crate::session::Phase;
use crate::source::{Feed, Source};

const SECOND_US: u64 = 1_000_000;
/// Sessions are looked after once a second, a slice of them at every tick.
const SLICES: usize = (SECOND_US / TICK_US) as usize;
/// A publisher's estimate is told this often at first, later once a second.
const REMB_FAST_US: u64 = 200_000;
const REMB_FAST_FOR_US: u64 = 8_000_000;
const HANDSHAKE_TURNS: usize = 5;
/// From so many DTLS associations given up in a second on, their memory is given back.
const MANY_SHED: usize = 50;
/// A tick that comes so much after the last one was late.
const LATE_US: u64 = 4 * TICK_US;
/// How long to wait before asking again for a packet.
const NACK_SESSION_US: u64 = 40_000;
const NACK_RELAY_US: u64 = 20_000;

impl Worker {
    /// To be called every `TICK_US`; being late is harmless.
    pub fn tick(&mut self, now_us: u64, out: &mut Egress) {
        self.catch_up_all(now_us, out);
        self.probe_all(now_us, out);
        self.measure_all(now_us, out);
        self.handshakes(now_us, out);
        self.sources_tick(now_us, out);
        self.relays_tick(now_us, out);
        self.sessions_tick(now_us, out);
        self.tcp_tick(now_us);
        if now_us >= self.last_second_us + SECOND_US {
            self.second(now_us);
        }
    }

    fn handshakes(&mut self, now_us: u64, out: &mut Egress) {
        let timeout = self.config.handshake_timeout_ms * 1000;
        // DTLS timers are 150 ms and more: a fifth of the handshakes at every tick is often enough.
        let mut i = self.handshake_turn;
        self.handshake_turn = (self.handshake_turn + 1) % HANDSHAKE_TURNS;
        while let Some(slot) = self.sessions.half_open_at(i) {
            let s = &mut self.sessions[slot];
            if now_us >= s.added_us + timeout {
                // Another one takes its place among the handshakes, so that this place is looked at again.
                self.end_session(slot, CloseReason::HandshakeTimeout, out);
                continue;
            }
            i += HANDSHAKE_TURNS;
            s.repeat_checks(now_us, out, slot as u32);
            let outcome = s.on_dtls_timer(now_us, out, slot as u32);
            self.after(now_us, slot, outcome, out);
        }
    }

    fn sources_tick(&mut self, now_us: u64, out: &mut Egress) {
        let mut asked = vec![];
        let mut keyframes = vec![];
        for s in self.sources.iter_mut() {
            if !s.nack.is_idle() {
                let interval = if s.feed == Feed::Relay { NACK_RELAY_US } else { NACK_SESSION_US };
                let mut seqs = vec![];
                s.nack.due(now_us, interval, &mut seqs);
                if !seqs.is_empty() {
                    asked.push((s.id, s.feed, seqs));
                }
            }
            keyframes.extend(s.take_keyframe_request(now_us).then_some((s.id, s.feed)));
            if let Some(frame_interval_ms) = s.falls_silent(now_us) {
                self.shared.events.push(Event::SourceSilent { source: s.id, frame_interval_ms });
            }
        }
        for (id, feed, seqs) in asked {
            self.ask_again(id, feed, &seqs, out);
        }
        for (id, feed) in keyframes {
            if !self.ask_keyframe(id, feed, out) {
                self.sources.get_mut(id).into_iter().for_each(Source::keep_keyframe_request);
            }
        }
    }

    fn ask_again(&mut self, id: u64, feed: Feed, seqs: &[u16], out: &mut Egress) {
        let mut packet = vec![];
        match feed {
            Feed::Session { slot, track, encoding } => {
                let Some(s) = self.sessions.get_mut(slot) else { return };
                let t = &s.recv[track];
                let (Some(media), true) = (t.ssrcs[encoding], t.config.nack) else { return };
                rtcp::write_rr(&mut packet, s.feedback_ssrc, &[]);
                rtcp::write_nack(&mut packet, s.feedback_ssrc, media, seqs);
                s.send_rtcp(packet, out, slot as u32);
                self.asked.nacks_sent += seqs.len() as u64;
            }
            Feed::Relay => {
                let Some(r) = self.relays.incoming_mut(id) else { return };
                packet = r.keep_alive();
                rtcp::write_nack(&mut packet, r.ssrc, r.ssrc, seqs);
                self.send_to_parent(id, packet, out);
                self.asked.nacks_sent += seqs.len() as u64;
            }
            Feed::None | Feed::Push | Feed::Mirror { .. } => {}
        }
    }

    /// False: there is nobody to ask yet, or it is not known under which SSRC.
    fn ask_keyframe(&mut self, id: u64, feed: Feed, out: &mut Egress) -> bool {
        let mut packet = vec![];
        match feed {
            Feed::Session { slot, track, encoding } => {
                let Some(s) = self.sessions.get_mut(slot).filter(|s| s.phase == Phase::Connected) else { return false };
                let t = &s.recv[track];
                let Some(media) = t.ssrc(encoding) else { return false };
                rtcp::write_rr(&mut packet, s.feedback_ssrc, &[]);
                if t.config.pli {
                    rtcp::write_pli(&mut packet, s.feedback_ssrc, media);
                } else {
                    let number = self.sources.get_mut(id).map_or(0, Source::next_fir);
                    rtcp::write_fir(&mut packet, s.feedback_ssrc, media, number);
                }
                s.send_rtcp(packet, out, slot as u32);
                self.asked.keyframes_out += 1;
            }
            Feed::Relay => {
                let Some(r) = self.relays.incoming_mut(id) else { return false };
                packet = r.keep_alive();
                rtcp::write_pli(&mut packet, r.ssrc, r.ssrc);
                self.send_to_parent(id, packet, out);
                self.asked.keyframes_out += 1;
            }
            Feed::Push => self.shared.events.push(Event::KeyframeWanted { source: id }),
            Feed::Mirror { worker } => {
                let posted = self.shared.mailboxes[worker].post(Mail::Keyframe { source: id });
                if let (Err(_), Some(s)) = (posted, self.sources.get_mut(id)) {
                    s.keyframe_wanted = true;
                }
            }
            Feed::None => return false,
        }
        true
    }

    // ------------------------------------------------------------------ relays

    fn relays_tick(&mut self, now_us: u64, out: &mut Egress) {
        let due: Vec<u64> =
            self.relays.all_incoming().filter(|r| now_us >= r.sent_us + KEEP_ALIVE_US).map(|r| r.source).collect();
        for id in due {
            self.keep_alive(now_us, id, out);
        }
        let early: Vec<u64> = self
            .relays
            .all_incoming()
            .filter(|r| now_us >= r.sent_us + HELLO_US && self.sources.get(r.source).is_some_and(|s| !s.is_joined()))
            .map(|r| r.source)
            .collect();
        for id in early {
            self.keep_alive(now_us, id, out);
        }
        let late_us = now_us.saturating_sub(self.ticked_us).saturating_sub(LATE_US);
        self.ticked_us = now_us;
        for r in self.relays.all_incoming_mut() {
            // What we didn't listen to is no silence.
            r.heard_us = (r.heard_us + late_us).min(now_us);
            if !r.lost_told && now_us >= r.heard_us + PARENT_TIMEOUT_US {
                r.lost_told = true;
                self.shared.events.push(Event::RelayParentLost { source: r.source });
            }
        }
        for r in self.relays.all_outgoing_mut() {
            r.seen_us = (r.seen_us + late_us).min(now_us);
            if r.falls_silent(now_us) {
                self.shared.events.push(Event::RelayChildSilent { relay: r.id });
            }
        }
        let gone: Vec<u64> =
            self.relays.all_outgoing().filter(|r| now_us >= r.seen_us + CHILD_TIMEOUT_US).map(|r| r.id).collect();
        for id in gone {
            self.remove_relay(id);
            self.shared.events.push(Event::RelayChildLost { relay: id });
        }
        let Worker { relays, sources, .. } = self;
        // A child that knows no clock guesses it, and worse than its parent can.
        let news = |r: &RelayOut| !r.clock_told && sources.get(r.source).is_some_and(|s| s.clock.is_some());
        let due = relays.all_outgoing_mut().filter_map(|r| (r.is_report_due(now_us) || news(r)).then_some(r.id));
        for id in due.collect::<Vec<u64>>() {
            self.report_relay(now_us, id, out);
        }
    }

    /// Tells the parent of a relay that this child still wants it.
    pub(super) fn keep_alive(&mut self, now_us: u64, id: u64, out: &mut Egress) {
        let Some(r) = self.relays.incoming_mut(id) else { return };
        r.sent_us = now_us;
        let packet = r.answer(now_us);
        self.send_to_parent(id, packet, out);
    }

    fn send_to_parent(&mut self, id: u64, mut packet: Vec<u8>, out: &mut Egress) {
        let Some(r) = self.relays.incoming_mut(id) else { return };
        if r.tx.protect_rtcp(&mut packet).is_ok() {
            out.datagram(&Self::parent_path(r), NOBODY, &packet);
        }
    }

    /// Parent → child: sender report, which is the keep-alive as well.
    pub(super) fn report_relay(&mut self, now_us: u64, id: u64, out: &mut Egress) {
        let Some(r) = self.relays.outgoing_mut(id) else { return };
        let Some(path) = r.child else { return };
        r.reported_us = now_us;
        let mut packet = vec![];
        // Also a guessed one: the child, which gets what is cached before it gets what is new, would guess worse.
        let known = self.sources.get(r.source).and_then(|s| Some((s.clock?, s.clock_rate)));
        r.clock_told = known.is_some();
        match known {
            Some((clock, rate)) => {
                let (ntp, rtp) = clock.at(now_us, rate);
                rtcp::write_sr(&mut packet, r.ssrc, ntp, rtp, r.packets, r.octets, &[]);
                r.said = Some(((ntp >> 16) as u32, now_us));
            }
            None => rtcp::write_rr(&mut packet, r.ssrc, &[]),
        }
        if r.tx.protect_rtcp(&mut packet).is_ok() {
            out.datagram(&path, NOBODY, &packet);
        }
    }

    // ------------------------------------------------------------------ sessions

    fn sessions_tick(&mut self, now_us: u64, out: &mut Egress) {
        let slots = self.sessions.end();
        let slice = self.next_slice;
        self.next_slice = (slice + 1) % SLICES;
        for slot in (slice..slots).step_by(SLICES) {
            if self.sessions.contains(slot) {
                self.session_second(now_us, slot, out);
            }
        }
        let publishers: Vec<usize> = self
            .sources
            .iter()
            .filter_map(|s| match s.feed {
                Feed::Session { slot, .. } if s.kind == Kind::Video => Some(slot),
                _ => None,
            })
            .collect();
        for slot in publishers {
            let Some(s) = self.sessions.get(slot).filter(|s| s.phase == Phase::Connected) else { continue };
            let interval = if now_us < s.added_us + REMB_FAST_FOR_US { REMB_FAST_US } else { SECOND_US };
            if now_us >= s.remb_us + interval {
                self.send_remb(now_us, slot, out);
            }
        }
    }

    fn session_second(&mut self, now_us: u64, slot: usize, out: &mut Egress) {
        let s = &mut self.sessions[slot];
        let stalls = s.renew_consent(now_us, out, slot as u32);
        if s.phase != Phase::Connected {
            return;
        }
        if now_us >= s.seen_us + self.config.consent_timeout_ms * 1000 {
            return self.end_session(slot, CloseReason::ConsentExpired, out);
        }
        if s.has_left(now_us) {
            return self.end_session(slot, CloseReason::DtlsClosed, out);
        }
        s.serve_dtls(out, slot as u32);
        self.shed += usize::from(s.shed_dtls(now_us));
        if stalls && !s.send.is_empty() {
            self.counters.add("viewer_stalled");
        }
        self.judge_clocks(now_us, slot);
        // Of less time rates say nothing, and what the last report has shown was told just now.
        if now_us >= self.sessions[slot].reported_us + super::inbound::STATS_AGAIN_US {
            self.session_stats(now_us, slot);
        }
        self.send_reports(now_us, slot, out);
    }

    pub(super) fn session_stats(&mut self, now_us: u64, slot: usize) {
        let s = &mut self.sessions[slot];
        let interval = now_us.saturating_sub(s.reported_us).max(1);
        s.reported_us = now_us;
        let (video, audio) = (s.totals.video_bytes - s.totals.before.0, s.totals.audio_bytes - s.totals.before.1);
        s.totals.before = (s.totals.video_bytes, s.totals.audio_bytes);
        let rate = |bytes: u64| (u128::from(bytes) * 8_000_000 / u128::from(interval)) as u64;
        let stats = SessionStats {
            session: s.id,
            packets_sent: s.totals.packets_sent,
            bytes_sent: s.totals.bytes_sent,
            packets_received: s.totals.packets_received,
            bytes_received: s.totals.bytes_received,
            estimate_bps: s.estimator.as_mut().map_or(s.remb_bps, |e| e.estimate_bps(now_us)),
            fraction_lost: (s.lost as f64 / s.expected.max(1) as f64).min(1.0),
            rtt_ms: s.rtt_us as f64 / 1000.0,
            lag_ms: s.lag.us as f64 / 1000.0,
            delivered_bps: s.lag.delivered_bps,
            backlogged: s.lag.backlogged,
            jitter_ms: s.jitter_ms,
            nacks: s.totals.nacks,
            repaired: s.totals.repaired,
            dropped: s.totals.dropped,
            keyframe_requests: s.totals.keyframe_requests,
            video_bps: rate(video),
            audio_bps: rate(audio),
        };
        (s.expected, s.lost, s.told_remb_bps, s.lag) = (0, 0, s.remb_bps, Default::default());
        self.shared.events.push(Event::SessionStats(stats));
    }

    /// Sender reports of what we send, receiver reports of what we get.
    pub(super) fn send_reports(&mut self, now_us: u64, slot: usize, out: &mut Egress) {
        let s = &mut self.sessions[slot];
        let mut packet = vec![];
        for t in &mut s.send {
            let Some(source) = t.source.and_then(|id| self.sources.get(id)) else { continue };
            let Some((ntp, rtp)) = t.report(now_us, source, &mut s.told) else { continue };
            rtcp::write_sr(&mut packet, t.config.ssrc, ntp, rtp, t.packets, t.octets, &[]);
            rtcp::write_sdes_cname(&mut packet, t.config.ssrc, &t.config.cname);
        }
        let mut reports = vec![];
        for t in &s.recv {
            for (e, ssrc) in t.config.encodings.iter().zip(&t.ssrcs) {
                let (Some(ssrc), Some(source)) = (ssrc, self.sources.get_mut(e.source)) else { continue };
                let Some((fraction_lost, cumulative_lost, highest_seq, jitter)) = source.take_reception() else {
                    continue;
                };
                if let Some(est) = &mut s.estimator {
                    est.on_loss(now_us, f32::from(fraction_lost) / 256.0);
                }
                let (last_sr, delay_last_sr) = source.last_report().map_or((0, 0), |c| {
                    ((c.ntp >> 16) as u32, (now_us.saturating_sub(c.at_us) * 65_536 / 1_000_000) as u32)
                });
                reports.push(rtcp::Report {
                    ssrc: *ssrc,
                    fraction_lost,
                    cumulative_lost,
                    highest_seq,
                    jitter,
                    last_sr,
                    delay_last_sr,
                });
            }
        }
        if !reports.is_empty() {
            rtcp::write_rr(&mut packet, s.feedback_ssrc, &reports);
        }
        s.send_rtcp(packet, out, slot as u32);
    }

    pub(super) fn send_remb(&mut self, now_us: u64, slot: usize, out: &mut Egress) {
        let s = &mut self.sessions[slot];
        s.remb_us = now_us;
        let Some(e) = &mut s.estimator else { return };
        let bitrate = e.estimate_bps(now_us);
        let ssrcs: Vec<u32> = s.routes.media_ssrcs().map(|(ssrc, _)| ssrc).collect();
        if ssrcs.is_empty() {
            return;
        }
        let mut packet = vec![];
        rtcp::write_rr(&mut packet, s.feedback_ssrc, &[]);
        rtcp::write_remb(&mut packet, s.feedback_ssrc, bitrate, &ssrcs);
        s.send_rtcp(packet, out, slot as u32);
    }

    // ------------------------------------------------------------------ statistics

    fn second(&mut self, now_us: u64) {
        let interval = now_us.saturating_sub(self.last_second_us);
        self.last_second_us = now_us;
        self.tcp_second(now_us);
        if std::mem::take(&mut self.shed) >= MANY_SHED {
            rillcast_crypto::memory::release();
        }
        self.sources.iter_mut().for_each(|s| s.waited_in_vain = 0);
        self.relays.all_outgoing_mut().for_each(|r| r.requests = relay::REQUESTS_PER_SECOND);
        let mut guessed = vec![];
        for s in self.sources.iter_mut().filter(|s| !matches!(s.feed, Feed::Mirror { .. })) {
            self.shared.events.push(Event::SourceStats(s.take_stats(now_us, interval)));
            guessed.extend(s.clock.filter(|_| s.clock_moves()).map(|c| (s.id, c)));
        }
        for (id, clock) in guessed {
            self.pass_clock(id, clock);
        }
        self.sources.share_cache(now_us);
    }
}
