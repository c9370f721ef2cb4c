//! When a browser tells its estimate, and which: nothing before the path was congested or five seconds have passed, then
//! every 200 ms, falls at once (libwebrtc's `AimdRateControl` and `RembThrottler`). The estimate itself is
//! `wire::bwe`, without its part for loss: that is the sender's to judge, by the reports.

use rillcast_wire::bwe::Estimator;

const FIRST_US: u64 = 5_000_000;
const AGAIN_US: u64 = 200_000;
/// How far the estimate runs ahead of what arrives as long as nothing was congested.
const AHEAD: f64 = 1.5;
const AHEAD_BPS: f64 = 10_000.0;
/// A fall by this share is told at once.
const FALL: f64 = 0.97;
/// What arrived is counted over this long.
const SPAN_US: u64 = 1_000_000;

pub struct Remb {
    estimator: Estimator,
    first_us: Option<u64>,
    congested: bool,
    told_bps: u64,
    told_us: u64,
    /// Bits of this and the last span, and when this one began.
    bits: (u64, u64),
    span_us: u64,
}

impl Remb {
    /// Where the estimator has to begin: as good as no limit, until the path shows one.
    pub const OPEN_BPS: u64 = 50_000_000;

    pub fn new(estimator: Estimator) -> Self {
        Remb { estimator, first_us: None, congested: false, told_bps: 0, told_us: 0, bits: (0, 0), span_us: 0 }
    }

    pub fn told_bps(&self) -> u64 {
        self.told_bps
    }

    pub fn on_packet(&mut self, now_us: u64, abs_send_time_24: Option<u32>, size: usize) {
        self.first_us.get_or_insert(now_us);
        if now_us >= self.span_us + SPAN_US {
            let missed = now_us >= self.span_us + 2 * SPAN_US;
            self.bits = (0, if missed { 0 } else { self.bits.0 });
            self.span_us = now_us;
        }
        self.bits.0 += size as u64 * 8;
        self.estimator.on_packet(now_us, abs_send_time_24, size);
        self.congested |= self.estimator.estimate_bps(now_us) < Self::OPEN_BPS;
    }

    /// The estimate if it is to be told now.
    pub fn due(&mut self, now_us: u64) -> Option<u64> {
        let bps = self.estimate(now_us)?;
        let fell = (bps as f64) < self.told_bps as f64 * FALL;
        if !fell && now_us < self.told_us + AGAIN_US {
            return None;
        }
        (self.told_bps, self.told_us) = (bps, now_us);
        Some(bps)
    }

    fn estimate(&mut self, now_us: u64) -> Option<u64> {
        if self.congested {
            return Some(self.estimator.estimate_bps(now_us));
        }
        let open = self.first_us.is_some_and(|first| now_us >= first + FIRST_US);
        let received = self.bits.0.max(self.bits.1) as f64;
        open.then(|| self.told_bps.max((received * AHEAD + AHEAD_BPS) as u64))
    }
}
