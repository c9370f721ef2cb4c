//! A publisher's clock as the arrival of its frames tells it, for as long as no sender report does (RFC 3550 §6.4.1).
//!
//! Whatever delays a frame on its way makes it late, and nothing makes it early. So the frames that came earliest for their
//! timestamps tell the time best. They are looked for among those of the last seconds, since the publisher's clock may run
//! a little faster or slower than ours.

use crate::packet::{ticks, Clock};

/// The earliest frame is looked for in spans of this length, the present one and the one before.
const SPAN_US: u64 = 5_000_000;
/// Frames that come so much later than the earliest one, for so long, are of a clock that went back. What a link held back
/// comes in a burst, by the end of which nothing is late.
const FAR_US: i64 = 2_000_000;
const FAR_FOR_US: u64 = 1_000_000;

/// The frames of one feed, as they came.
#[derive(Debug, Default)]
pub struct Arrivals {
    newest: Option<Newest>,
    span_began_us: u64,
    /// How much later than by its timestamp the earliest frame of a span came, in µs against the first frame: of the
    /// present span, and of the one before.
    earliest_us: [Option<i64>; 2],
    /// Since when frames are far too late.
    far_since_us: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    ts: u32,
    /// Since the first frame, in RTP ticks.
    ticks: i64,
    began_us: u64,
}

impl Arrivals {
    /// A newer frame than all before begins to come. What the clock was at `now_us`, `ntp` being the time of ours.
    pub fn on_frame(&mut self, now_us: u64, ts: u32, clock_rate: u32, ntp: u64) -> Clock {
        let newest = match self.newest {
            Some(n) => Newest { ts, ticks: n.ticks + i64::from(ts.wrapping_sub(n.ts) as i32), ..n },
            None => Newest { ts, ticks: 0, began_us: now_us },
        };
        self.newest = Some(newest);
        let media_us = (i128::from(newest.ticks) * 1_000_000 / i128::from(clock_rate.max(1))) as i64;
        let late_us = now_us.saturating_sub(newest.began_us) as i64 - media_us;
        if now_us >= self.span_began_us + SPAN_US {
            self.span_began_us = now_us;
            self.earliest_us = [None, self.earliest_us[0]];
        }
        let present = &mut self.earliest_us[0];
        *present = Some(present.map_or(late_us, |e| e.min(late_us)));
        let earliest_us = self.earliest_us.iter().flatten().min().copied().unwrap_or(late_us);
        let since_us = (late_us - earliest_us).max(0) as u64;
        self.far_since_us = (late_us - earliest_us > FAR_US).then(|| self.far_since_us.unwrap_or(now_us));
        if self.far_since_us.is_some_and(|far_us| now_us >= far_us + FAR_FOR_US) {
            *self = Arrivals::default();
            return self.on_frame(now_us, ts, clock_rate, ntp);
        }
        Clock { ntp, rtp: ts.wrapping_add(ticks(since_us, clock_rate)), at_us: now_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 90_000;

    /// The clock after ten minutes of frames: how far it is off the publisher's, in ms. Frames come up to `jitter_ms` late.
    fn off_ms(drift: f64, jitter_ms: u64, first_late_ms: u64) -> f64 {
        let mut a = Arrivals::default();
        let mut worst: f64 = 0.0;
        for frame in 0..18_000u64 {
            let sent_us = 1_000_000 + frame * 100_000 / 3;
            let media_s = (sent_us as f64 / 1e6) * (1.0 + drift);
            let ts = (4_294_000_000.0 + media_s * f64::from(RATE)) as u64 as u32;
            let late_us = if frame == 0 { first_late_ms * 1_000 } else { fastrand::u64(..=jitter_ms * 1_000) };
            let now_us = sent_us + 20_000 + late_us;
            let clock = a.on_frame(now_us, ts, RATE, 1 << 40);
            let right = (4_294_000_000.0 + (now_us - 20_000) as f64 / 1e6 * (1.0 + drift) * f64::from(RATE)) as u64;
            let off = f64::from(clock.rtp.wrapping_sub(right as u32) as i32) / 90.0;
            if frame > 60 {
                worst = worst.max(off.abs());
            }
        }
        worst
    }

    #[test]
    fn late_frames_do_not_move_it() {
        assert!(off_ms(0.0, 0, 0) < 0.1);
        assert!(off_ms(0.0, 80, 0) < 10.0, "{}", off_ms(0.0, 80, 0));
        assert!(off_ms(0.0, 10, 900) < 3.0, "{}", off_ms(0.0, 10, 900));
    }

    #[test]
    fn it_follows_a_clock_that_runs_faster_or_slower() {
        for drift in [-300e-6, 300e-6] {
            assert!(off_ms(drift, 20, 0) < 10.0, "{drift}: {}", off_ms(drift, 20, 0));
        }
    }

    #[test]
    fn a_clock_that_goes_back_is_followed_within_a_second_and_a_burst_is_not() {
        let mut a = Arrivals::default();
        let mut at = |ms: u64, ts_ms: u64| {
            let clock = a.on_frame(1_000_000 + ms * 1_000, 4_000_000 + ts_ms as u32 * 90, RATE, 0);
            i64::from((clock.rtp - 4_000_000) / 90) - ms as i64
        };
        (10_000..20_000).step_by(100).for_each(|ms| assert_eq!(at(ms, ms), 0));
        (20_000..24_000).step_by(100).for_each(|ms| assert_eq!(at(24_000, ms), 0, "a burst of four seconds"));
        (24_000..30_000).step_by(100).for_each(|ms| assert_eq!(at(ms, ms), 0));
        let back: Vec<i64> = (30_000..34_000).step_by(100).map(|ms| at(ms, ms - 9_000)).collect();
        assert_eq!((back[0], back[9], back[11]), (0, 0, -9_000));
        assert!(back[11..].iter().all(|b| *b == -9_000), "{back:?}");
    }

    #[test]
    fn a_timestamp_that_jumps_does_not_overflow_it() {
        let mut a = Arrivals::default();
        for turn in 0..10_000u64 {
            a.on_frame(turn * fastrand::u64(..1_000_000_000), fastrand::u32(..), fastrand::u32(..100_000), u64::MAX);
        }
    }
}
