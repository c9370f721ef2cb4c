//! What a worker tells of itself.

use super::Worker;
use crate::egress::Egress;
use crate::events::{Event, WorkerStats};

impl Worker {
    /// Called by the driver once a second, since it alone knows the load.
    pub fn report(&mut self, out: &Egress) {
        for (reason, times) in self.sources.take_dropped() {
            self.counters.add_many(reason, times);
        }
        let lag = std::mem::take(&mut self.loop_lag_us);
        self.shared.events.push(Event::WorkerStats(WorkerStats {
            worker: self.index,
            busy: (self.busy * 1000.0).round() / 1000.0,
            loop_lag_ms: lag as f64 / 1000.0,
            packets_in: self.packets_in,
            packets_out: out.packets,
            bytes_in: self.bytes_in,
            bytes_out: out.bytes,
            sessions: self.sessions.len(),
            half_open: self.sessions.half_open(),
            tcp_connections: self.tcp.len(),
            sources: self.sources.len().0,
            nacks_sent: self.asked.nacks_sent,
            keyframe_requests_in: self.asked.keyframes_in,
            keyframe_requests_out: self.asked.keyframes_out,
            passages: self.passages.counts.to_vec(),
            passage_us: self.passages.total_us,
            messages_raw: out.tally.raw,
            messages_by_socket: out.tally.socket,
            fallbacks: out.tally.fallbacks().filter(|(_, n)| *n > 0).map(|(why, n)| (why.name(), n)).collect(),
            counters: self.counters.0.clone(),
        }));
    }
}
