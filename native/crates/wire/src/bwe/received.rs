//! The rate at which bytes arrived over the last half second.

const SLOT_US: u64 = 25_000;
const SLOTS: usize = 20;
/// Less than this says nothing about a rate.
const ENOUGH_US: u64 = 100_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    first_us: Option<u64>,
    /// The number of the newest slot. Slots are counted from time zero.
    newest: u64,
    bytes: [u64; SLOTS],
}

impl Received {
    pub fn add(&mut self, now_us: u64, bytes: usize) {
        if self.first_us.is_none() {
            self.first_us = Some(now_us);
            self.newest = now_us / SLOT_US;
        }
        self.turn(now_us);
        self.bytes[self.newest as usize % SLOTS] += bytes as u64;
    }

    /// Bit/s; `None` until enough time has passed to tell.
    pub fn bps(&mut self, now_us: u64) -> Option<f64> {
        let elapsed_us = now_us.saturating_sub(self.first_us?);
        self.turn(now_us);
        // The newest slot is not over yet.
        let window_us = (SLOTS as u64 - 1) * SLOT_US + now_us % SLOT_US;
        let span_us = elapsed_us.min(window_us);
        let bits = 8 * self.bytes.iter().sum::<u64>();
        (span_us >= ENOUGH_US).then(|| bits as f64 * 1e6 / span_us as f64)
    }

    /// Empties the slots that have passed.
    fn turn(&mut self, now_us: u64) {
        let slot = now_us / SLOT_US;
        for passed in 1..=slot.saturating_sub(self.newest).min(SLOTS as u64) {
            self.bytes[(self.newest + passed) as usize % SLOTS] = 0;
        }
        self.newest = self.newest.max(slot);
    }
}
