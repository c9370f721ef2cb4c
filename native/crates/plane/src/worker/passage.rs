//! How long packets take through a worker: from the batch in which they were received until all who get them at once have
//! been sent them. A repair, and what waits for the pacer, is not in it.

use crate::packet::PacketRef;

/// Where one class of times ends and the next one begins.
pub const BOUNDS_US: [u64; 10] = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
/// Batches between two calls of `settle`; more are not counted. One turn of a thread has a handful.
const MOST: usize = 64;

/// Totals since the worker began.
#[derive(Default)]
pub struct Passages {
    /// When batches came that are being sent, and how many packets each had.
    under_way: Vec<(u64, u64)>,
    /// By class; the last one has no end.
    pub counts: [u64; BOUNDS_US.len() + 1],
    pub total_us: u64,
}

impl Passages {
    /// These packets are on their way out. Called once per burst of a source, however many get it.
    #[inline]
    pub fn sent(&mut self, packets: &[PacketRef]) {
        for p in packets {
            let room = self.under_way.len() < MOST;
            match self.under_way.last_mut() {
                Some((arrival_us, n)) if *arrival_us == p.arrival_us => *n += 1,
                _ if room => self.under_way.push((p.arrival_us, 1)),
                _ => {}
            }
        }
    }

    /// Whether there is anything to settle.
    #[inline]
    pub fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// All of that has left by `now_us`. Called by the driver after each flush, since it alone has a clock.
    pub fn settle(&mut self, now_us: u64) {
        for (arrival_us, n) in self.under_way.drain(..) {
            let took_us = now_us.saturating_sub(arrival_us);
            self.counts[BOUNDS_US.partition_point(|bound| *bound < took_us)] += n;
            self.total_us += took_us * n;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::layers::Layer;
    use crate::packet::Packet;

    fn came(at: &[u64]) -> Vec<PacketRef> {
        let packet = |arrival_us: &u64| {
            Arc::new(Packet {
                seq: 1,
                ts: 0,
                marker: false,
                frame: 1,
                arrival_us: *arrival_us,
                carried: Default::default(),
                layer: Layer::default(),
                payload: [][..].into(),
            })
        };
        at.iter().map(packet).collect()
    }

    #[test]
    fn a_packet_is_in_the_class_of_what_it_took() {
        let mut passages = Passages::default();
        passages.sent(&came(&[0, 900, 900, 950]));
        assert!(passages.is_under_way());
        passages.settle(1_000);
        assert!(!passages.is_under_way());
        assert_eq!((passages.counts[0], passages.counts[1], passages.counts[4]), (1, 2, 1));
        assert_eq!(passages.total_us, 1_000 + 2 * 100 + 50);
    }

    #[test]
    fn what_takes_long_is_in_the_last_class() {
        let mut passages = Passages::default();
        passages.sent(&came(&[0]));
        passages.settle(1_000_000);
        assert_eq!(passages.counts[BOUNDS_US.len()], 1);
    }

    #[test]
    fn without_a_clock_it_does_not_grow() {
        let mut passages = Passages::default();
        passages.sent(&came(&(0..1_000).collect::<Vec<u64>>()));
        assert_eq!(passages.under_way.len(), MOST);
    }
}
