//! What arrives for sessions: STUN checks, DTLS, SRTP and SRTCP; and packets pushed by Python.

use rillcast_crypto::srtp::{Receiver, SrtpError};
use rillcast_wire::{rtcp, rtp, stun};

use super::remotes::Owners;
use super::Worker;
use crate::config::Kind;
use crate::egress::{Egress, Path, Remote, Sock, MAX_DATAGRAM};
use crate::events::Event;
use crate::session::paths::owner_of;
use crate::session::recv::carried;
use crate::session::send::Moment;
use crate::session::{Checked, Outcome, Phase, Session};
use crate::source::{Feed, Incoming};

/// Why a datagram could not be decrypted.
enum Closed {
    /// No session has to do with whoever sent it.
    UnknownPeer,
    /// The session has no keys yet.
    BeforeHandshake,
    /// It is not authentic, or was there before.
    Refused,
}

impl Worker {
    pub(super) fn stun(&mut self, now_us: u64, path: Path, data: &[u8], out: &mut Egress) {
        let Ok(message) = stun::parse(data) else { return self.counters.add("stun_malformed") };
        match message.class {
            stun::Class::Request => self.check(now_us, path, data, &message, out),
            stun::Class::Success => self.answer(now_us, path, data, &message, out),
            // A keep-alive for NATs on the way (RFC 8445 §11). Anybody can make one, so that it says nothing.
            stun::Class::Indication => {}
            stun::Class::Error => self.counters.add("stun_check_refused"),
        }
    }

    /// A check of the peer.
    fn check(&mut self, now_us: u64, path: Path, data: &[u8], check: &stun::Binding<'_>, out: &mut Egress) {
        let local = check.username.and_then(|u| u.split_once(':')).map(|(local, _)| local);
        let Some(slot) = local.and_then(|l| self.sessions.slot_of_ufrag(l)) else {
            return self.counters.add("stun_unknown_ufrag");
        };
        match self.sessions[slot].on_check(now_us, path, data, check, out, slot as u32) {
            Checked::Refused => self.counters.add("stun_unauthenticated"),
            Checked::OverBudget => self.counters.add("stun_over_budget"),
            Checked::RoleConflict => self.counters.add("stun_role_conflict"),
            Checked::Answered { forgotten } => {
                self.sessions.claim(path.remote(), slot);
                if let Some(remote) = forgotten {
                    self.counters.add("path_forgotten");
                    self.sessions.unbind(remote, slot);
                }
                if let Sock::Tcp(connection) = path.sock {
                    self.tcp.proved(connection);
                }
                self.tell_nomination(now_us, slot, out);
            }
        }
    }

    fn tell_nomination(&mut self, now_us: u64, slot: usize, out: &mut Egress) {
        let session = &mut self.sessions[slot];
        if session.take_nomination() {
            self.shared.events.push(Event::SessionNominated { session: session.id });
        }
        let outcome = session.goes_on();
        self.after(now_us, slot, outcome, out);
    }

    /// An answer to a check of ours: somebody is at that address, and it is the session's peer.
    fn answer(&mut self, now_us: u64, path: Path, data: &[u8], answer: &stun::Binding<'_>, out: &mut Egress) {
        let slot = owner_of(&answer.transaction_id);
        let session = self.sessions.get_mut(slot);
        if !session.is_some_and(|s| s.on_answer(now_us, path, data, &answer.transaction_id)) {
            if !self.mark_answered(now_us, slot, path, data, &answer.transaction_id) {
                self.counters.add("stun_unexpected");
            }
            return;
        }
        self.sessions.bind(now_us, path.remote(), slot);
        self.tell_nomination(now_us, slot, out);
        self.resume(now_us, slot, path.remote(), out);
        let held = self.sessions[slot].take_held();
        let outcome = self.sessions[slot].start_handshake(now_us, out, slot as u32);
        self.after(now_us, slot, outcome, out);
        for datagram in held {
            self.session_dtls(now_us, slot, &datagram, out);
        }
        self.measure(now_us, slot, out);
    }

