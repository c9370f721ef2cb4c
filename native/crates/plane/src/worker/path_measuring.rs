//! How much a viewer's path takes, measured before it is sent media: a few large checks (RFC 8445 §7) leave at once, and the
//! answers come as far apart as the narrowest link lets the checks through. So nobody has to begin with a picture that is
//! far too large, to find that out.
//!
//! A wireless link may hold all of them up and let them through together. So what takes much is measured once more.

use super::bandwidth_probe::Mark;
use super::Worker;
use crate::egress::Egress;
use crate::events::Event;

/// Checks, and the bytes of each: less than any path takes in one piece.
const CHECKS: usize = 5;
const CHECK_BYTES: usize = 1_172;
/// IP and UDP headers take their part of the path as well.
const HEADERS: usize = 28;
/// Fewer answers tell nothing.
const LEAST_ANSWERS: usize = 3;
/// How long answers are waited for.
const WAIT_US: u64 = 1_000_000;
/// Once there are enough of them, no answer is waited for that comes so much later than the one before: a link that is
/// narrower carries no video anyway.
const LATE_US: u64 = 100_000;
/// Answers that come together say that the path takes more than we could measure.
const MOST_BPS: u64 = 1_000_000_000;
/// Above this a second round of checks has to say the same.
const MUCH_BPS: u64 = 1_000_000;

/// The checks of one session's path.
pub(super) struct Measuring {
    /// In the order of sending.
    pub marks: Vec<Mark>,
    /// What the first round has shown, if this is the second one.
    first_bps: Option<u64>,
}

impl Measuring {
    fn is_over(&self, now_us: u64) -> bool {
        let came = self.marks.iter().filter_map(|m| m.answered_us);
        let newest = came.clone().max().filter(|_| came.count() >= LEAST_ANSWERS);
        newest.is_some_and(|at| now_us >= at + LATE_US)
            || self.marks.iter().all(|m| m.answered_us.is_some() || now_us >= m.sent_us + WAIT_US)
    }

    /// The result of all rounds; None: there has to be another one.
    fn result(&self) -> Option<u64> {
        let bps = self.bitrate_bps();
        match self.first_bps {
            None if bps > MUCH_BPS => None,
            Some(first) if bps > 0 => Some(first.min(bps)),
            Some(first) => Some(first),
            None => Some(bps),
        }
    }

    /// What came through per second, in bit/s; 0 when too few answers came. The longest gap is left out: one packet that
    /// was held up on the way says nothing of the others.
    fn bitrate_bps(&self) -> u64 {
        let mut came: Vec<u64> = self.marks.iter().filter_map(|m| m.answered_us).collect();
        if came.len() < LEAST_ANSWERS {
            return 0;
        }
        came.sort_unstable();
        let gaps: Vec<u64> = came.windows(2).map(|w| w[1] - w[0]).collect();
        let longest = gaps.iter().copied().max().unwrap_or(0);
        let span_us = gaps.iter().sum::<u64>() - longest;
        let bits = ((gaps.len() - 1) * (CHECK_BYTES + HEADERS) * 8) as u64;
        (bits * 1_000_000).checked_div(span_us).unwrap_or(MOST_BPS).min(MOST_BPS)
    }
}

impl Worker {
    /// The path of a session has just been found to be the peer's: measures it, if that was asked for.
    pub(super) fn measure(&mut self, now_us: u64, slot: usize, out: &mut Egress) {
        let asked = self.sessions.get_mut(slot).filter(|s| s.path.is_some());
        if asked.is_some_and(|s| std::mem::take(&mut s.measures)) {
            self.send_checks(now_us, slot, None, out);
        }
    }

    fn send_checks(&mut self, now_us: u64, slot: usize, first_bps: Option<u64>, out: &mut Egress) {
        let Some(s) = self.sessions.get(slot) else { return };
        let sent = (0..CHECKS).filter_map(|_| s.mark(CHECK_BYTES, out, slot as u32));
        let marks = sent.map(|id| Mark::new(id, now_us)).collect();
        self.measuring.insert(slot, Measuring { marks, first_bps });
    }

