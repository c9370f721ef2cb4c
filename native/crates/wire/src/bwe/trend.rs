//! Whether the queue on the path grows: the slope of the smoothed one-way delay against an adaptive threshold
//! (the trendline filter that replaced the Kalman filter of draft-ietf-rmcat-gcc-02 §5.3; detector and threshold §5.4).

use super::arrival::Delta;

const WINDOW: usize = 20;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
/// The slope counts more with every delta, up to this many.
const DELTAS_MAX: usize = 60;
const THRESHOLD_START_MS: f64 = 12.5;
const THRESHOLD_MIN_MS: f64 = 6.0;
const THRESHOLD_MAX_MS: f64 = 600.0;
/// A jump this far beyond the threshold does not move it: a route change, not jitter.
const OUTLIER_MS: f64 = 15.0;
const K_UP: f64 = 0.0087;
const K_DOWN: f64 = 0.039;
/// Overuse must last this long.
const OVERUSE_MS: f64 = 10.0;

/// What the path's queue does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Usage {
    /// The delay is steady.
    Normal,
    /// It grows: more is sent than gets through.
    Over,
    /// The queue of the link drains.
    Under,
}

#[derive(Clone, Debug)]
pub(super) struct Detector {
    /// Arrival time and smoothed accumulated delay of the last deltas, ms.
    points: [(f64, f64); WINDOW],
    deltas: usize,
    arrival_ms: f64,
    accumulated_ms: f64,
    smoothed_ms: f64,
    threshold_ms: f64,
    moved_at_us: Option<u64>,
    over_ms: Option<f64>,
    over_count: u32,
    slope: f64,
    usage: Usage,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            deltas: 0,
            arrival_ms: 0.0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            threshold_ms: THRESHOLD_START_MS,
            moved_at_us: None,
            over_ms: None,
            over_count: 0,
            slope: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl Detector {
    /// Starts measuring afresh but keeps what it learnt about the path's jitter.
    pub fn forget(&mut self) {
        *self = Self { threshold_ms: self.threshold_ms, ..Self::default() };
    }

    /// Called once per group.
    pub fn update(&mut self, now_us: u64, delta: &Delta) -> Usage {
        let (send_ms, arrival_ms) = (delta.send_us as f64 / 1e3, delta.arrival_us as f64 / 1e3);
        self.arrival_ms += arrival_ms;
        self.accumulated_ms += arrival_ms - send_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        self.points[self.deltas % WINDOW] = (self.arrival_ms, self.smoothed_ms);
        self.deltas += 1;
        let slope = if self.deltas >= WINDOW { self.fit().unwrap_or(self.slope) } else { 0.0 };
        self.detect(now_us, slope, send_ms);
        self.usage
    }

    /// Least squares over the window.
    fn fit(&self) -> Option<f64> {
        let n = WINDOW as f64;
        let (sum_x, sum_y) = self.points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let (over, under) = self.points.iter().fold((0.0, 0.0), |(over, under), (x, y)| {
            (over + (x - mean_x) * (y - mean_y), under + (x - mean_x) * (x - mean_x))
        });
        (under > 0.0).then(|| over / under)
    }

    fn detect(&mut self, now_us: u64, slope: f64, send_ms: f64) {
        let offset_ms = self.deltas.min(DELTAS_MAX) as f64 * slope * GAIN;
        if offset_ms > self.threshold_ms {
            let over_ms = self.over_ms.map_or(send_ms / 2.0, |t| t + send_ms);
            self.over_ms = Some(over_ms);
            self.over_count += 1;
            if over_ms > OVERUSE_MS && self.over_count > 1 && slope >= self.slope {
                (self.over_ms, self.over_count) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_count) = (None, 0);
            self.usage = if offset_ms < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.slope = slope;
        self.move_threshold(now_us, offset_ms.abs());
    }

    fn move_threshold(&mut self, now_us: u64, offset_ms: f64) {
        let since_us = now_us.saturating_sub(self.moved_at_us.replace(now_us).unwrap_or(now_us));
        if offset_ms > self.threshold_ms + OUTLIER_MS {
            return;
        }
        let k = if offset_ms < self.threshold_ms { K_DOWN } else { K_UP };
        let step = k * (offset_ms - self.threshold_ms) * (since_us as f64 / 1e3).min(100.0);
        self.threshold_ms = (self.threshold_ms + step).clamp(THRESHOLD_MIN_MS, THRESHOLD_MAX_MS);
    }
}
