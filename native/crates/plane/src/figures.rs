//! What a source is measured by.

use crate::layers::ALL;
use crate::packet::ticks;

/// Since the source began, except where said.
#[derive(Default)]
pub struct Stats {
    pub packets: u64,
    pub bytes: u64,
    pub keyframes: u64,
    pub keyframe_ts: Option<u32>,
    pub resolution: (u16, u16),
    pub before: (u64, u64, u64),
    pub received_in_interval: (u64, u64),
    /// By temporal layer, since the last figures.
    pub layer_bytes: [u64; 1 + ALL as usize],
}

/// Bit rate, second by second.
#[derive(Default)]
pub struct Rate {
    pub bps: u64,
    pub bytes: u64,
    pub since_us: u64,
}

impl Rate {
    /// Counts one packet. Call it once per packet, with the length of its payload.
    pub fn count(&mut self, now_us: u64, bytes: usize) {
        let elapsed = now_us.saturating_sub(self.since_us);
        if elapsed >= 1_000_000 {
            self.bps = if self.since_us > 0 { self.bytes * 8_000_000 / elapsed } else { 0 };
            (self.bytes, self.since_us) = (0, now_us.max(1));
        }
        self.bytes += bytes as u64 + 12;
    }
}

/// Interarrival jitter in RTP ticks (RFC 3550 §6.4.1).
#[derive(Default)]
pub struct Jitter {
    pub transit: Option<i64>,
    pub value: f64,
}

impl Stats {
    /// Bit rates with temporal layers up to each, over `seconds` since the last call. Empty for a source of one layer.
    pub fn take_layers(&mut self, seconds: f64) -> Vec<u64> {
        let bytes = std::mem::take(&mut self.layer_bytes);
        let highest = bytes.iter().rposition(|b| *b > 0).unwrap_or(0);
        let mut sum = 0;
        let sums = bytes[..=highest].iter().map(|b| {
            sum += b;
            (sum as f64 * 8.0 / seconds) as u64
        });
        if highest == 0 {
            vec![]
        } else {
            sums.collect()
        }
    }
}

impl Jitter {
    /// Once per packet, with its arrival and RTP timestamp.
    pub fn on_packet(&mut self, now_us: u64, ts: u32, clock_rate: u32) {
        let transit = ticks(now_us, clock_rate).wrapping_sub(ts) as i32 as i64;
        if let Some(before) = self.transit.replace(transit) {
            let d = (transit - before).abs() as f64;
            if d < clock_rate as f64 {
                self.value += (d - self.value) / 16.0;
            }
        }
    }
}
