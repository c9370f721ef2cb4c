//! Which packets of a feed are missing, and when to ask for them again (RFC 4585 §6.2.1).

use std::collections::VecDeque;

/// More missing packets than this are beyond repair: a keyframe is cheaper.
const MAX_MISSING: usize = 400;
const MAX_TRIES: u8 = 10;
const GIVE_UP_US: u64 = 1_000_000;
/// Wait this long for reordered packets before the first request.
const REORDER_US: u64 = 5_000;

#[derive(Clone, Copy, Debug)]
struct Missing {
    seq: u64,
    since_us: u64,
    asked_us: u64,
    tries: u8,
}

/// The NACK generator of one feed: told of every packet that arrives, asked at every tick.
#[derive(Debug, Default)]
pub struct NackTracker {
    missing: VecDeque<Missing>,
    highest: Option<u64>,
    pub lost: u64,
    pub recovered: u64,
}

impl NackTracker {
    /// Notes an arrival. Returns false if the gap before it is beyond repair (the list is emptied: ask for a keyframe).
    pub fn on_packet(&mut self, seq: u64, now_us: u64) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            return true;
        };
        if seq <= highest {
            if let Ok(i) = self.missing.binary_search_by_key(&seq, |m| m.seq) {
                self.missing.remove(i);
                self.recovered += 1;
            }
            return true;
        }
        self.highest = Some(seq);
        let gap = (seq - highest - 1) as usize;
        if self.missing.len() + gap > MAX_MISSING {
            self.lost += (self.missing.len() + gap) as u64;
            self.missing.clear();
            return false;
        }
        self.missing.extend((highest + 1..seq).map(|seq| Missing { seq, since_us: now_us, asked_us: 0, tries: 0 }));
        true
    }

    /// Forgets everything; the next packet begins a new sequence.
    pub fn restart(&mut self) {
        self.lost += self.missing.len() as u64;
        self.missing.clear();
        self.highest = None;
    }

    /// Whether no packet is missing. Asked at every tick, once per source.
    pub fn is_idle(&self) -> bool {
        self.missing.is_empty()
    }

    /// Fills `out` with the sequence numbers to ask for now, ascending.
    pub fn due(&mut self, now_us: u64, interval_us: u64, out: &mut Vec<u16>) {
        let before = self.missing.len();
        self.missing.retain(|m| m.tries < MAX_TRIES && now_us.saturating_sub(m.since_us) < GIVE_UP_US);
        self.lost += (before - self.missing.len()) as u64;
        for m in &mut self.missing {
            let wait = if m.tries == 0 { m.since_us + REORDER_US } else { m.asked_us + interval_us };
            if now_us >= wait {
                m.tries += 1;
                m.asked_us = now_us;
                out.push(m.seq as u16);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(n: &mut NackTracker, now: u64) -> Vec<u16> {
        let mut out = vec![];
        n.due(now, 20_000, &mut out);
        out
    }

    #[test]
    fn asks_after_the_reorder_time_and_again_after_the_interval() {
        let mut n = NackTracker::default();
        n.on_packet(10, 0);
        n.on_packet(13, 0);
        assert!(due(&mut n, 1_000).is_empty());
        assert_eq!(due(&mut n, 5_000), [11, 12]);
        n.on_packet(11, 6_000);
        assert!(due(&mut n, 20_000).is_empty());
        assert_eq!(due(&mut n, 25_000), [12]);
        assert_eq!((n.recovered, n.lost), (1, 0));
    }

    #[test]
    fn gives_up_and_counts() {
        let mut n = NackTracker::default();
        n.on_packet(1, 0);
        n.on_packet(3, 0);
        assert!(due(&mut n, GIVE_UP_US).is_empty());
        assert!(n.is_idle());
        assert_eq!(n.lost, 1);
    }

    #[test]
    fn a_huge_gap_is_not_repaired() {
        let mut n = NackTracker::default();
        n.on_packet(1, 0);
        assert!(!n.on_packet(1000, 0));
        assert!(n.is_idle());
    }
}
