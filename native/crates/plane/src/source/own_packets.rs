//! Packets of ours among those of the feed: parameter sets before a picture that came without.

use std::sync::Arc;

use rillcast_wire::codec::{self, PayloadInfo};

use super::parameter_sets::{ParameterSets, MOST_PARTS};
use super::{Feed, Incoming, Source};
use crate::packet::Packet;

impl Source {
    /// Keeps the parameter sets in the newest packet of the feed, and puts those before it that a viewer needs who begins
    /// with it. Returns the packet's number afterwards, whether a viewer can begin there, and whether it has a part of a set.
    /// `fed`: its number as the feed has it. Once per packet.
    #[inline]
    pub(super) fn with_sets(
        &mut self,
        now_us: u64,
        fed: u64,
        (seq, ts, frame): (u64, u32, u64),
        p: &Incoming<'_>,
        info: &PayloadInfo,
    ) -> (u64, bool, bool) {
        if self.codec.needed_sets().is_empty() {
            return (seq, info.keyframe_start, false);
        }
        let late = self.ring.highest().is_some_and(|h| seq < h);
        let has_part = self.sets.note(self.codec, p.payload, ts, late);
        let (seq, begins) = self.put_missing_sets(now_us, fed, (seq, ts, frame), p, info);
        (seq, begins, has_part)
    }

    fn put_missing_sets(
        &mut self,
        now_us: u64,
        fed: u64,
        (seq, ts, frame): (u64, u32, u64),
        p: &Incoming<'_>,
        info: &PayloadInfo,
    ) -> (u64, bool) {
        let missing = self.sets.missing_before(self.codec, ts, info);
        let Some(missing) = missing else { return (seq, info.keyframe_start) };
        let in_order = self.ring.highest().is_none_or(|h| seq > h);
        if self.feed == Feed::Relay && in_order {
            // Whoever has the publisher has put there what is known of its encoder: this is of another one before.
            self.sets.restart(self.codec);
            return (seq, true);
        }
        // A picture that comes late has no room before it.
        if !in_order || self.feed == Feed::Relay || p.carried.dependency_descriptor.is_some() {
            return (seq, !info.intra_picture);
        }
        let ours = missing.len() as u64;
        for (number, payload) in (seq..).zip(missing) {
            self.sets.note(self.codec, &payload, ts, false);
            self.put(now_us, (number, ts, frame), p, payload);
        }
        self.numbers.make_room(fed, ours);
        (seq + ours, true)
    }

    fn put(&mut self, now_us: u64, (seq, ts, frame): (u64, u32, u64), p: &Incoming<'_>, payload: Vec<u8>) {
        let info = codec::inspect(self.codec, &payload);
        let layer = self.layers.next(frame, info.temporal_id, info.entry);
        self.note_stats(payload.len(), ts, true, info.resolution, layer);
        let (carried, payload) = (p.carried.clone(), payload.into());
        let packet = Packet { seq, ts, marker: false, frame, arrival_us: now_us, carried, layer, payload };
        self.store(Arc::new(packet), true, now_us);
    }

    /// A part of a parameter set came: the set is kept once all its parts are here, in whatever order they came.
    pub(super) fn note_set_part(&mut self, seq: u64) {
        let Some(ts) = self.ring.get(seq).map(|p| p.ts) else { return };
        let part = |seq: u64| {
            let packet = self.ring.get(seq).filter(|p| p.ts == ts)?;
            codec::set_fragment(self.codec, &packet.payload)
        };
        let Some(here) = part(seq) else { return };
        let alike = |s: &u64| part(*s).filter(|p| p.rank == here.rank);
        let mut back = (0..=MOST_PARTS).map_while(|n| seq.checked_sub(n)).take_while(|s| alike(s).is_some());
        let Some(first) = back.find(|s| part(*s).is_some_and(|p| p.starts)) else {
            let endless =
                here.ends && seq.checked_sub(MOST_PARTS).is_some_and(|s| (s..seq).all(|s| alike(&s).is_some()));
            self.sets.count_dropped(u64::from(endless));
            return;
        };
        let mut parts = vec![];
        for p in (first..=first + MOST_PARTS).map_while(|s| alike(&s)) {
            if p.starts && !parts.is_empty() {
                return;
            }
            parts.push(p);
            if p.ends {
                let nal = codec::joined(self.codec, parts);
                return self.sets.joined(self.codec, &nal);
            }
        }
    }

    /// Another encoder's, or what the plane before knew.
    pub fn replace_sets(&mut self, mut sets: ParameterSets) {
        sets.count_dropped(self.sets.take_dropped());
        self.sets = sets;
    }
}
