//! A viewer's last mile in virtual time: a rate that changes at given moments, a queue that drops what it has no room
//! for, delay and random loss. What arrives does so when it would leave that queue.

use std::collections::VecDeque;

use serde::Deserialize;

/// IPv4 and UDP headers: they take their part of the rate.
pub const OVERHEAD: usize = 28;
/// Datagrams under way; more are dropped whatever the queue's length in time is.
const MOST_WAITING: usize = 20_000;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct LinkConfig {
    /// (milliseconds after the figures began, bit/s from then on), the first at 0; a rate of 0 has no limit.
    pub rates: Vec<(u64, u64)>,
    /// The delay of a packet, each way.
    pub delay_us: u64,
    /// How long a datagram waits for the rate at most.
    pub queue_us: u64,
    /// Share of datagrams lost on the way, 0–1.
    pub loss: f64,
    /// Packets that arrived long ago and are asked for again all the same, per second.
    #[serde(default)]
    pub storm_per_s: u32,
}

/// The way from the edge down to the viewers.
pub struct Link {
    config: LinkConfig,
    /// When the rates' clock began; before, the first one holds.
    begun_us: Option<u64>,
    free_us: u64,
    waiting: VecDeque<(u64, Box<[u8]>)>,
    /// Datagrams the queue had no room for, and those lost at random.
    pub dropped: u64,
    pub lost: u64,
}

impl Link {
    pub fn new(config: LinkConfig) -> Self {
        Link { config, begun_us: None, free_us: 0, waiting: VecDeque::new(), dropped: 0, lost: 0 }
    }

    /// The rates' clock begins (anew).
    pub fn begin(&mut self, now_us: u64) {
        self.begun_us = Some(now_us);
    }

    /// The rate at this moment; 0 stands for no limit.
    pub fn rate_bps(&self, now_us: u64) -> u64 {
        let elapsed_ms = self.begun_us.map_or(0, |b| now_us.saturating_sub(b) / 1000);
        self.config.rates.iter().rev().find(|(from_ms, _)| *from_ms <= elapsed_ms).map_or(0, |(_, rate)| *rate)
    }

    /// A datagram is at the link's far end.
    pub fn take(&mut self, now_us: u64, data: &[u8]) {
        if self.config.loss > 0.0 && fastrand::f64() < self.config.loss {
            self.lost += 1;
            return;
        }
        let rate = self.rate_bps(now_us);
        let begins = if rate > 0 { now_us.max(self.free_us) } else { now_us };
        if begins - now_us > self.config.queue_us || self.waiting.len() >= MOST_WAITING {
            self.dropped += 1;
            return;
        }
        let mut leaves = begins;
        if rate > 0 {
            leaves += ((data.len() + OVERHEAD) as u64 * 8_000_000).div_ceil(rate);
            self.free_us = leaves;
        }
        // A link that lost its limit must not let newer datagrams overtake.
        let arrives = (leaves + self.config.delay_us).max(self.waiting.back().map_or(0, |w| w.0));
        self.waiting.push_back((arrives, data.into()));
    }

    /// The next datagram that has arrived by now, and when it did.
    pub fn due(&mut self, now_us: u64) -> Option<(u64, Box<[u8]>)> {
        self.waiting.pop_front_if(|w| w.0 <= now_us)
    }
}

/// The way up: nothing but delay.
#[derive(Default)]
pub struct Delay {
    delay_us: u64,
    waiting: VecDeque<(u64, Vec<u8>)>,
}

impl Delay {
    pub fn new(delay_us: u64) -> Self {
        Delay { delay_us, waiting: VecDeque::new() }
    }

    /// Whether `data` was taken: then it comes out of `due` in its time. Without delay it isn't.
    pub fn take(&mut self, now_us: u64, data: &[u8]) -> bool {
        let held = self.delay_us > 0 && self.waiting.len() < MOST_WAITING;
        if held {
            self.waiting.push_back((now_us + self.delay_us, data.to_vec()));
        }
        held
    }

    pub fn due(&mut self, now_us: u64) -> Option<Vec<u8>> {
        self.waiting.pop_front_if(|w| w.0 <= now_us).map(|w| w.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1_250 - OVERHEAD;

    fn link(rates: &[(u64, u64)], delay_us: u64, queue_us: u64, loss: f64) -> Link {
        Link::new(LinkConfig { rates: rates.to_vec(), delay_us, queue_us, loss, storm_per_s: 0 })
    }

    fn arrivals(l: &mut Link, until_us: u64) -> Vec<u64> {
        std::iter::from_fn(|| l.due(until_us)).map(|(at, _)| at).collect()
    }

    #[test]
    fn datagrams_arrive_one_after_the_other_at_the_rate_and_after_the_delay() {
        // 1 250 bytes at 1 Mbit/s take 10 ms.
        let mut l = link(&[(0, 1_000_000)], 20_000, 300_000, 0.0);
        for _ in 0..3 {
            l.take(1_000_000, &[0; PACKET]);
        }
        assert_eq!(arrivals(&mut l, 1_040_000), [1_030_000, 1_040_000]);
        l.take(1_100_000, &[0; PACKET]);
        assert_eq!(arrivals(&mut l, 2_000_000), [1_050_000, 1_130_000]);
    }

    #[test]
    fn what_would_wait_longer_than_the_queue_is_dropped() {
        let mut l = link(&[(0, 1_000_000)], 0, 300_000, 0.0);
        for _ in 0..100 {
            l.take(0, &[0; PACKET]);
        }
        assert_eq!((arrivals(&mut l, u64::MAX).len(), l.dropped), (31, 69));
    }

    #[test]
    fn the_rate_changes_at_its_moments_counted_from_the_beginning() {
        let mut l = link(&[(0, 3_000_000), (15_000, 700_000), (35_000, 3_000_000)], 0, 300_000, 0.0);
        assert_eq!(l.rate_bps(60_000_000), 3_000_000);
        l.begin(100_000_000);
        let rates = [100, 114, 115, 134, 136].map(|s| l.rate_bps(s * 1_000_000));
        assert_eq!(rates, [3_000_000, 3_000_000, 700_000, 700_000, 3_000_000]);
    }

    #[test]
    fn a_link_without_rate_only_delays_and_loses() {
        let mut l = link(&[(0, 0)], 5_000, 0, 0.25);
        fastrand::seed(1);
        for i in 0..10_000 {
            l.take(i, &[0; PACKET]);
        }
        let came = arrivals(&mut l, 1_000_000);
        assert!((2_300..2_700).contains(&l.lost), "{}", l.lost);
        assert_eq!((came.len() as u64, l.dropped), (10_000 - l.lost, 0));
        assert!(came.iter().all(|at| (5_000..15_000).contains(at)) && came.is_sorted());
    }

    #[test]
    fn the_way_up_holds_back_only_if_it_has_a_delay() {
        let mut up = Delay::new(20_000);
        assert!(up.take(0, &[1]) && up.take(5_000, &[2]));
        assert_eq!((up.due(19_999), up.due(20_000), up.due(20_000)), (None, Some(vec![1]), None));
        assert!(!Delay::default().take(0, &[1]));
    }
}
