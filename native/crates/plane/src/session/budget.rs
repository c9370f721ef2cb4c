//! What one peer may have us do in a second. It is charged before anything is looked up, so that a flood costs little more
//! than reading it.

use rillcast_wire::rtcp;

/// Checks answered per second: an agent with many candidates sends some dozens in its first second.
const CHECKS: u32 = 200;
/// RTCP packets, report blocks and packets asked for again, together. A receiver on a bad link asks for some hundreds.
const REQUESTS: u32 = 3_000;
/// Repairs per second; beyond it, a keyframe costs less.
pub const REPAIRS: u32 = 600;

/// What is left of a second.
pub struct Budget {
    checks: u32,
    requests: u32,
    repairs: u32,
}

impl Budget {
    /// A whole second. `remb_bps`: what the receiver says it can take; 0 = it says nothing.
    pub fn of_a_second(remb_bps: u64) -> Self {
        Budget { checks: CHECKS, requests: REQUESTS, repairs: repairs(remb_bps) }
    }

    /// Once per check, before its HMAC.
    pub fn take_check(&mut self) -> bool {
        take(&mut self.checks, 1)
    }

    /// Once per packet of a compound, before it is acted on; it is charged with everything in it.
    pub fn take_report(&mut self, packet: &rtcp::Packet<'_>) -> bool {
        take(&mut self.requests, 1 + items(packet))
    }

    /// Takes one repair out of the budget, if it has one. Call it once per repair.
    pub fn take_repair(&mut self) -> bool {
        take(&mut self.repairs, 1)
    }
}

/// What a packet has us look up.
pub fn items(packet: &rtcp::Packet<'_>) -> u32 {
    let n = match packet {
        rtcp::Packet::Sr { reports, .. } | rtcp::Packet::Rr { reports, .. } => reports.clone().count(),
        rtcp::Packet::Nack { seqs, .. } => seqs.total(),
        rtcp::Packet::Fir { media, .. } => media.clone().count(),
        _ => 0,
    };
    n as u32
}

/// Takes all of `n` or nothing.
pub fn take(left: &mut u32, n: u32) -> bool {
    let rest = left.checked_sub(n);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

/// Repairs may take half of what a receiver says it can take.
fn repairs(remb_bps: u64) -> u32 {
    let half = (remb_bps / 2 / 9_600) as u32;
    if remb_bps == 0 {
        REPAIRS
    } else {
        half.clamp(30, REPAIRS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_can_take_little_is_sent_few_repairs() {
        for (remb_bps, most) in [(0, REPAIRS), (700_000, 36), (50_000, 30), (1_000_000_000, REPAIRS)] {
            let mut budget = Budget::of_a_second(remb_bps);
            assert_eq!((0..2 * REPAIRS).filter(|_| budget.take_repair()).count(), most as usize, "{remb_bps} bit/s");
        }
    }

    #[test]
    fn a_packet_is_charged_with_all_that_it_asks_for() {
        let mut nack = vec![];
        rtcp::write_nack(&mut nack, 9, 5, &(0..REQUESTS as u16 - 1).collect::<Vec<_>>());
        let packet = || rtcp::packets(&nack).next().unwrap().unwrap();
        let mut budget = Budget::of_a_second(0);
        assert!(budget.take_report(&packet()));
        assert!(!budget.take_report(&packet()));
        assert!(!budget.take_report(&rtcp::Packet::Sdes), "the second is used up");
        assert!(budget.take_check(), "by reports alone");
    }
}
