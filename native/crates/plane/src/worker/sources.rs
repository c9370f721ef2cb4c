//! The sources of one worker, its own and images of others', and which of them have packets to send.

use std::collections::{BTreeMap, HashMap};

use super::Shared;
use crate::config::Kind;
use crate::events::Event;
use crate::packet::PacketRef;
use crate::ring;
use crate::source::{Incoming, Source};

/// What one worker keeps of all videos since their newest keyframes: of 32 and fewer all that a ring takes, of more the less
/// of each, but never less than `LEAST_CACHE_BYTES`.
const CACHE_BYTES: usize = 512 << 20;
const LEAST_CACHE_BYTES: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Sources {
    by_id: HashMap<u64, Source>,
    /// Those with packets that are not fanned out yet, each once, in the order of coming.
    dirty: Vec<(Kind, u64)>,
    /// What sources that ended have not kept, by reason.
    dropped: BTreeMap<&'static str, u64>,
}

impl Sources {
    pub fn get(&self, id: u64) -> Option<&Source> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Source> {
        self.by_id.get_mut(&id)
    }

    pub fn contains(&self, id: u64) -> bool {
        self.by_id.contains_key(&id)
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.by_id.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.by_id.values_mut()
    }

    /// The source, made by `make` if it is not here.
    pub fn get_or_add(&mut self, id: u64, make: impl FnOnce() -> Source) -> &mut Source {
        self.by_id.entry(id).or_insert_with(make)
    }

    /// What it had to send is lost with it.
    pub fn remove(&mut self, id: u64) -> Option<Source> {
        self.clean(id);
        let mut source = self.by_id.remove(&id)?;
        count(&mut self.dropped, source.take_dropped());
        Some(source)
    }

    /// What sources have not kept since this was asked, by reason.
    pub fn take_dropped(&mut self) -> BTreeMap<&'static str, u64> {
        let mut dropped = std::mem::take(&mut self.dropped);
        self.by_id.values_mut().for_each(|s| count(&mut dropped, s.take_dropped()));
        dropped
    }

    /// The source, to be given packets. Once per datagram or batch of mail.
    pub fn feeding(&mut self, id: u64) -> Option<Feeding<'_>> {
        Some(Feeding { source: self.by_id.get_mut(&id)?, dirty: &mut self.dirty })
    }

    /// Whether a source of this kind has packets to send.
    pub fn is_dirty(&self, kind: Kind) -> bool {
        self.dirty.iter().any(|(of, _)| *of == kind)
    }

    /// The first source of this kind with packets to send, from place `from` on: its place and id. Several times per burst.
    #[inline]
    pub fn next_dirty(&self, kind: Kind, from: usize) -> Option<(usize, u64)> {
        let found = self.dirty.get(from..)?.iter().position(|(of, _)| *of == kind)?;
        Some((from + found, self.dirty[from + found].1))
    }

    /// What the source at this place has is sent now. Another one takes the place.
    #[inline]
    pub fn clean_at(&mut self, place: usize) {
        self.dirty.swap_remove(place);
    }

    /// What this source has is sent now.
    pub fn clean(&mut self, id: u64) {
        self.dirty.retain(|d| d.1 != id);
    }

    /// Bounds what the rings keep for old keyframes, all videos together. To be called now and then.
    pub fn share_cache(&mut self) {
        let videos = self.by_id.values().filter(|s| s.kind == Kind::Video).count();
        let share = (CACHE_BYTES / videos.max(1)).clamp(LEAST_CACHE_BYTES, ring::MOST_BYTES);
        self.by_id.values_mut().for_each(|s| s.ring.limit_to(share));
    }

    /// How many sources there are, and how many of them have new packets.
    pub fn len(&self) -> (usize, usize) {
        (self.by_id.len(), self.dirty.len())
    }
}

fn count(dropped: &mut BTreeMap<&'static str, u64>, more: impl IntoIterator<Item = (&'static str, u64)>) {
    for (reason, times) in more.into_iter().filter(|(_, times)| *times > 0) {
        *dropped.entry(reason).or_default() += times;
    }
}

/// A source that is given packets.
pub(super) struct Feeding<'a> {
    pub source: &'a mut Source,
    dirty: &'a mut Vec<(Kind, u64)>,
}

impl Feeding<'_> {
    /// A packet of the source's feed, from whatever kind of feed. False: it is here already.
    pub fn ingest(&mut self, now_us: u64, packet: Incoming<'_>, shared: &Shared) -> bool {
        let first = !self.source.is_joined();
        let was_clean = self.source.pending.is_empty();
        if self.source.ingest(now_us, packet, shared.wall_ntp(now_us)).is_none() {
            return false;
        }
        self.note(was_clean);
        if self.source.ends_silence() || first {
            shared.events.push(Event::SourceStarted { source: self.source.id });
        }
        true
    }

    /// Packets of a mirrored source.
    pub fn mirror(&mut self, now_us: u64, packets: Vec<PacketRef>) {
        let was_clean = self.source.pending.is_empty();
        for p in packets {
            self.source.mirror(now_us, p);
        }
        self.note(was_clean);
    }

    fn note(&mut self, was_clean: bool) {
        if was_clean && !self.source.pending.is_empty() {
            self.dirty.push((self.source.kind, self.source.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rillcast_wire::codec::Codec;

    use super::*;
    use crate::events::EventQueue;
    use crate::source::Feed;

    fn shared() -> Shared {
        Shared {
            context: Arc::new(rillcast_crypto::dtls::Context::new().unwrap()),
            events: Arc::new(EventQueue::new(Arc::new(()))),
            registry: Arc::default(),
            mailboxes: vec![],
            epoch_ntp: 0,
        }
    }

    fn with(ids: &[(u64, Kind)]) -> Sources {
        let mut s = Sources::default();
        for (id, kind) in ids {
            s.get_or_add(*id, || Source::new(*id, *kind, Codec::Other, 90_000, Feed::Push));
        }
        s
    }

    fn ingest(s: &mut Sources, shared: &Shared, id: u64, seq: u16) -> bool {
        let packet = Incoming { seq, ts: 0, marker: true, carried: Default::default(), payload: &[1] };
        s.feeding(id).unwrap().ingest(1, packet, shared)
    }

    #[test]
    fn a_source_with_packets_to_send_is_listed_once_until_it_is_clean() {
        let (shared, mut s) = (shared(), with(&[(1, Kind::Audio), (2, Kind::Video)]));
        assert!(ingest(&mut s, &shared, 1, 5) && ingest(&mut s, &shared, 1, 6) && ingest(&mut s, &shared, 2, 5));
        assert!(!ingest(&mut s, &shared, 1, 6), "a duplicate");
        assert_eq!(s.len(), (2, 2));
        assert_eq!(s.next_dirty(Kind::Video, 0), Some((1, 2)));
        assert_eq!(s.next_dirty(Kind::Audio, 1), None);
        s.clean_at(0);
        assert!(!s.is_dirty(Kind::Audio) && s.is_dirty(Kind::Video));
        s.remove(2);
        assert_eq!(s.len(), (1, 0));
    }

    #[test]
    fn the_first_packet_of_a_feed_is_told_once() {
        let (shared, mut s) = (shared(), with(&[(1, Kind::Audio)]));
        ingest(&mut s, &shared, 1, 5);
        ingest(&mut s, &shared, 1, 6);
        assert_eq!(shared.events.take(usize::MAX).0.len(), 1);
        s.get_mut(1).unwrap().rejoin(Feed::Push);
        ingest(&mut s, &shared, 1, 900);
        assert_eq!(shared.events.take(usize::MAX).0.len(), 1);
    }
}
