//! What a browser asks for again: a missing packet at once, then after each round trip, ten times (libwebrtc's
//! `NackRequester`).

use std::collections::VecDeque;

/// Until a repair has shown a round trip, as in libwebrtc.
const FIRST_RTT_US: u64 = 100_000;
const LEAST_RTT_US: u64 = 10_000;
const MOST_TRIES: u8 = 10;
/// More missing packets than this are beyond repair: only a keyframe helps.
const MOST_MISSING: usize = 1_000;

struct Missing {
    seq: u64,
    asked_us: u64,
    tries: u8,
}

pub struct Nacks {
    /// The packets that are missing, in ascending order.
    missing: VecDeque<Missing>,
    highest: Option<u64>,
    rtt_us: u64,
}

impl Default for Nacks {
    fn default() -> Self {
        Nacks { missing: VecDeque::new(), highest: None, rtt_us: FIRST_RTT_US }
    }
}

impl Nacks {
    /// A packet or its repair came. False: so much is missing that the list was emptied.
    pub fn on_packet(&mut self, now_us: u64, seq: u64) -> bool {
        let Some(highest) = self.highest.filter(|h| *h < seq) else {
            if self.highest.is_none() {
                self.highest = Some(seq);
            } else if let Ok(i) = self.missing.binary_search_by_key(&seq, |m| m.seq) {
                self.note_repair(now_us, i);
            }
            return true;
        };
        self.highest = Some(seq);
        if self.missing.len() as u64 + (seq - highest - 1) > MOST_MISSING as u64 {
            self.missing.clear();
            return false;
        }
        self.missing.extend((highest + 1..seq).map(|seq| Missing { seq, asked_us: 0, tries: 0 }));
        true
    }

    fn note_repair(&mut self, now_us: u64, i: usize) {
        let Some(m) = self.missing.remove(i).filter(|m| m.tries == 1) else { return };
        // After a second request nobody knows which one was answered (Karn).
        let sample = now_us.saturating_sub(m.asked_us);
        self.rtt_us = (self.rtt_us * 7 + sample) / 8;
    }

    /// Fills `out` with what to ask for now. False: something has been asked for often enough and is given up.
    pub fn due(&mut self, now_us: u64, out: &mut Vec<u16>) -> bool {
        let wait = self.rtt_us.max(LEAST_RTT_US);
        let ready = |m: &Missing| m.tries == 0 || now_us >= m.asked_us + wait;
        let before = self.missing.len();
        self.missing.retain(|m| m.tries < MOST_TRIES || !ready(m));
        for m in self.missing.iter_mut().filter(|m| ready(m)) {
            m.tries += 1;
            m.asked_us = now_us;
            out.push(m.seq as u16);
        }
        self.missing.len() == before
    }

    /// Nothing before `seq` is needed any more: a keyframe began there.
    pub fn forget_before(&mut self, seq: u64) {
        while self.missing.pop_front_if(|m| m.seq < seq).is_some() {}
    }

    pub fn is_idle(&self) -> bool {
        self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(n: &mut Nacks, now: u64) -> (Vec<u16>, bool) {
        let mut out = vec![];
        let going_on = n.due(now, &mut out);
        (out, going_on)
    }

    #[test]
    fn asks_at_once_and_again_after_the_round_trip_that_a_repair_took() {
        let mut n = Nacks::default();
        n.on_packet(0, 65_540);
        n.on_packet(0, 65_543);
        assert_eq!(due(&mut n, 0).0, [5, 6]);
        assert!(due(&mut n, 99_000).0.is_empty());
        for repair in 0..60 {
            let (at, seq) = (repair * 1_000_000, 65_600 + repair * 2);
            n.on_packet(at, seq);
            due(&mut n, at);
            n.on_packet(at + 30_000, seq - 1);
        }
        n.forget_before(u64::MAX);
        n.on_packet(90_000_000, 66_000);
        assert!(!due(&mut n, 90_000_000).0.is_empty());
        assert!(due(&mut n, 90_025_000).0.is_empty());
        assert!(!due(&mut n, 90_035_000).0.is_empty(), "the round trip is about 30 ms");
    }

    #[test]
    fn gives_up_after_ten_tries() {
        let mut n = Nacks::default();
        n.on_packet(0, 10);
        n.on_packet(0, 12);
        let tries = (0..10).filter(|i| due(&mut n, i * 100_000) == (vec![11], true)).count();
        assert_eq!((tries, due(&mut n, 1_000_000)), (10, (vec![], false)));
        assert!(n.is_idle());
    }

    #[test]
    fn what_lies_before_a_keyframe_is_forgotten_and_a_huge_gap_is_beyond_repair() {
        let mut n = Nacks::default();
        n.on_packet(0, 10);
        n.on_packet(0, 15);
        n.forget_before(14);
        assert_eq!(due(&mut n, 0).0, [14]);
        assert!(!n.on_packet(0, 2_000));
        assert!(n.is_idle());
    }
}
