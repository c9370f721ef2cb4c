//! What was repaired lately, so that a receiver which asks again and again is not answered each time.

/// Packets that are remembered, and the least time between two repairs of the same.
const REPAIRS: usize = 64;
const REPAIR_AGAIN_MS: u64 = 20;
const REPAIR_AGAIN_MOST_MS: u64 = 1_000;

/// (Sequence number, when in ms) by the lower bits of the sequence number; 0 ms: nothing yet.
pub struct RepairLog([(u16, u32); REPAIRS]);

impl Default for RepairLog {
    fn default() -> Self {
        RepairLog([(0, 0); REPAIRS])
    }
}

impl RepairLog {
    /// Whether a packet may be repaired now; notes that it was. Not while the last repair may be under way, for a round
    /// trip: on a full link the answers would fill it for good. Once per packet asked for.
    pub fn may_repair(&mut self, seq: u16, now_us: u64, rtt_us: u64) -> bool {
        let entry = &mut self.0[usize::from(seq) % REPAIRS];
        let now_ms = (now_us / 1000) as u32;
        let wait_ms = (rtt_us / 1000).clamp(REPAIR_AGAIN_MS, REPAIR_AGAIN_MOST_MS) as u32;
        if entry.1 != 0 && entry.0 == seq && now_ms.wrapping_sub(entry.1) < wait_ms {
            return false;
        }
        *entry = (seq, now_ms.max(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    #[test]
    fn a_packet_is_repaired_again_after_a_round_trip() {
        for (rtt_us, wait_ms) in [(0, 20), (300_000, 300), (9_000_000, 1_000)] {
            let mut log = RepairLog::default();
            assert!(log.may_repair(7, NOW, rtt_us));
            assert!(!log.may_repair(7, NOW + (wait_ms - 1) * 1_000, rtt_us));
            assert!(log.may_repair(7, NOW + wait_ms * 1_000, rtt_us), "a round trip of {rtt_us} µs");
        }
    }

    #[test]
    fn packets_do_not_stand_in_each_others_way() {
        let mut log = RepairLog::default();
        assert!(log.may_repair(0, NOW, 0));
        assert!(!log.may_repair(0, NOW, 0));
        assert!(log.may_repair(1, NOW, 0));
        assert!(log.may_repair(REPAIRS as u16, NOW, 0), "the same place, another packet");
        assert!(log.may_repair(0, NOW, 0), "which has pushed the first one out");
    }
}
