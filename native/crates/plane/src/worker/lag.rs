//! How far behind a viewer is: its reports name the newest packet it has, and the ring knows when that one came.

use rillcast_wire::rtcp;

use super::Worker;

impl Worker {
    /// Age of the newest packet that a report speaks of: the round trip and what waits in queues on the way, plus at most
    /// the time between two packets. None for packets that were not sent as they came. Once per report.
    pub(super) fn lag_us(&self, now_us: u64, slot: usize, report: &rtcp::Report) -> Option<u64> {
        let track = self.sessions[slot].send.iter().find(|t| t.config.ssrc == report.ssrc)?;
        let (munger, sequence) = track.lookup(report.highest_seq as u16)?;
        let packet = munger.find(&self.sources.get(munger.source)?.ring, sequence)?;
        (munger.is_live(packet) && track.pace.is_none()).then(|| now_us.saturating_sub(packet.arrival_us))
    }
}
