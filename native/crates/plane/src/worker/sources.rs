//! The sources of one worker, its own and images of others', and which of them have packets to send.

use std::collections::{BTreeMap, HashMap};

use super::Shared;
use crate::config::Kind;
use crate::events::Event;
use crate::packet::PacketRef;
use crate::ring;
use crate::source::{Incoming, Source};

/// What one worker keeps of all videos, beside what came in the last seconds.
const CACHE_BYTES: usize = 512 << 20;

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

    /// Bounds what the rings keep for old keyframes, all videos together, however many there are. Call it once a second.
    ///
    /// Where all have room, each may have as much as a ring takes. Where they don't, none that needs less has to make room
    /// for one that needs more.
    pub fn share_cache(&mut self, now_us: u64) {
        self.share(now_us, CACHE_BYTES);
    }

    fn share(&mut self, now_us: u64, most: usize) {
        let videos = || self.by_id.values().filter(|s| s.kind == Kind::Video);
        // By the time of the next look at them, a second's packets have come.
        let needs = videos().map(|s| s.ring.bytes() + (s.rate_bps() / 8) as usize).collect();
        let share = fair_share(needs, most).min(ring::MOST_BYTES);
        self.by_id.values_mut().for_each(|s| s.ring.limit_to(now_us, share));
    }

    /// How many sources there are, and how many of them have new packets.
    pub fn len(&self) -> (usize, usize) {
        (self.by_id.len(), self.dirty.len())
    }
}

/// The most that each may have so that all together have no more than `most`, if none takes more than it needs (max-min
/// fairness).
fn fair_share(mut needs: Vec<usize>, most: usize) -> usize {
    needs.sort_unstable();
    let mut left = most;
    for (i, need) in needs.iter().enumerate() {
        let share = left / (needs.len() - i);
        if *need > share {
            return share;
        }
        left -= need;
    }
    usize::MAX
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
    fn nobody_makes_room_for_who_needs_more() {
        assert_eq!(fair_share(vec![], 12), usize::MAX);
        assert_eq!(fair_share(vec![3, 9], 12), usize::MAX);
        assert_eq!(fair_share(vec![9, 3, 9], 12), 4, "what one leaves over is the others'");
        assert_eq!(fair_share(vec![1, 30, 2, 30], 23), 10);
        for _ in 0..200 {
            let (needs, most) = ((0..fastrand::usize(..40)).map(|_| fastrand::usize(..99)), fastrand::usize(..999));
            let needs: Vec<usize> = needs.collect();
            let share = fair_share(needs.clone(), most);
            let taken: usize = needs.iter().map(|n| (*n).min(share)).sum();
            assert!(taken <= most && (share == usize::MAX || taken + needs.len() > most));
        }
    }

    const KEYFRAME: &[u8] = &[0x10, 0, 0, 0, 0x9d, 1, 0x2a, 64, 1, 240, 0];

    /// Videos of which one half takes 64 packets a second, and the other half one.
    struct Videos {
        s: Sources,
        shared: Shared,
        now: u64,
        seq: u16,
    }

    impl Videos {
        const ALL: u64 = 24;
        const HALF: u64 = 12;
        /// Each of the first half takes 1.1 MiB in 14 s.
        const MOST: usize = 8 << 20;

        fn new() -> Self {
            let ids: Vec<(u64, Kind)> = (0..Self::ALL).map(|id| (id, Kind::Video)).collect();
            let mut s = with(&ids);
            s.iter_mut().for_each(|s| s.codec = Codec::Vp8);
            Videos { s, shared: shared(), now: 1_000_000, seq: 0 }
        }

        /// Lets them go on for so many seconds from a keyframe of each, and looks at them after each second.
        fn pass(&mut self, seconds: u16) {
            let (keyframe, delta) = ([KEYFRAME, &[0; 1_100]].concat(), vec![0; 1_100]);
            for second in 0..seconds {
                for id in 0..Self::ALL {
                    for n in 0..if id < Self::HALF { 64 } else { 1 } {
                        let payload = if second + n == 0 { &keyframe[..] } else { &delta };
                        let (seq, ts) = (self.seq + n, self.now as u32);
                        let p = Incoming { seq, ts, marker: true, carried: Default::default(), payload };
                        let Some(mut feeding) = self.s.feeding(id) else { continue };
                        feeding.ingest(self.now, p, &self.shared);
                        feeding.source.pending.clear();
                    }
                }
                self.seq += 64;
                self.now += 1_000_000;
                self.s.share(self.now, Self::MOST);
                let kept: usize = self.s.iter().map(|s| s.ring.bytes()).sum();
                assert!(kept <= Self::MOST, "{} KiB", kept >> 10);
            }
        }

        fn with_a_keyframe(&self, ids: std::ops::Range<u64>) -> usize {
            ids.filter(|id| self.s.get(*id).is_some_and(|s| s.ring.keyframe().is_some())).count()
        }
    }

    #[test]
    fn all_videos_together_keep_no_more_than_the_bound_and_those_that_need_little_keep_all() {
        let mut v = Videos::new();
        v.pass(14);
        assert_eq!((v.with_a_keyframe(0..12), v.with_a_keyframe(12..24)), (0, 12));
        assert_eq!(v.s.take_dropped(), [("keyframe_not_kept", 12)].into());
        (0..6).for_each(|id| drop(v.s.remove(id)));
        v.pass(14);
        assert_eq!((v.with_a_keyframe(6..12), v.with_a_keyframe(12..24)), (6, 12), "the others have their room");
        assert_eq!(v.s.take_dropped(), [].into());
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
