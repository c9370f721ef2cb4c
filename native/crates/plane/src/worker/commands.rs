//! What Python asks for.

use rillcast_crypto::srtp::{Keys, Receiver, Sender};

use super::failure::Failure;
use super::relays::RelayEnd;
use super::Worker;
use crate::config::{relay_key, AddRelay, AddRelaySource, AddSession, Command, Kind, RecvTrack, SourceSpec};
use crate::egress::{Egress, Path, Sock};
use crate::events::{CloseReason, Event};
use crate::mailbox::Mail;
use crate::registry::Object;
use crate::relay::{RelayIn, RelayOut};
use crate::session::send::Progress;
use crate::session::Session;
use crate::source::{Feed, ParameterSets, Source};
use crate::srtp_state::{from_base64, SrtpState};
use rillcast_wire::codec::Codec;
use rillcast_wire::rtcp;

impl Worker {
    /// One piece of mail. False: stop.
    pub fn mail(&mut self, now_us: u64, mail: Mail, out: &mut Egress) -> bool {
        match mail {
            Mail::Command(c) => self.command(now_us, *c, out),
            Mail::Push { source, packets } => self.push(now_us, source, &packets),
            Mail::Subscribe { source, worker } => self.subscribe(now_us, source, worker, out),
            Mail::Unsubscribe { source, worker } => self.unsubscribe(source, worker),
            Mail::Mirror { source, codec, clock, packets, .. } => {
                self.mirrored(now_us, source, Some(codec), packets);
                if let (Some(s), Some(c)) = (self.sources.get_mut(source), clock) {
                    s.adopt_clock(c);
                }
            }
            Mail::Mirrored { source, packets } => self.mirrored(now_us, source, None, packets),
            Mail::MirrorClock { source, clock } => {
                if let Some(s) = self.sources.get_mut(source) {
                    s.adopt_clock(clock);
                }
            }
            Mail::MirrorEnded { source } => self.mirror_ended(source),
            Mail::Keyframe { source } => {
                if let Some(s) = self.sources.get_mut(source) {
                    s.keyframe_wanted = true;
                }
            }
            Mail::Stop => {
                self.stop(out);
                return false;
            }
        }
        true
    }

    fn command(&mut self, now_us: u64, command: Command, out: &mut Egress) {
        let made = command.makes();
        let (name, id, result) = match command {
            Command::AddSession(c) => ("add_session", c.session, self.add_session(now_us, &c)),
            Command::RestartIce { session, ice } => ("restart_ice", session, self.restart_ice(session, ice)),
            Command::ExportSession { session, stop } => {
                self.export_session(now_us, session, stop, out);
                ("export_session", session, Ok(()))
            }
            Command::ContinueSession { session, srtp } => {
                ("continue_session", session, self.continue_session(now_us, session, &srtp, out))
            }
            Command::RestartDtls { session, dtls, send } => {
                ("restart_dtls", session, self.restart_dtls(now_us, session, &dtls, send, out))
            }
            Command::RemoveSession { session, keep_sources, silent } => {
                if let Some(slot) = self.sessions.slot_of(session) {
                    if !silent {
                        self.say_goodbye(slot, out);
                    }
                    self.drop_session(slot, CloseReason::Removed, keep_sources, out);
                }
                ("remove_session", session, Ok(()))
            }
            Command::SwitchSource { session, track, source, hold } => {
                ("switch_source", session, self.switch_source(now_us, (session, track), source, hold, out))
            }
            Command::AddPushSource(c) => {
                self.add_source(&c, Feed::Push);
                ("add_push_source", c.source, Ok(()))
            }
            Command::AddRelaySource(c) => ("add_relay_source", c.spec.source, self.add_relay_source(now_us, &c, out)),
            Command::AdoptFeeds { feeds } => {
                ("adopt_feeds", feeds.first().map_or(0, |f| f.source), self.adopt_feeds(now_us, &feeds))
            }
            Command::RemoveSource { source } => {
                self.remove_source(source);
                ("remove_source", source, Ok(()))
            }
            Command::AddRelay(c) => ("add_relay", c.relay, self.add_relay(now_us, &c)),
            Command::RemoveRelay { relay } => {
                self.remove_relay(relay);
                ("remove_relay", relay, Ok(()))
            }
            Command::LookAtRelay { relay } => {
                self.look_at_relay(now_us, relay);
                ("look_at_relay", relay, Ok(()))
            }
            Command::LimitLayers { session, track, temporal } => {
                ("limit_layers", session, self.limit_layers(session, track, temporal))
            }
            Command::Pace { session, track, bitrate_bps } => {
                ("pace", session, self.pace(now_us, session, track, bitrate_bps))
            }
            Command::Probe { session, track, bitrate_bps, duration_ms } => {
                ("probe", session, self.start_probe(session, track, bitrate_bps, duration_ms))
            }
            Command::RequestKeyframe { source } => {
                ("request_keyframe", source, self.with_source(source, |s| s.keyframe_wanted = true))
            }
            Command::Tap { source, enabled } => ("tap", source, self.tap(source, enabled)),
            Command::SetClock { source, ntp, rtp_ts } => {
                self.source_clock(now_us, source, ntp, rtp_ts);
                ("set_clock", source, Ok(()))
            }
        };
        for object in made {
            self.shared.registry.settle(object, self.has(object));
        }
        if let Err(failure) = result {
            self.counters.add("command_failed");
            self.shared.events.push(Event::Error { command: name, id, message: failure.to_string() });
        }
    }

