//! What a receiver reports about one media SSRC (RFC 3550 §6.4.1, Appendix A.3 and A.8). Repairs on the RTX stream are
//! not part of it (RFC 4588 §4).

use rillcast_wire::rtcp::Report;
use rillcast_wire::rtp::SeqUnwrapper;

#[derive(Default)]
pub struct Reception {
    unwrapper: SeqUnwrapper,
    first: Option<u64>,
    received: u64,
    /// Expected and received at the last report.
    before: (u64, u64),
    jitter: f64,
    transit: Option<i64>,
    /// Middle bits of the last sender report's NTP time, and when it came.
    sender_report: Option<(u32, u64)>,
}

impl Reception {
    /// The packet's 64-bit sequence number. Once per packet, in the order of arrival.
    pub fn on_packet(&mut self, now_us: u64, seq: u16, ts: u32, clock_rate: u32) -> u64 {
        let seq = self.unwrapper.unwrap(seq);
        self.first = Some(self.first.map_or(seq, |f| f.min(seq)));
        self.received += 1;
        let arrival = (u128::from(now_us) * u128::from(clock_rate) / 1_000_000) as i64;
        let transit = i64::from(ts) - arrival;
        if let Some(before) = self.transit.replace(transit) {
            // Wrapping: the timestamp has 32 bits.
            let change = f64::from((transit - before) as i32).abs();
            self.jitter += (change - self.jitter) / 16.0;
        }
        seq
    }

    /// Extends the 16-bit sequence number of a repaired packet to 64 bits.
    pub fn sequence(&self, seq: u16) -> u64 {
        self.unwrapper.peek(seq)
    }

    pub fn highest(&self) -> Option<u64> {
        self.unwrapper.highest()
    }

    pub fn on_sender_report(&mut self, now_us: u64, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, now_us));
    }

    pub fn received(&self) -> u64 {
        self.received
    }

    fn expected(&self) -> u64 {
        self.first.zip(self.highest()).map_or(0, |(first, highest)| highest + 1 - first)
    }

    /// Never came, repairs not counted.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The report block since the last one; None before the first packet.
    pub fn report(&mut self, now_us: u64, ssrc: u32) -> Option<Report> {
        let highest = self.highest()?;
        let now = (self.expected(), self.received);
        let (expected, received) = (now.0 - self.before.0, now.1 - self.before.1);
        self.before = now;
        let fraction_lost = (expected.saturating_sub(received) * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
        let (last_sr, delay_last_sr) = self.sender_report.map_or((0, 0), |(middle, at)| {
            (middle, (u128::from(now_us.saturating_sub(at)) * 65_536 / 1_000_000) as u32)
        });
        Some(Report {
            ssrc,
            fraction_lost,
            cumulative_lost: (now.0 as i64 - now.1 as i64) as i32,
            // The first number is 65536 + seq, see `SeqUnwrapper`; reports begin without a wrap.
            highest_seq: (highest - 65_536) as u32,
            jitter: self.jitter as u32,
            last_sr,
            delay_last_sr,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_what_was_lost_since_the_last_one_and_over_all() {
        let mut r = Reception::default();
        assert!(r.report(0, 7).is_none());
        for i in (0..100u16).filter(|i| i % 4 != 3) {
            r.on_packet(u64::from(i) * 20_000, 65_500u16.wrapping_add(i), u32::from(i) * 960, 48_000);
        }
        r.on_sender_report(1_000_000, 0x1122_3344_5566_7788);
        let first = r.report(1_500_000, 7).unwrap();
        assert_eq!((first.ssrc, first.fraction_lost, first.cumulative_lost), (7, 62, 24));
        assert_eq!((first.highest_seq, first.jitter), (65_536 + 62, 0));
        assert_eq!((first.last_sr, first.delay_last_sr), (0x3344_5566, 32_768));
        r.on_packet(2_000_000, 64, 100 * 960, 48_000);
        r.on_packet(2_000_000, 65, 101 * 960, 48_000);
        let second = r.report(2_000_000, 7).unwrap();
        assert_eq!((second.fraction_lost, second.cumulative_lost), (85, 25), "63 is missing as well");
    }

    #[test]
    fn jitter_grows_with_uneven_arrival() {
        let mut r = Reception::default();
        for i in 0..400u32 {
            r.on_packet(u64::from(i) * 20_000 + u64::from(i % 2) * 10_000, i as u16, i * 960, 48_000);
        }
        let jitter = r.report(0, 1).unwrap().jitter;
        assert!((440..=480).contains(&jitter), "{jitter}, 10 ms are 480");
    }
}
