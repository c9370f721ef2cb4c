//! Who is being caught up with cached packets: looked at once per tick, in the order of coming.

use crate::relay::RelayOut;
use crate::session::send::SendTrack;

/// Tracks, by (session slot, send track), and relays. A flag in each says whether it is queued, so that queueing costs the
/// same however many wait: after a keyframe that is every viewer.
#[derive(Default)]
pub(super) struct StartQueue {
    tracks: Vec<(usize, usize)>,
    relays: Vec<u64>,
}

impl StartQueue {
    /// Queues a track unless it is. `SendTrack::unqueue` voids its entry.
    #[inline]
    pub fn add_track(&mut self, slot: usize, track: usize, t: &mut SendTrack) {
        if !t.is_queued() {
            t.set_queued(true);
            self.tracks.push((slot, track));
        }
    }

    /// Queues a relay unless it is.
    pub fn add_relay(&mut self, relay: &mut RelayOut) {
        if !std::mem::replace(&mut relay.queued, true) {
            self.relays.push(relay.id);
        }
    }

    /// All entries, which are void unless the track or relay still exists and its flag is set; the taker clears it.
    /// Called once per tick.
    pub fn take(&mut self) -> (Vec<(usize, usize)>, Vec<u64>) {
        (std::mem::take(&mut self.tracks), std::mem::take(&mut self.relays))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.tracks.len() + self.relays.len()
    }
}