    pub(super) fn dtls(&mut self, now_us: u64, path: Path, data: &[u8], out: &mut Egress) {
        let Some(owners) = self.sessions.owners_of(path.remote()) else {
            return self.counters.add("dtls_unknown_peer");
        };
        // A handshake is not for a session that has its own behind it. What comes later authenticates with one of the two,
        // and the other one passes it over.
        let shakes = |slot: &usize| self.sessions.get(*slot).is_some_and(|s| s.phase != Phase::Connected);
        let newcomer = owners.beside.filter(shakes);
        let takers = if newcomer.is_some() { [newcomer, None] } else { [Some(owners.slot), owners.beside] };
        for slot in takers.into_iter().flatten() {
            self.session_dtls(now_us, slot, data, out);
        }
    }

    fn session_dtls(&mut self, now_us: u64, slot: usize, data: &[u8], out: &mut Egress) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let outcome = session.on_dtls(now_us, data, out, slot as u32);
        match session.take_data_records() {
            0 => {}
            records => self.counters.add_many("dtls_data_dropped", u64::from(records)),
        }
        self.after(now_us, slot, outcome, out);
    }

    pub(super) fn after(&mut self, now_us: u64, slot: usize, outcome: Outcome, out: &mut Egress) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Close(reason) => self.end_session(slot, reason, out),
            Outcome::Connected => self.connected(now_us, slot, out),
        }
    }

    fn connected(&mut self, now_us: u64, slot: usize, out: &mut Egress) {
        self.sessions.end_half_open(slot);
        let s = &mut self.sessions[slot];
        (s.seen_us, s.consent_us, s.stalled) = (now_us, now_us, false);
        self.shared.events.push(Event::SessionConnected {
            session: s.id,
            remote: s.path.map_or_else(String::new, |p| p.to.to_string()),
            dtls: s.dtls_version,
            srtp: s.srtp_profile,
        });
        let wanted: Vec<usize> = (0..s.send.len()).filter(|t| s.send[*t].target.is_some()).collect();
        let takes = s.recv.iter().any(|t| t.config.kind == Kind::Video && t.config.pli);
        for track in wanted {
            self.attach(now_us, slot, track, out);
        }
        if takes {
            self.send_remb(now_us, slot, out);
        }
    }

    /// Decrypts a datagram with the keys of the session that it is for: its slot, and the length of what was in it. After
    /// an error the contents are undefined.
    #[inline]
    fn open(
        &mut self,
        from: Remote,
        data: &mut [u8],
        open: impl Fn(&mut Receiver, &mut [u8]) -> Result<usize, SrtpError>,
    ) -> Result<(usize, usize), Closed> {
        let Owners { slot, beside } = self.sessions.owners_of(from).ok_or(Closed::UnknownPeer)?;
        let mut open_as = |slot: usize, data: &mut [u8]| {
            let session = self.sessions.get_mut(slot).ok_or(Closed::UnknownPeer)?;
            let rx = session.rx.as_mut().ok_or(Closed::BeforeHandshake)?;
            open(rx, data).map(|len| (slot, len)).map_err(|_| Closed::Refused)
        };
        let Some(beside) = beside else { return open_as(slot, data) };
        let sealed = data.to_vec();
        open_as(slot, data).or_else(|_| {
            data.copy_from_slice(&sealed);
            open_as(beside, data)
        })
    }

    pub(super) fn session_rtp(&mut self, now_us: u64, path: Path, data: &mut [u8]) {
        let (slot, len) = match self.open(path.remote(), data, Receiver::unprotect_rtp) {
            Ok(opened) => opened,
            Err(Closed::UnknownPeer) => return self.counters.add("rtp_unknown_peer"),
            Err(Closed::BeforeHandshake) => return self.counters.add("rtp_before_handshake"),
            Err(Closed::Refused) => return self.counters.add("srtp_refused"),
        };
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let datagram = &data[..len];
        let header = match rtp::parse(datagram) {
            Ok(h) => h,
            Err(_) => return self.counters.add("rtp_malformed"),
        };
        session.heard_from(now_us, path.remote());
        session.totals.packets_received += 1;
        session.totals.bytes_received += len as u64;
        let Some(route) = session.routes.find(now_us, &session.recv, &session.extensions, datagram, &header) else {
            return self.counters.add("rtp_unknown_ssrc");
        };
        let (carried, sent) = carried(&session.extensions, datagram, &header);
        if let Some(e) = &mut session.estimator {
            e.on_packet(now_us, sent, len);
        }
        let mut payload = &datagram[header.header_len..len - header.padding];
        let mut seq = header.seq;
        if route.rtx {
            let [a, b, rest @ ..] = payload else { return };
            seq = u16::from_be_bytes([*a, *b]);
            payload = rest;
        }
        if payload.is_empty() && route.rtx {
            return; // a bandwidth probe on the RTX stream
        }
        if payload.len() > MAX_PAYLOAD {
            return self.counters.add("rtp_too_large");
        }
        let track = &mut session.recv[route.track];
        let id = track.config.encodings[route.encoding].source;
        let Some(mut feeding) = self.sources.feeding(id) else { return };
        let source = &mut *feeding.source;
        if !route.rtx && track.ssrcs[route.encoding] != Some(header.ssrc) {
            if track.ssrcs[route.encoding].replace(header.ssrc).is_some() {
                source.rejoin(source.feed);
            }
        } else if route.rtx && !source.can_repair(seq) {
            return self.counters.add("rtx_out_of_place");
        }
        let incoming = Incoming { seq, ts: header.ts, marker: header.marker, carried, payload };
        if !feeding.ingest(now_us, incoming, &self.shared) {
            return;
        }
        if !session.media {
            session.media = true;
            self.shared.events.push(Event::SessionMedia { session: session.id });
        }
    }

    pub(super) fn session_rtcp(&mut self, now_us: u64, path: Path, data: &mut [u8], out: &mut Egress) {
        let (slot, len) = match self.open(path.remote(), data, Receiver::unprotect_rtcp) {
            Ok(opened) => opened,
            Err(Closed::UnknownPeer) => return self.counters.add("rtcp_unknown_peer"),
            Err(Closed::BeforeHandshake) => return self.counters.add("rtcp_before_handshake"),
            Err(Closed::Refused) => return self.counters.add("srtcp_refused"),
        };
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.heard_from(now_us, path.remote());
        session.feedback_us = now_us;
        self.resume(now_us, slot, path.remote(), out);
        let mut news = false;
        for packet in rtcp::packets(&data[..len]) {
            match packet {
                Ok(p) if self.sessions[slot].budget.take_report(&p) => {
                    news |= self.session_report(now_us, slot, &p, out);
                }
                Ok(_) => {
                    self.counters.add("rtcp_over_budget");
                    break;
                }
                Err(_) => {
                    self.counters.add("rtcp_malformed");
                    break;
                }
            }
        }
        // Of a whole datagram: what it says of the lag and what it says of the estimate belong together.
        if news && now_us >= self.sessions[slot].reported_us + STATS_AGAIN_US {
            self.session_stats(now_us, slot);
        }
    }

    /// Takes in one packet of a report. Returns whether it has news that can't wait for the second to end.
    fn session_report(&mut self, now_us: u64, slot: usize, packet: &rtcp::Packet<'_>, out: &mut Egress) -> bool {
        let session = &mut self.sessions[slot];
        match packet {
            rtcp::Packet::Sr { ssrc, ntp, rtp_ts, reports, .. } => {
                for r in reports.clone() {
                    reception(session, now_us, &r);
                }
                if let Some(route) = session.routes.get(*ssrc) {
                    let id = session.recv[route.track].config.encodings[route.encoding].source;
                    self.source_clock(now_us, id, *ntp, *rtp_ts);
                    self.judge_clocks(now_us, slot);
                }
            }
            rtcp::Packet::Rr { reports, .. } => {
                for r in reports.clone() {
                    reception(session, now_us, &r);
                }
                let mut far_behind = false;
                for r in reports.clone() {
                    far_behind |=
                        self.sessions[slot].take_lag(now_us, &r, |id| self.sources.get(id).map(|source| &source.ring));
                }
                return far_behind;
            }
            rtcp::Packet::Remb { bitrate_bps, .. } => {
                session.remb_bps = *bitrate_bps;
                return bitrate_bps * 100 < session.told_remb_bps * 95;
            }
            rtcp::Packet::Nack { media, seqs, .. } => {
                for seq in seqs.clone() {
                    self.repair(now_us, slot, *media, seq, out);
                }
            }
            rtcp::Packet::Pli { media, .. } => self.keyframe_for(slot, *media),
            rtcp::Packet::Fir { media, .. } => {
                for (ssrc, _) in media.clone() {
                    self.keyframe_for(slot, ssrc);
                }
            }
            _ => {}
        }
        false
    }

    fn keyframe_for(&mut self, slot: usize, media: u32) {
        self.asked.keyframes_in += 1;
        self.sessions[slot].totals.keyframe_requests += 1;
        let source =
            self.sessions[slot].send.iter().find(|t| t.config.ssrc == media).and_then(|t| t.target.or(t.source));
        if let Some(s) = source.and_then(|id| self.sources.get_mut(id)) {
            s.keyframe_wanted = true;
        }
    }

    fn repair(&mut self, now_us: u64, slot: usize, media: u32, seq: u16, out: &mut Egress) {
        let session = &mut self.sessions[slot];
        session.totals.nacks += 1;
        let Some(track) = session.send.iter_mut().find(|t| t.config.ssrc == media) else {
            return self.counters.add("nack_unknown_ssrc");
        };
        let found = track
            .lookup(seq)
            .and_then(|(s, sequence)| Some((s, s.find(&self.sources.get(s.source)?.ring, sequence)?.clone())));
        let (Some((munger, packet)), Some(tx), Some(path)) = (found, &mut session.tx, &session.path) else {
            return self.counters.add("nack_not_in_ring");
        };
        if track.is_over(&munger) || track.is_held() {
            return self.counters.add("nack_superseded");
        }
        if !track.may_repair(seq, now_us, session.rtt_us) {
            return self.counters.add("nack_too_soon");
        }
        if !session.budget.take_repair() {
            return self.counters.add("nack_over_budget");
        }
        let moment = Moment::new(now_us, self.shared.wall_ntp(now_us));
        let ids = &session.extensions;
        if out.packet(path, slot as u32, |b| track.write_repair(&packet, &munger, &moment, ids, tx, b)) {
            session.totals.repaired += 1;
            session.totals.extra_bytes += packet.payload.len() as u64;
        }
    }

    // ------------------------------------------------------------------ pushed by Python

    pub(super) fn push(&mut self, now_us: u64, id: u64, packets: &[Vec<u8>]) {
        let Some(mut feeding) = self.sources.feeding(id).filter(|f| f.source.feed == Feed::Push) else {
            return self.counters.add("push_unknown_source");
        };
        for datagram in packets {
            let Ok(h) = rtp::parse(datagram) else {
                self.counters.add("push_malformed");
                continue;
            };
            let payload = &datagram[h.header_len..datagram.len() - h.padding];
            if payload.len() > MAX_PAYLOAD {
                self.counters.add("push_too_large");
                continue;
            }
            let incoming = Incoming { seq: h.seq, ts: h.ts, marker: h.marker, carried: Default::default(), payload };
            feeding.ingest(now_us, incoming, &self.shared);
        }
    }
}

