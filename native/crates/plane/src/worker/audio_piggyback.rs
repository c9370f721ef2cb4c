//! Audio on the back of video: a busy worker lets audio wait a moment for the viewers' next video frame. As the last and
//! shorter segment of that frame's GSO message it needs no message of its own. Messages are what fan-out costs, and without
//! this most of them are audio.

use rillcast_crypto::srtp::Sender;

use super::forwarder::Receiver;
use super::sources::Sources;
use super::Worker;
use crate::config::{HeaderExtensions, Kind};
use crate::egress::Egress;
use crate::packet::PacketRef;
use crate::session::send::{Moment, Progress, SendTrack};
use crate::session::Totals;
use crate::source::Source;

/// Above these loads packets may wait: video for the rest of its frame, audio for a video frame.
const BUSY: f64 = 0.3;
const VERY_BUSY: f64 = 0.6;
/// How long, at these loads.
const FRAME_US: (u64, u64) = (5_000, 10_000);
const AUDIO_US: (u64, u64) = (10_000, 20_000);
/// A source whose packets waited so often in vain waits no more for the rest of the second.
const MAX_VAIN_WAITS: u8 = 8;

impl Worker {
    /// Whether the source's pending packets should wait.
    pub(super) fn holds(&self, now_us: u64, id: u64) -> bool {
        if self.busy <= BUSY {
            return false;
        }
        let Some(s) = self.sources.get(id) else { return false };
        let of = |(busy, very_busy)| if self.busy > VERY_BUSY { very_busy } else { busy };
        match s.kind {
            Kind::Video => s.pending.last().is_some_and(|p| !p.marker) && now_us < s.pending_since_us + of(FRAME_US),
            Kind::Audio => {
                !s.all_piggybacked(s.pending.len())
                    && s.waited_in_vain < MAX_VAIN_WAITS
                    && now_us < s.pending_since_us + of(AUDIO_US)
            }
        }
    }

    /// Whether there may be audio that waits for a video frame.
    pub(super) fn audio_waits(&self) -> bool {
        self.busy > BUSY && self.sources.is_dirty(Kind::Audio)
    }

    /// What waits for viewers need not wait for other nodes and workers.
    pub(super) fn forward_audio(&mut self, id: u64, out: &mut Egress) {
        if self.sources.get(id).is_some_and(|s| s.kind == Kind::Audio) {
            self.forward(id, out);
        }
    }

    /// Counts what the last burst took along.
    pub(super) fn note_piggyback(&mut self) {
        for (id, packets) in self.piggybacked.drain(..) {
            if let Some(s) = self.sources.get_mut(id) {
                s.piggybacked += packets;
                s.waited_in_vain = 0;
            }
        }
    }
}

impl Source {
    /// Whether all viewers have all of `pending` packets already.
    fn all_piggybacked(&self, pending: usize) -> bool {
        self.piggybacked > 0 && self.piggybacked >= pending * self.viewers.len()
    }

    /// At the end of the pending packets' waiting: whether all have been taken along.
    pub(super) fn settle_piggyback(&mut self) -> bool {
        let all = self.all_piggybacked(self.pending.len());
        if self.piggybacked == 0 {
            self.waited_in_vain = self.waited_in_vain.saturating_add(1);
        }
        self.piggybacked = 0;
        all
    }
}

/// Audio that waits, found by the tracks of the viewers that a frame goes to.
pub(super) struct Piggyback<'a> {
    sources: &'a Sources,
    /// The last one looked up: nearly every viewer of a frame has the same.
    last: (u64, &'a [PacketRef]),
    /// Packets taken along, by source; `note_piggyback` empties it.
    piggybacked: &'a mut Vec<(u64, usize)>,
}

impl<'a> Piggyback<'a> {
    pub fn new(sources: &'a Sources, piggybacked: &'a mut Vec<(u64, usize)>) -> Self {
        Piggyback { sources, last: (0, &[]), piggybacked }
    }

    fn waiting(&mut self, id: u64) -> &'a [PacketRef] {
        if self.last.0 != id {
            self.last = (id, self.sources.get(id).map_or(&[], |s| &s.pending));
        }
        self.last.1
    }

    /// Sends a viewer's waiting audio right behind its video.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub fn append(
        &mut self,
        tracks: &mut [SendTrack],
        to: Receiver<'_>,
        at: &Moment,
        ids: &HeaderExtensions,
        tx: &mut Sender,
        totals: &mut Totals,
        out: &mut Egress,
    ) {
        for t in tracks.iter_mut().filter(|t| t.config.kind == Kind::Audio && t.progress == Progress::Live) {
            let (Some(id), None) = (t.source, t.target) else { continue };
            for p in self.waiting(id) {
                let before = out.bytes;
                if to.send(out, |b| t.write(p, 0, at, ids, tx, b)) {
                    totals.count(Kind::Audio, out.bytes - before);
                    match self.piggybacked.last_mut().filter(|(last, _)| *last == id) {
                        Some((_, n)) => *n += 1,
                        None => self.piggybacked.push((id, 1)),
                    }
                }
            }
        }
    }
}