    /// Goes on with what is measured, and tells what has been. To be called at every tick.
    pub(super) fn measure_all(&mut self, now_us: u64, out: &mut Egress) {
        let over: Vec<(usize, Option<u64>, u64)> = self
            .measuring
            .iter()
            .filter(|(_, m)| m.is_over(now_us))
            .map(|(slot, m)| (*slot, m.result(), m.bitrate_bps()))
            .collect();
        for (slot, result, bps) in over {
            self.measuring.remove(&slot);
            match (result, self.sessions.get_mut(slot)) {
                (Some(bitrate_bps), Some(s)) => {
                    s.path_bps = bitrate_bps;
                    self.shared.events.push(Event::PathMeasured { session: s.id, bitrate_bps });
                }
                (None, Some(_)) => self.send_checks(now_us, slot, Some(bps), out),
                (_, None) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(answers_us: &[Option<u64>]) -> u64 {
        round(answers_us, None).bitrate_bps()
    }

    fn round(answers_us: &[Option<u64>], first_bps: Option<u64>) -> Measuring {
        let mark = |at: &Option<u64>| Mark { answered_us: *at, ..Mark::new([0; 12], 0) };
        Measuring { marks: answers_us.iter().map(mark).collect(), first_bps }
    }

    fn every(gap_us: u64) -> Vec<Option<u64>> {
        (0..CHECKS as u64).map(|i| Some(40_000 + i * gap_us)).collect()
    }

    #[test]
    fn the_rate_is_that_at_which_the_answers_come() {
        for (gap_us, bps) in [(32_000, 300_000), (9_600, 1_000_000), (960, 10_000_000), (0, MOST_BPS)] {
            assert_eq!(measured(&every(gap_us)), bps);
        }
    }

    #[test]
    fn one_answer_that_was_held_up_or_lost_changes_nothing() {
        for odd in 1..CHECKS {
            let mut late = every(9_600);
            late.iter_mut().skip(odd).for_each(|a| *a = a.map(|us| us + 200_000));
            assert_eq!(measured(&late), 1_000_000, "all from {odd} on come late");
            let mut lost = every(9_600);
            lost[odd] = None;
            assert_eq!(measured(&lost), 1_000_000, "{odd} is lost");
        }
    }

    #[test]
    fn too_few_answers_tell_nothing() {
        assert_eq!(measured(&[Some(1), None, None, Some(9), None]), 0);
        assert_eq!(measured(&[None; CHECKS]), 0);
    }

    #[test]
    fn the_last_answers_are_not_waited_for_if_enough_have_come() {
        let three = [Some(40_000), None, Some(50_000), Some(60_000), None];
        assert!(!round(&three, None).is_over(60_000 + LATE_US - 1));
        assert!(round(&three, None).is_over(60_000 + LATE_US));
        assert!(!round(&[Some(40_000), Some(50_000), None, None, None], None).is_over(WAIT_US - 1), "too few");
        assert!(round(&[Some(40_000), Some(50_000), None, None, None], None).is_over(WAIT_US));
        assert!(round(&every(9_600), None).is_over(80_000), "all have come");
    }

    #[test]
    fn a_link_that_takes_much_is_measured_twice_and_the_lesser_counts() {
        assert_eq!(round(&every(32_000), None).result(), Some(300_000), "so far apart they come on a narrow link only");
        assert_eq!(round(&every(0), None).result(), None);
        assert_eq!(round(&every(9_600), Some(MOST_BPS)).result(), Some(1_000_000));
        assert_eq!(round(&every(0), Some(3_000_000)).result(), Some(3_000_000));
        assert_eq!(round(&[None; CHECKS], Some(3_000_000)).result(), Some(3_000_000), "the second round was lost");
        assert_eq!(round(&[None; CHECKS], None).result(), Some(0));
    }
}