    /// Whether the object lives here; a mirror is no source of ours.
    fn has(&self, object: Object) -> bool {
        match object {
            Object::Session(id) => self.sessions.slot_of(id).is_some(),
            Object::Source(id) => self.sources.get(id).is_some_and(|s| !s.is_mirror()),
            Object::Relay(id) => self.relays.outgoing(id).is_some(),
        }
    }

    fn with_source(&mut self, id: u64, f: impl FnOnce(&mut Source)) -> Result<(), Failure> {
        self.sources.get_mut(id).map(f).ok_or(Failure::NotHere(id))
    }

    /// A relay that ended meanwhile, or whose child never came, is passed over.
    fn look_at_relay(&self, now_us: u64, id: u64) {
        if let Some(r) = self.relays.outgoing(id).filter(|r| r.child.is_some()) {
            let silent_ms = now_us.saturating_sub(r.seen_us) / 1000;
            self.shared.events.push(Event::RelayHeard { relay: id, silent_ms });
        }
    }

    // ------------------------------------------------------------------ sessions

    fn add_session(&mut self, now_us: u64, c: &AddSession) -> Result<(), Failure> {
        if self.sessions.slot_of(c.session).is_some() {
            return Err(Failure::SessionExists(c.session));
        }
        if self.sessions.slot_of_ufrag(&c.ice.local_ufrag).is_some() {
            return Err(Failure::UfragInUse);
        }
        if self.sessions.half_open() >= self.config.max_half_open {
            self.shared.events.push(Event::SessionClosed { session: c.session, reason: CloseReason::TooManyHalfOpen });
            return Err(Failure::TooManyHalfOpen(self.sessions.half_open()));
        }
        let made = Session::new(now_us, &self.shared.context, c);
        let mut session = made.map_err(|e| Failure::Crypto(format!("dtls: {}", e.0)))?;
        if let Some(srtp) = &c.srtp {
            session.take_in(now_us, srtp)?;
        }
        let slot = self.sessions.add(session);
        for (track, t) in c.recv.iter().enumerate() {
            for (encoding, e) in t.encodings.iter().enumerate() {
                let feed = Feed::Session { slot, track, encoding };
                let codec = Codec::from_name(&t.codec);
                let source = self
                    .sources
                    .get_or_add(e.source, || Source::new(e.source, t.kind, codec, t.clock_rate, Feed::None));
                source.codec = codec;
                source.rejoin(feed);
                source.replace_sets(told_sets(codec, t, &e.rid, c.srtp.as_deref()));
                source.keyframe_interval_us = c.keyframe_interval_ms * 1000;
            }
        }
        Ok(())
    }

