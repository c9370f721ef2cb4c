//! Which packets of each SSRC have been received, RFC 3711 §3.3.1 and §3.3.2.

use super::SrtpError;

/// Packets behind the newest that can still be accepted. A resend on the same SSRC may be this late.
pub const WINDOW: u64 = 1024;
/// SSRCs remembered per context.
pub const MAX_SSRCS: usize = 64;

/// The newest index of one SSRC, and which of the `WINDOW` indices up to it have been seen.
struct Stream {
    ssrc: u32,
    newest: u64,
    /// Bit (index mod WINDOW).
    seen: [u64; WINDOW as usize / 64],
    last_used: u64,
}

impl Stream {
    fn new(ssrc: u32, index: u64) -> Self {
        Stream { ssrc, newest: index, seen: [0; WINDOW as usize / 64], last_used: 0 }
    }

    fn bit(index: u64) -> (usize, u64) {
        ((index % WINDOW / 64) as usize, 1 << (index % 64))
    }

    fn is_new(&self, index: u64) -> bool {
        let (word, bit) = Self::bit(index);
        index > self.newest || (self.newest - index < WINDOW && self.seen[word] & bit == 0)
    }

    fn insert(&mut self, index: u64) {
        if index > self.newest {
            if index - self.newest >= WINDOW {
                self.seen.fill(0);
            } else {
                for skipped in self.newest + 1..index {
                    let (word, bit) = Self::bit(skipped);
                    self.seen[word] &= !bit;
                }
            }
            self.newest = index;
        }
        let (word, bit) = Self::bit(index);
        self.seen[word] |= bit;
    }
}

/// The streams of one context. A full table forgets the one that was silent longest.
#[derive(Default)]
pub struct Streams {
    streams: Vec<Stream>,
    /// Counts packets, as a clock for `last_used`.
    packets: u64,
    pub evicted: u64,
}

impl Streams {
    fn find(&self, ssrc: u32) -> Option<&Stream> {
        self.streams.iter().find(|s| s.ssrc == ssrc)
    }

    /// ROC · 2¹⁶ + SEQ of a packet, from what was received before. A new SSRC starts with ROC 0.
    pub fn rtp_index(&self, ssrc: u32, sequence: u16) -> Result<u64, SrtpError> {
        let Some(stream) = self.find(ssrc) else { return Ok(sequence.into()) };
        let distance = sequence.wrapping_sub(stream.newest as u16) as i16;
        stream.newest.checked_add_signed(distance.into()).filter(|i| i >> 48 == 0).ok_or(SrtpError::Replay)
    }

    pub fn check(&self, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        if self.find(ssrc).is_none_or(|s| s.is_new(index)) {
            Ok(())
        } else {
            Err(SrtpError::Replay)
        }
    }

    /// Call for authenticated packets only.
    pub fn accept(&mut self, ssrc: u32, index: u64) {
        self.packets += 1;
        let at = match self.streams.iter().position(|s| s.ssrc == ssrc) {
            Some(at) => at,
            None => self.add(Stream::new(ssrc, index)),
        };
        let stream = &mut self.streams[at];
        stream.last_used = self.packets;
        stream.insert(index);
    }

    /// Each SSRC that is remembered, with its highest index.
    pub fn newest(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.streams.iter().map(|s| (s.ssrc, s.newest))
    }

    /// All packets of `ssrc` up to `index` count as received. A stream that is further on stays as it is.
    pub fn had(&mut self, ssrc: u32, index: u64) {
        let at = match self.streams.iter().position(|s| s.ssrc == ssrc) {
            Some(at) if self.streams[at].newest >= index => return,
            Some(at) => at,
            None => self.add(Stream::new(ssrc, index)),
        };
        let stream = &mut self.streams[at];
        stream.newest = index;
        stream.seen.fill(u64::MAX);
        stream.last_used = self.packets;
    }

    fn add(&mut self, stream: Stream) -> usize {
        if self.streams.len() == MAX_SSRCS {
            let oldest = (0..MAX_SSRCS).min_by_key(|&i| self.streams[i].last_used).unwrap_or(0);
            self.streams.swap_remove(oldest);
            self.evicted += 1;
        }
        self.streams.push(stream);
        self.streams.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a set of everything ever accepted.
        #[test]
        fn accepts_exactly_the_new_ones_inside_the_window(steps in prop::collection::vec((0u64..4000, any::<bool>()), 1..200)) {
            let mut streams = Streams::default();
            let (mut accepted, mut base, mut newest) = (HashSet::new(), 0, None::<u64>);
            for (step, forward) in steps {
                base = if forward { base + step / 8 } else { base };
                let index = base + 4000 - step;
                let expected = !accepted.contains(&index) && newest.is_none_or(|n| index > n || n - index < WINDOW);
                prop_assert_eq!(streams.check(7, index).is_ok(), expected);
                if expected {
                    streams.accept(7, index);
                    accepted.insert(index);
                    newest = newest.max(Some(index));
                }
            }
        }
    }

    #[test]
    fn what_was_had_elsewhere_is_not_taken_again_and_the_next_one_is() {
        let mut streams = Streams::default();
        let index = (3 << 16) - 2;
        streams.had(7, index);
        assert_eq!(streams.rtp_index(7, 1), Ok((3 << 16) + 1), "over the wrap that follows");
        for old in [index, index - 1, index - WINDOW + 1, index - WINDOW, 0] {
            assert!(streams.check(7, old).is_err(), "{old}");
        }
        streams.accept(7, index + 3);
        assert!(streams.check(7, index + 1).is_ok() && streams.check(7, index + 2).is_ok());
        assert!(streams.check(7, index).is_err() && streams.check(7, index + 3).is_err());
        streams.had(7, index + 1);
        assert_eq!(streams.newest().collect::<Vec<_>>(), [(7, index + 3)], "it does not go back");
    }

    #[test]
    fn a_full_table_forgets_the_stream_silent_longest() {
        let mut streams = Streams::default();
        for ssrc in 0..MAX_SSRCS as u32 {
            streams.accept(ssrc, 5);
        }
        streams.accept(0, 6);
        streams.accept(1000, 5);
        assert_eq!(streams.evicted, 1);
        assert!(streams.check(0, 6).is_err());
        assert!(streams.check(1, 5).is_ok(), "SSRC 1 should have been forgotten");
        assert!(streams.check(2, 5).is_err());
    }
}
