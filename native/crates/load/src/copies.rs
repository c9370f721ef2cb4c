//! When the first and the last copy of a burst came, over all viewers: what one viewer's latency doesn't show.

use std::collections::VecDeque;

use crate::report::Histogram;

/// After this long no more copies are expected.
const SETTLED_US: u64 = 1_000_000;

/// Bursts of one stamping publisher, by their stamp. Exact only if every packet is decrypted (`sample` 1).
#[derive(Default)]
pub struct Copies {
    since_us: u64,
    /// (sent, first, last), in order of sending.
    open: VecDeque<(u64, u64, u64)>,
    pub first: Histogram,
    pub last: Histogram,
}

impl Copies {
    /// Bursts sent before `since_us` are left out: some of their copies came before.
    pub fn new(since_us: u64) -> Self {
        Copies { since_us, ..Copies::default() }
    }

    pub fn note(&mut self, sent_us: u64, now_us: u64) {
        if sent_us < self.since_us {
            return;
        }
        // Copies come nearly in order: the burst is one of the newest.
        let newer = self.open.iter().rev().take_while(|b| b.0 > sent_us).count();
        let at = self.open.len() - newer;
        match at.checked_sub(1).map(|i| &mut self.open[i]) {
            Some(b) if b.0 == sent_us => b.2 = b.2.max(now_us),
            _ => self.open.insert(at, (sent_us, now_us, now_us)),
        }
        while let Some(&(sent, first, last)) = self.open.front().filter(|b| b.0 + SETTLED_US < now_us) {
            self.first.add(first.saturating_sub(sent));
            self.last.add(last.saturating_sub(sent));
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_copy_of_each_burst_are_kept() {
        let mut c = Copies::new(1_000);
        c.note(999, 5_000);
        for (sent, now) in [(1_000, 2_000), (3_000, 3_500), (1_000, 9_000), (3_000, 4_000), (1_000, 4_000)] {
            c.note(sent, now);
        }
        c.note(3_000_000, 3_000_100);
        let (first, last) = (c.first.summary(), c.last.summary());
        assert_eq!((first.count, last.count), (2, 2));
        assert_eq!((first.max_us, last.max_us), (1_000, 8_000));
    }
}
