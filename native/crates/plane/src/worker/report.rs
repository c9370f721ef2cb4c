//! What a worker tells of itself.

use super::Worker;
use crate::events::{Event, WorkerStats};

impl Worker {
    /// Called by the driver once a second, since it alone knows the load.
    pub fn report(&mut self, packets_out: u64, bytes_out: u64) {
        for (reason, times) in self.sources.take_dropped() {
            self.counters.add_many(reason, times);
        }
        let lag = std::mem::take(&mut self.loop_lag_us);
        self.shared.events.push(Event::WorkerStats(WorkerStats {
            worker: self.index,
            busy: (self.busy * 1000.0).round() / 1000.0,
            loop_lag_ms: lag as f64 / 1000.0,
            packets_in: self.packets_in,
            packets_out,
            bytes_in: self.bytes_in,
            bytes_out,
            sessions: self.sessions.len(),
            half_open: self.sessions.half_open(),
            tcp_connections: self.tcp.len(),
            sources: self.sources.len().0,
            nacks_sent: self.asked.nacks_sent,
            keyframe_requests_in: self.asked.keyframes_in,
            keyframe_requests_out: self.asked.keyframes_out,
            passages: self.passages.counts.to_vec(),
            passage_us: self.passages.total_us,
            counters: self.counters.0.clone(),
        }));
    }
}