    fn restart_ice(&mut self, id: u64, ice: crate::config::IceParameters) -> Result<(), Failure> {
        let slot = self.sessions.slot_of(id).ok_or(Failure::UnknownSession(id))?;
        if self.sessions.slot_of_ufrag(&ice.local_ufrag).is_some() {
            return Err(Failure::UfragInUse);
        }
        self.sessions.add_credentials(slot, ice);
        Ok(())
    }

    /// Ends a session of itself, and counts why.
    pub(super) fn end_session(&mut self, slot: usize, reason: CloseReason, out: &mut Egress) {
        self.counters.add(reason.name());
        self.close_session(slot, reason, false, out);
    }

    /// Ends a session. Asked for by Python its sources end with it (unless kept); otherwise they stay, silent, for the
    /// publisher's return.
    pub(super) fn close_session(&mut self, slot: usize, reason: CloseReason, keep_sources: bool, out: &mut Egress) {
        if self.sessions.contains(slot) {
            self.say_goodbye(slot, out);
            self.drop_session(slot, reason, keep_sources, out);
        }
    }

    /// Ends a session without a word to the peer.
    fn drop_session(&mut self, slot: usize, reason: CloseReason, keep_sources: bool, out: &mut Egress) {
        self.leave_sources(slot);
        self.measuring.remove(&slot);
        self.probes.remove(&slot);
        let Some(session) = self.sessions.remove(slot) else { return };
        out.flush();
        let ended = reason == CloseReason::Removed && !keep_sources;
        for id in session.recv.iter().flat_map(|t| &t.config.encodings).map(|e| e.source) {
            let Some(s) = self.sources.get_mut(id) else { continue };
            if !matches!(s.feed, Feed::Session { slot: fed, .. } if fed == slot) {
                continue;
            }
            s.rejoin(Feed::None);
            if ended {
                self.remove_source(id);
            }
        }
        self.shared.registry.forget(Object::Session(session.id));
        self.shared.events.push(Event::SessionClosed { session: session.id, reason });
    }

    fn say_goodbye(&mut self, slot: usize, out: &mut Egress) {
        let s = &mut self.sessions[slot];
        let mut packet = vec![];
        for t in s.send.iter().filter(|t| t.packets > 0) {
            if packet.is_empty() {
                rtcp::write_rr(&mut packet, t.config.ssrc, &[]);
            }
            rtcp::write_bye(&mut packet, t.config.ssrc);
        }
        s.send_rtcp(packet, out, slot as u32);
        s.shut(out, slot as u32);
    }

    // ------------------------------------------------------------------ sources

    fn add_source(&mut self, c: &SourceSpec, feed: Feed) {
        let codec = Codec::from_name(&c.codec);
        let source =
            self.sources.get_or_add(c.source, || Source::new(c.source, c.kind, codec, c.clock_rate, Feed::None));
        source.codec = codec;
        source.rejoin(feed);
    }

    fn add_relay_source(&mut self, now_us: u64, c: &AddRelaySource, out: &mut Egress) -> Result<(), Failure> {
        let rx = Receiver::new(&relay_key("srtp_key", &c.srtp_key)?).map_err(|e| Failure::Crypto(e.to_string()))?;
        let tx = Sender::new(&relay_key("srtcp_key", &c.srtcp_key)?).map_err(|e| Failure::Crypto(e.to_string()))?;
        if !self.relays.is_free_for(c.ssrc, RelayEnd::In(c.spec.source)) {
            return Err(Failure::SsrcInUse(c.ssrc));
        }
        let id = c.spec.source;
        self.add_source(&c.spec, Feed::Relay);
        let relay = RelayIn {
            source: id,
            parent: c.parent,
            ssrc: c.ssrc,
            tx,
            rx,
            heard_us: now_us,
            sent_us: 0,
            lost_told: false,
            report: None,
        };
        self.relays.add_incoming(relay);
        self.keep_alive(now_us, id, out);
        Ok(())
    }

