//! A video of which nothing comes any more, although its feed lives: publishers stop single layers.

use super::{Feed, Source};
use crate::config::Kind;

/// Without a packet for so long it is silent.
const SILENT_US: u64 = 500_000;
/// What is longer is no time between two pictures, but a pause.
const LONGEST_S: u32 = 5;

/// The longest time between two pictures lately, by the publisher's clock. Until some have come it is taken for a second.
#[derive(Clone, Copy, Debug)]
pub struct FrameInterval {
    ticks: u32,
    clock_rate: u32,
}

impl FrameInterval {
    /// Begins with a second, as long as no picture has come.
    pub fn new(clock_rate: u32) -> Self {
        FrameInterval { ticks: clock_rate, clock_rate }
    }

    /// A picture comes so many RTP ticks behind the one before. Once per picture.
    pub fn on_frame(&mut self, ticks: u32) {
        if ticks <= self.clock_rate.saturating_mul(LONGEST_S) {
            self.ticks = ticks.max(self.ticks - self.ticks.div_ceil(8));
        }
    }

    fn ms(&self) -> u64 {
        u64::from(self.ticks) * 1_000 / u64::from(self.clock_rate.max(1))
    }
}

impl Source {
    /// If a relayed video is silent, once per silence: how far apart its pictures have been lately, in ms.
    pub fn falls_silent(&mut self, now_us: u64) -> Option<u64> {
        let silent = self.feed == Feed::Relay
            && self.kind == Kind::Video
            && self.joined
            && !self.silence_told
            && now_us >= self.last_arrival_us + SILENT_US;
        self.silence_told |= silent;
        silent.then(|| self.interval.ms())
    }

    /// Whether this packet is the first one after a silence that was told.
    pub fn ends_silence(&mut self) -> bool {
        std::mem::take(&mut self.silence_told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many pictures that are so far apart.
    fn after(interval: &mut FrameInterval, pictures: usize, ms: u32) -> u64 {
        (0..pictures).for_each(|_| interval.on_frame(ms * 90));
        interval.ms()
    }

    #[test]
    fn the_longest_interval_of_late_counts() {
        let mut i = FrameInterval::new(90_000);
        assert_eq!(after(&mut i, 0, 0), 1_000, "nothing is known");
        assert!(after(&mut i, 12, 33) < 250, "{i:?}");
        assert_eq!(after(&mut i, 40, 33), 33);
        assert_eq!(after(&mut i, 1, 1_000), 1_000);
        assert_eq!(after(&mut i, 1, 60_000), 1_000, "a pause");
        assert_eq!(after(&mut i, 5, 2_000), 2_000);
        let mut odd = FrameInterval::new(0);
        odd.on_frame(7);
        assert_eq!(odd.ms(), 0);
    }
}
