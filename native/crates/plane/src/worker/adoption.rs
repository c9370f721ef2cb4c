//! A publisher's successor: its session has sources of its own until it is let in, and then feeds those of the stream.

use super::Worker;
use crate::config::AdoptedFeed;
use crate::source::Feed;
use crate::worker::failure::Failure;

impl Worker {
    /// Each first source goes on with the feed of the second, and the second ends. All or none.
    pub(super) fn adopt_feeds(&mut self, now_us: u64, feeds: &[AdoptedFeed]) -> Result<(), Failure> {
        for id in feeds.iter().flat_map(|f| [f.source, f.from]) {
            if self.sources.get(id).is_none_or(|s| s.is_mirror()) {
                return Err(Failure::NotHere(id));
            }
        }
        for f in feeds.iter().filter(|f| f.source != f.from) {
            self.adopt_feed(now_us, f);
        }
        Ok(())
    }

    fn adopt_feed(&mut self, now_us: u64, adopted: &AdoptedFeed) {
        let Some(from) = self.sources.get_mut(adopted.from) else { return };
        let (feed, codec, interval_us) = (from.feed, from.codec, from.keyframe_interval_us);
        let (packets, clock, sets) = (from.as_fed(now_us), from.last_report(), from.sets.clone());
        from.feed = Feed::None;
        self.remove_source(adopted.from);
        if let Feed::Session { slot, track, encoding } = feed {
            self.sessions[slot].recv[track].config.encodings[encoding].source = adopted.source;
        }
        let Some(mut feeding) = self.sources.feeding(adopted.source) else { return };
        feeding.source.codec = codec;
        feeding.source.keyframe_interval_us = interval_us;
        feeding.source.rejoin(feed);
        feeding.source.replace_sets(sets);
        feeding.source.keyframe_wanted = packets.is_empty();
        for p in &packets {
            feeding.ingest(now_us, p.incoming(), &self.shared);
        }
        if let Some(c) = clock {
            self.source_clock(c.at_us, adopted.source, c.ntp, c.rtp);
        }
        if let Feed::Session { slot, .. } = feed {
            self.judge_clocks(now_us, slot);
        }
    }
}