    pub(super) fn remove_source(&mut self, id: u64) {
        self.relays.remove_incoming(id);
        self.shared.registry.forget(Object::Source(id));
        let Some(s) = self.sources.remove(id) else { return };
        for relay in self.relays.fed_by(id) {
            self.remove_relay(relay);
        }
        for w in s.mirrors {
            self.shared.mailboxes[w].deliver(Mail::MirrorEnded { source: id });
        }
        self.leave_alone(id, s.viewers);
    }

    /// The source of these viewers' tracks is no more.
    pub(super) fn leave_alone(&mut self, id: u64, viewers: Vec<(usize, usize)>) {
        for (slot, track) in viewers {
            let t = &mut self.sessions[slot].send[track];
            t.leave_seat(id);
            if t.source == Some(id) {
                t.source = None;
                t.progress = Progress::Waiting;
            }
            if t.target == Some(id) {
                t.target = None;
            }
        }
    }

    fn tap(&mut self, id: u64, enabled: bool) -> Result<(), Failure> {
        let events = self.shared.events.clone();
        self.with_source(id, |s| {
            s.tapped = enabled;
            s.keyframe_wanted |= enabled && s.kind == Kind::Video;
            if let (true, Some(c)) = (enabled, s.clock) {
                events.push(Event::ClockSeen { source: id, ntp: c.ntp, rtp_ts: c.rtp });
            }
        })
    }

    // ------------------------------------------------------------------ relays

    fn add_relay(&mut self, now_us: u64, c: &AddRelay) -> Result<(), Failure> {
        let keys: [Keys; 2] = [relay_key("srtp_key", &c.srtp_key)?, relay_key("srtcp_key", &c.srtcp_key)?];
        if !self.sources.contains(c.source) {
            return Err(Failure::NotHere(c.source));
        }
        if self.relays.outgoing(c.relay).is_some() {
            return Err(Failure::RelayExists(c.relay));
        }
        if !self.relays.is_free_for(c.ssrc, RelayEnd::Out(c.relay)) {
            return Err(Failure::SsrcInUse(c.ssrc));
        }
        let tx = Sender::new(&keys[0]).map_err(|e| Failure::Crypto(e.to_string()))?;
        let rx = Receiver::new(&keys[1]).map_err(|e| Failure::Crypto(e.to_string()))?;
        self.relays.add_outgoing(RelayOut::new(c.relay, c.source, c.ssrc, c.payload_type, tx, rx, now_us));
        Ok(())
    }

    pub(super) fn remove_relay(&mut self, id: u64) {
        self.shared.registry.forget(Object::Relay(id));
        let Some(r) = self.relays.remove_outgoing(id) else { return };
        if let Some(s) = self.sources.get_mut(r.source) {
            s.relays.retain(|x| *x != id);
        }
    }

    fn stop(&mut self, out: &mut Egress) {
        for slot in self.sessions.all() {
            self.close_session(slot, CloseReason::Removed, false, out);
        }
    }

    pub(super) fn parent_path(relay: &RelayIn) -> Path {
        Path { sock: Sock::Relay, to: relay.parent, local: None }
    }
}

/// What is known of an encoding's parameter sets before its first packet: by the SDP, or by the plane before.
fn told_sets(codec: Codec, track: &RecvTrack, rid: &str, before: Option<&SrtpState>) -> ParameterSets {
    let streams = before.into_iter().flat_map(|s| &s.received);
    let handed = streams.filter(|r| r.mid == track.mid && r.rid == rid).flat_map(|r| &r.parameter_sets);
    let mut sets = ParameterSets::default();
    track.parameter_sets.iter().for_each(|set| sets.told(codec, &from_base64(set)));
    handed.for_each(|set| sets.joined(codec, &from_base64(set)));
    sets
}