/// What fits a datagram to a viewer with header, extensions and tag (RTX: two bytes more).
pub(super) const MAX_PAYLOAD: usize = MAX_DATAGRAM - 100;

/// Least time between two `SessionStats` of one session.
pub(super) const STATS_AGAIN_US: u64 = 100_000;
/// Between two receiver reports; more is nonsense.
const MAX_EXPECTED: u32 = 1 << 20;

fn reception(session: &mut Session, now_us: u64, r: &rtcp::Report) {
    let Some(track) = session.send.iter_mut().find(|t| t.config.ssrc == r.ssrc) else { return };
    let mut new = true;
    if let Some((highest, lost)) = track.heard.replace((r.highest_seq, r.cumulative_lost)) {
        let expected = r.highest_seq.wrapping_sub(highest);
        new = (1..MAX_EXPECTED).contains(&expected);
        if expected < MAX_EXPECTED {
            session.expected += u64::from(expected);
            session.lost += r.cumulative_lost.saturating_sub(lost).max(0) as u64;
        }
    }
    session.raw_proof.reported(now_us, new, session.totals.packets_sent);
    session.jitter_ms = f64::from(r.jitter) * 1000.0 / f64::from(track.config.clock_rate);
    if let Some(rtt) = track.round_trip(now_us, r.last_sr, r.delay_last_sr) {
        session.rtt_us = rtt;
    }
}

/// Whether a session is far enough to be served, and no other plane does that.
pub(super) fn is_connected(s: &Session) -> bool {
    s.phase == Phase::Connected && s.path.is_some() && s.tx.is_some()
}
