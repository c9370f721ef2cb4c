//! The figures: counts, and histograms with a fixed number of buckets (2 % wide).

use serde::Serialize;

/// Logarithmic histogram of microseconds.
#[derive(Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

const GROWTH: f64 = 1.02;
const BUCKETS: usize = 1_000;

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, us: u64) {
        let i = (us.max(1) as f64).log(GROWTH) as usize;
        self.buckets[i.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.max = self.max.max(us);
    }

    fn quantile(&self, q: f64) -> u64 {
        let rank = (self.count as f64 * q).ceil() as u64;
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank && *n > 0 {
                return (GROWTH.powi(i as i32 + 1) as u64).min(self.max);
            }
        }
        self.max
    }

    pub fn summary(&self) -> Summary {
        Summary {
            count: self.count,
            p50_us: self.quantile(0.5),
            p95_us: self.quantile(0.95),
            p99_us: self.quantile(0.99),
            max_us: self.max,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub count: u64,
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

/// A thing that happened to one peer.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    pub id: u64,
    pub what: &'static str,
    pub at_us: u64,
    pub detail: String,
}

/// Everything since the start or the last `Reset`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub at_us: u64,
    pub since_us: u64,
    pub peers: usize,
    pub connected: usize,
    pub receiving: usize,
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub repaired: u64,
    pub decrypted: u64,
    pub bad_decrypts: u64,
    pub longest_gap_us: u64,
    pub latency: Summary,
    /// The first and the last copy, over all viewers, of each burst of a stamping publisher.
    pub first_copy: Summary,
    pub last_copy: Summary,
    pub sent_packets: u64,
    pub sent_bytes: u64,
    pub late_frames: u64,
    /// CPU time of this thread and wall time in the same span: a saturated generator measures itself.
    pub cpu_us: u64,
    pub wall_us: u64,
    /// The longest time between two turns of the loop.
    pub longest_turn_us: u64,
    /// Datagrams the kernel dropped because this process read too slowly.
    pub socket_drops: u64,
    /// Seconds of viewers behind links that nobody fetched in time.
    pub seconds_dropped: u64,
    /// Since the last call.
    pub seconds: Vec<Second>,
}

/// One second of one viewer behind a link.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Second {
    pub id: u64,
    /// When it ended, and how long it was.
    pub at_us: u64,
    pub span_us: u64,
    /// The link's rate in its middle, 0 = no limit.
    pub limit_bps: u64,
    /// What came through the link, IP and UDP headers included.
    pub bytes: u64,
    /// Of that, packets that were there already.
    pub padding_bytes: u64,
    pub queue_drops: u64,
    pub random_losses: u64,
    /// The height of the picture at the end; 0 before the first one.
    pub height: u16,
    pub pictures: u64,
    pub switches: u64,
    pub freezes: u64,
    pub frozen_us: u64,
    /// How long the picture has been frozen at the end of it; not yet in `frozen_us`.
    pub standing_us: u64,
    /// Video packets that came, also by repair, and those that never came in time.
    pub video: u64,
    pub video_lost: u64,
    pub audio: u64,
    pub audio_lost: u64,
    pub nacked: u64,
    pub repaired: u64,
    pub duplicates: u64,
    pub plis: u64,
    /// The last estimate told.
    pub remb_bps: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_their_bucket() {
        let mut h = Histogram::default();
        (1..=1000).for_each(|i| h.add(i * 10));
        let s = h.summary();
        assert!((4_900..5_200).contains(&s.p50_us), "{s:?}");
        assert!((9_800..=10_000).contains(&s.p99_us), "{s:?}");
        assert_eq!(s.max_us, 10_000);
    }
}
