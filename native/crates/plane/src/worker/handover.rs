//! Sessions whose association goes to another plane, or comes from one.

use super::failure::Failure;
use super::Worker;
use crate::config::{DtlsParameters, Kind, SendTrack};
use crate::egress::Egress;
use crate::events::Event;
use crate::session::send::Progress;
use crate::srtp_state::SrtpState;

impl Worker {
    /// Tells what another plane needs of the session. With `stop` nothing is sent under its keys any more.
    pub(super) fn export_session(&mut self, now_us: u64, id: u64, stop: bool, out: &mut Egress) {
        let srtp = self.exported(now_us, id, stop);
        // What was sealed before has left before anybody learns of the counters.
        out.flush();
        self.shared.events.push(Event::SessionExported { session: id, srtp: srtp.map(Box::new) });
    }

    fn exported(&mut self, now_us: u64, id: u64, stop: bool) -> Option<SrtpState> {
        let slot = self.sessions.slot_of(id)?;
        let Worker { sessions, sources, .. } = self;
        let state = sessions[slot].export(now_us, stop, |id| sources.get(id))?;
        if stop {
            self.leave_sources(slot);
        }
        Some(state)
    }

    /// Takes a session's tracks from all their sources.
    pub(super) fn leave_sources(&mut self, slot: usize) {
        self.probes.remove(&slot);
        for track in 0..self.sessions[slot].send.len() {
            let t = &mut self.sessions[slot].send[track];
            (t.source, t.target, t.progress) = (None, None, Progress::Waiting);
            t.set_queued(false);
            for id in t.seated_at().into_iter().flatten() {
                self.detach(id, slot, track);
            }
        }
    }

    /// The plane before has stopped.
    pub(super) fn continue_session(
        &mut self,
        now_us: u64,
        id: u64,
        srtp: &SrtpState,
        out: &mut Egress,
    ) -> Result<(), Failure> {
        let slot = self.sessions.slot_of(id).ok_or(Failure::UnknownSession(id))?;
        let session = &mut self.sessions[slot];
        session.take_over(now_us, srtp).map_err(|why| Failure::Unfit { session: id, why })?;
        let videos = session.recv.iter().filter(|t| t.config.kind == Kind::Video);
        for e in videos.flat_map(|t| &t.config.encodings) {
            if let Some(s) = self.sources.get_mut(e.source) {
                s.keyframe_wanted |= s.ring.keyframe().is_none();
            }
        }
        let outcome = session.goes_on();
        self.after(now_us, slot, outcome, out);
        Ok(())
    }

    /// Another handshake, and for a viewer other tracks.
    pub(super) fn restart_dtls(
        &mut self,
        now_us: u64,
        id: u64,
        dtls: &DtlsParameters,
        send: Vec<SendTrack>,
        out: &mut Egress,
    ) -> Result<(), Failure> {
        let slot = self.sessions.slot_of(id).ok_or(Failure::UnknownSession(id))?;
        let session = &self.sessions[slot];
        let open = session.another_association(&self.shared.context, dtls);
        let open = open.map_err(|e| Failure::Crypto(format!("dtls: {}", e.0)))?;
        let send = if send.is_empty() { session.tracks_as_they_are() } else { send };
        self.leave_sources(slot);
        self.sessions.begin_half_open(slot);
        let session = &mut self.sessions[slot];
        session.begin_anew(now_us, open, send);
        let outcome = session.start_handshake(now_us, out, slot as u32);
        self.after(now_us, slot, outcome, out);
        Ok(())
    }
}
