//! Whether whoever sends a source answers requests for keyframes. Some encoders never do (FFmpeg's and OBS's WHIP outputs
//! do not), and then nobody should wait for an answer.

use super::Source;
use crate::config::Kind;

/// At most one keyframe request per source in this time.
pub const KEYFRAME_THROTTLE_US: u64 = 500_000;
/// A source without a packet for so long is quiet.
const QUIET_US: u64 = 300_000;
/// An answer takes no longer: a round trip on a slow link, the encoder's time, and half a second of throttling per hop.
const ANSWER_US: u64 = 1_500_000;

/// What was asked of one sender, and what came of it.
#[derive(Debug, Default)]
pub struct KeyframeRequests {
    /// The first request since the newest keyframe.
    asked_us: Option<u64>,
    /// A keyframe came, but no sooner than by itself.
    ignored: bool,
}

impl KeyframeRequests {
    /// Upstream was asked.
    pub fn asked(&mut self, now_us: u64) {
        self.asked_us.get_or_insert(now_us);
    }

    /// A keyframe begins.
    pub fn came(&mut self, now_us: u64) {
        if let Some(asked_us) = self.asked_us.take() {
            self.ignored = now_us > asked_us + ANSWER_US;
        }
    }

    /// Another sender is the source's now.
    pub fn restart(&mut self) {
        *self = KeyframeRequests::default();
    }

    /// Whether to wait for an answer is in vain, as far as known.
    pub fn are_ignored(&self, now_us: u64) -> bool {
        self.ignored || self.asked_us.is_some_and(|asked_us| now_us > asked_us + ANSWER_US)
    }
}

impl Source {
    /// Whether upstream should be asked for a keyframe now; counts as asked.
    pub fn take_keyframe_request(&mut self, now_us: u64) -> bool {
        if self.kind != Kind::Video
            || (self.keyframe_asked_us != 0 && now_us < self.keyframe_asked_us + KEYFRAME_THROTTLE_US)
        {
            return false;
        }
        let age = self.ring.keyframe().map_or(u64::MAX, |k| now_us.saturating_sub(k.arrival_us));
        let interval = self.keyframe_interval_us;
        let overdue =
            interval > 0 && self.consumers() > 0 && age >= interval && now_us >= self.keyframe_asked_us + interval;
        if !self.keyframe_wanted && !overdue {
            return false;
        }
        self.keyframe_wanted = false;
        self.keyframe_asked_us = now_us.max(1);
        self.requests.asked(now_us);
        true
    }

    /// Whether to wait for an answer to a keyframe request is in vain: nobody answered such a one, or nothing comes at all.
    pub fn answers_no_request(&self, now_us: u64) -> bool {
        self.requests.are_ignored(now_us) || now_us >= self.last_arrival_us + QUIET_US
    }

    /// What `take_keyframe_request` counted could not be asked for: it is to be tried again at once.
    pub fn keep_keyframe_request(&mut self) {
        self.keyframe_wanted = true;
        self.keyframe_asked_us = 0;
    }

    /// The command number of the next FIR: one more each time, since a decoder refresh is made once per number (RFC 5104
    /// §4.3.1.1). At most once in `KEYFRAME_THROTTLE_US`.
    pub fn next_fir(&mut self) -> u8 {
        self.fir = self.fir.wrapping_add(1);
        self.fir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_in_time_is_waited_for() {
        let mut r = KeyframeRequests::default();
        assert!(!r.are_ignored(0));
        r.asked(0);
        r.asked(500_000);
        assert!(!r.are_ignored(ANSWER_US));
        r.came(ANSWER_US);
        assert!(!r.are_ignored(u64::MAX));
    }

    #[test]
    fn who_does_not_is_remembered_beyond_its_next_keyframe() {
        let mut r = KeyframeRequests::default();
        r.asked(0);
        assert!(r.are_ignored(ANSWER_US + 1));
        r.came(8_000_000);
        assert!(r.are_ignored(8_000_001), "that one came by itself");
        r.came(16_000_000);
        assert!(r.are_ignored(16_000_001), "nobody had asked");
        r.asked(17_000_000);
        r.came(17_200_000);
        assert!(!r.are_ignored(17_200_001));
        r.asked(18_000_000);
        r.restart();
        assert!(!r.are_ignored(u64::MAX));
    }
}
