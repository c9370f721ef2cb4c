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
    /// Queues a track unless it is. Unsetting its flag (`SendTrack::set_queued`) voids its entry.
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

    /// Returns how many tracks wait.
    pub fn len(&self) -> usize {
        self.tracks.len() + self.relays.len()
    }
}

#[cfg(test)]
mod tests {
    use rillcast_crypto::srtp::{Keys, Profile, Receiver, Sender};

    use super::*;
    use crate::config::{self, Kind};

    fn track() -> SendTrack {
        SendTrack::new(&config::SendTrack {
            track: 0,
            kind: Kind::Video,
            clock_rate: 90_000,
            payload_type: 102,
            rtx_payload_type: 0,
            ssrc: 1,
            rtx_ssrc: 0,
            cname: String::new(),
            source: None,
        })
    }

    fn relay(id: u64) -> RelayOut {
        let keys = Keys { profile: Profile::AeadAes128Gcm, key: vec![1; 16], salt: vec![2; 12] };
        RelayOut::new(id, 100, 5, 96, Sender::new(&keys).unwrap(), Receiver::new(&keys).unwrap(), 0)
    }

    #[test]
    fn tracks_and_relays_are_taken_in_the_order_of_coming_and_once() {
        let (mut queue, mut tracks, mut relays) = (StartQueue::default(), [track(), track()], [relay(8), relay(7)]);
        queue.add_track(3, 1, &mut tracks[0]);
        queue.add_relay(&mut relays[0]);
        queue.add_track(2, 0, &mut tracks[1]);
        queue.add_relay(&mut relays[1]);
        assert_eq!(queue.len(), 4);
        assert_eq!(queue.take(), (vec![(3, 1), (2, 0)], vec![8, 7]));
        assert_eq!((queue.len(), queue.take()), (0, (vec![], vec![])));
    }

    #[test]
    fn who_is_queued_is_not_queued_again() {
        let (mut queue, mut t, mut r) = (StartQueue::default(), track(), relay(7));
        for _ in 0..2 {
            queue.add_track(3, 1, &mut t);
            queue.add_relay(&mut r);
        }
        assert!(t.is_queued() && r.queued);
        assert_eq!(queue.take(), (vec![(3, 1)], vec![7]));
    }

    #[test]
    fn the_flag_is_the_takers_to_clear_and_until_then_nobody_is_queued_again() {
        let (mut queue, mut t, mut r) = (StartQueue::default(), track(), relay(7));
        queue.add_track(3, 1, &mut t);
        queue.add_relay(&mut r);
        queue.take();
        queue.add_track(3, 1, &mut t);
        queue.add_relay(&mut r);
        assert_eq!(queue.len(), 0);
        t.set_queued(false);
        r.queued = false;
        queue.add_track(3, 1, &mut t);
        queue.add_relay(&mut r);
        assert_eq!(queue.take(), (vec![(3, 1)], vec![7]));
    }
}
