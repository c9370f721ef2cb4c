//! What the path carried when it was congested: an average with its spread. Near it the estimate creeps, far from it it
//! climbs.

const WEIGHT: f64 = 0.05;
const SPREAD_MIN: f64 = 0.4;
const SPREAD_MAX: f64 = 2.5;

#[derive(Clone, Debug, Default)]
pub(super) struct Capacity {
    /// Average in kbit/s.
    mean: Option<f64>,
    /// Variance over mean.
    spread: f64,
}

impl Capacity {
    pub fn is_known(&self) -> bool {
        self.mean.is_some()
    }

    /// The queue grew while this much arrived.
    pub fn congested_at(&mut self, bps: f64) {
        let sample = bps / 1e3;
        if self.mean.is_some_and(|m| sample < m - self.deviation(m)) {
            self.mean = None;
        }
        match self.mean {
            None => (self.mean, self.spread) = (Some(sample), SPREAD_MIN),
            Some(m) => {
                let mean = m + WEIGHT * (sample - m);
                let error = mean - sample;
                let spread = self.spread + WEIGHT * (error * error / mean.max(1.0) - self.spread);
                (self.mean, self.spread) = (Some(mean), spread.clamp(SPREAD_MIN, SPREAD_MAX));
            }
        }
    }

    /// This much arrived without congestion: if it is far more than the average, that was another path.
    pub fn carried(&mut self, bps: f64) {
        if self.mean.is_some_and(|m| bps / 1e3 > m + self.deviation(m)) {
            self.mean = None;
        }
    }

    /// Three standard deviations.
    fn deviation(&self, mean: f64) -> f64 {
        3.0 * (self.spread * mean).sqrt()
    }
}
