//! What a viewer's track shows: which source, and how many of its temporal layers.

use rillcast_wire::codec::Codec;

use super::failure::Failure;
use super::Worker;
use crate::egress::Egress;
use crate::registry::Object;
use crate::session::pacer::Limit;
use crate::session::send::Progress;

impl Worker {
    /// Points a track at another source. `hold`: nothing of the present one goes out until then.
    pub(super) fn switch_source(
        &mut self,
        now_us: u64,
        (id, track): (u64, u64),
        source: Option<u64>,
        hold: bool,
        out: &mut Egress,
    ) -> Result<(), Failure> {
        let (slot, i) = self.track(id, track)?;
        let current = self.sessions[slot].send[i].source;
        match source {
            Some(new) if Some(new) == current => self.stay(now_us, slot, i, out),
            Some(new) => {
                if self.shared.registry.worker_of(Object::Source(new)).is_none() {
                    return Err(Failure::UnknownSource(new));
                }
                let session = &mut self.sessions[slot];
                let connected = super::inbound::is_connected(session);
                let abandoned = session.send[i].target.replace(new);
                if hold {
                    self.hold(slot, i);
                }
                if let Some(a) = abandoned.filter(|a| *a != new && Some(*a) != current) {
                    self.detach(a, slot, i);
                }
                if connected {
                    self.attach(now_us, slot, i, out);
                }
            }
            None => {
                let t = &mut self.sessions[slot].send[i];
                let (old, target) = (t.source.take(), t.target.take());
                t.progress = Progress::Waiting;
                t.set_queued(false);
                for id in [old, target].into_iter().flatten() {
                    self.detach(id, slot, i);
                }
            }
        }
        Ok(())
    }

    /// The present source after all.
    fn stay(&mut self, now_us: u64, slot: usize, i: usize, out: &mut Egress) {
        let t = &mut self.sessions[slot].send[i];
        let (current, abandoned) = (t.source, t.target.take());
        let silent = t.release();
        if let Some(a) = abandoned.filter(|a| Some(*a) != current) {
            self.detach(a, slot, i);
        }
        if silent {
            self.sessions[slot].send[i].target = current;
            self.attach(now_us, slot, i, out);
        }
    }

    /// The link is too full for what is sent.
    fn hold(&mut self, slot: usize, i: usize) {
        let t = &mut self.sessions[slot].send[i];
        if t.source.is_some() {
            t.hold();
            t.set_queued(false);
        }
    }

    /// A track's session slot and place.
    pub(super) fn track(&self, id: u64, track: u64) -> Result<(usize, usize), Failure> {
        let slot = self.sessions.slot_of(id).ok_or(Failure::UnknownSession(id))?;
        let found = self.sessions[slot].send.iter().position(|t| t.config.track == track);
        Ok((slot, found.ok_or(Failure::NoTrack { session: id, track })?))
    }

    /// Never faster than this; 0 = as fast as it comes.
    pub(super) fn pace(&mut self, now_us: u64, id: u64, track: u64, rate_bps: u64) -> Result<(), Failure> {
        let (slot, i) = self.track(id, track)?;
        let limit = &mut self.sessions[slot].send[i].limit;
        match limit {
            Some(l) if rate_bps > 0 => l.change(rate_bps, now_us),
            _ => *limit = (rate_bps > 0).then(|| Box::new(Limit::new(rate_bps, now_us))),
        }
        Ok(())
    }

    /// At most this many temporal layers of the present source.
    pub(super) fn limit_layers(&mut self, id: u64, track: u64, temporal: u8) -> Result<(), Failure> {
        let (slot, i) = self.track(id, track)?;
        let t = &mut self.sessions[slot].send[i];
        t.limit_layers(temporal);
        // AV1's payload doesn't tell where layers may be taken up again; a keyframe always will do.
        let source = t.source.filter(|_| t.changes_layers).and_then(|s| self.sources.get_mut(s));
        if let Some(s) = source.filter(|s| s.codec == Codec::Av1) {
            s.keyframe_wanted = true;
        }
        Ok(())
    }
}
