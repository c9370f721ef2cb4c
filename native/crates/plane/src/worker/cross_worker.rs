//! Sources that live on another worker: their packets come by mail, one wake-up per burst.

use super::Worker;
use crate::config::Kind;
use crate::egress::Egress;
use crate::mailbox::Mail;
use crate::packet::PacketRef;
use crate::registry::Object;
use crate::source::{Feed, Source};
use rillcast_wire::codec::Codec;

/// Without a keyframe a mirror begins so many packets back: a second of audio.
const MIRROR_START: u64 = 50;

impl Worker {
    /// Makes sure that `id` is here, as itself or as a mirror. False if no worker has it.
    pub(super) fn ensure_source(&mut self, id: u64, kind: Kind, clock_rate: u32) -> bool {
        if self.sources.contains(id) {
            return true;
        }
        let owner = self.shared.registry.worker_of(Object::Source(id));
        let Some(worker) = owner.filter(|w| *w != self.index) else { return false };
        // The format is told by the first mail.
        self.sources.get_or_add(id, || Source::new(id, kind, Codec::Other, clock_rate, Feed::Mirror { worker }));
        self.shared.mailboxes[worker].deliver(Mail::Subscribe { source: id, worker: self.index });
        true
    }

    pub(super) fn drop_unused_mirror(&mut self, id: u64) {
        let Some(s) = self.sources.get(id) else { return };
        if let (Feed::Mirror { worker }, 0) = (s.feed, s.consumers()) {
            self.sources.remove(id);
            self.shared.mailboxes[worker].deliver(Mail::Unsubscribe { source: id, worker: self.index });
        }
    }

    /// The mirrored source is no more.
    pub(super) fn mirror_ended(&mut self, id: u64) {
        if !self.sources.get(id).is_some_and(Source::is_mirror) {
            return;
        }
        if let Some(s) = self.sources.remove(id) {
            self.leave_alone(id, s.viewers);
        }
    }

    pub(super) fn subscribe(&mut self, now_us: u64, id: u64, worker: usize, out: &mut Egress) {
        self.flush_source(now_us, id, out);
        let Some(s) = self.sources.get_mut(id) else {
            self.shared.mailboxes[worker].deliver(Mail::MirrorEnded { source: id });
            return;
        };
        if !s.mirrors.contains(&worker) {
            s.mirrors.push(worker);
        }
        let from = match (s.ring.keyframe(), s.ring.highest()) {
            (Some(k), _) => k.first_seq,
            (None, Some(h)) => h.saturating_sub(MIRROR_START),
            (None, None) => 0,
        };
        let packets = if s.ring.highest().is_some() { s.ring.since(from).cloned().collect() } else { vec![] };
        let mail = Mail::Mirror {
            source: id,
            kind: s.kind,
            codec: s.codec,
            clock_rate: s.clock_rate,
            clock: s.clock,
            packets,
        };
        self.shared.mailboxes[worker].deliver(mail);
    }

    pub(super) fn unsubscribe(&mut self, id: u64, worker: usize) {
        if let Some(s) = self.sources.get_mut(id) {
            s.mirrors.retain(|w| *w != worker);
        }
    }

    pub(super) fn mirrored(&mut self, now_us: u64, id: u64, codec: Option<Codec>, packets: Vec<PacketRef>) {
        let Some(mut s) = self.sources.feeding(id).filter(|s| s.source.is_mirror()) else { return };
        if let Some(c) = codec {
            s.source.codec = c;
        }
        s.mirror(now_us, packets);
    }
}
