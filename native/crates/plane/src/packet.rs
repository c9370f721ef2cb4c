//! One RTP packet inside the plane: clear, immutable, shared by every ring, viewer and relay that needs it.

use std::sync::Arc;

use crate::layers::Layer;

/// Header extension values that travel from the publisher to the viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// RFC 6464 byte: V flag and level.
    pub audio_level: Option<u8>,
    /// 3GPP TS 26.114 CVO byte.
    pub video_orientation: Option<u8>,
    /// AV1 RTP dependency descriptor, verbatim.
    pub dependency_descriptor: Option<Box<[u8]>>,
}

/// Made once when it arrives and never changed.
#[derive(Debug)]
pub struct Packet {
    /// Position in the source's own unbroken sequence space.
    pub seq: u64,
    /// RTP timestamp on the source's own unbroken timeline.
    pub ts: u32,
    pub marker: bool,
    /// Counts distinct timestamps.
    pub frame: u64,
    pub arrival_us: u64,
    pub carried: Carried,
    pub layer: Layer,
    pub payload: Box<[u8]>,
}

impl Packet {
    /// Tells the payload from others (FNV-1a, 64 bits). Every plane that has the packet comes to the same.
    pub fn digest(&self) -> u64 {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        self.payload.iter().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

pub type PacketRef = Arc<Packet>;

/// RTP clock ticks in `us` microseconds.
pub fn ticks(us: u64, clock_rate: u32) -> u32 {
    (us as u128 * clock_rate as u128 / 1_000_000) as u32
}

/// abs-send-time: 24 bits of 6.18 fixed point seconds of NTP time.
pub fn abs_send_time(ntp: u64) -> [u8; 3] {
    let t = (ntp >> 14) as u32;
    [(t >> 16) as u8, (t >> 8) as u8, t as u8]
}

/// A source's RTP clock against NTP, as in a sender report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub ntp: u64,
    pub rtp: u32,
    pub at_us: u64,
}

impl Clock {
    /// NTP and RTP time of the source at `now_us`.
    pub fn at(&self, now_us: u64, clock_rate: u32) -> (u64, u32) {
        let elapsed = now_us.saturating_sub(self.at_us);
        let ntp = self.ntp.wrapping_add(((elapsed as u128) << 32).wrapping_div(1_000_000) as u64);
        (ntp, self.rtp.wrapping_add(ticks(elapsed, clock_rate)))
    }

    /// The NTP time of what has this RTP time.
    pub fn ntp_of(&self, rtp: u32, clock_rate: u32) -> u64 {
        let ticks = i128::from(rtp.wrapping_sub(self.rtp) as i32);
        self.ntp.wrapping_add(((ticks << 32) / i128::from(clock_rate.max(1))) as u64)
    }

    /// Returns the same clock, later by so many µs.
    pub fn later(self, us: i64) -> Clock {
        if us == 0 {
            return self;
        }
        Clock { ntp: self.ntp.wrapping_add(((i128::from(us) << 32) / 1_000_000) as u64), ..self }
    }

    /// How much later than by another clock it is, in µs, when the track is where it is at `now_us`.
    pub fn ahead_of(&self, other: &Clock, now_us: u64, clock_rate: u32) -> i64 {
        let (ntp, rtp) = self.at(now_us, clock_rate);
        let ahead = ntp.wrapping_sub(other.ntp_of(rtp, clock_rate)) as i64;
        ((i128::from(ahead) * 1_000_000) >> 32) as i64
    }

    /// RTP time of this source at the NTP time `ntp`.
    pub fn rtp_at_ntp(&self, ntp: u64, clock_rate: u32) -> u32 {
        let delta = ntp.wrapping_sub(self.ntp) as i64;
        let ticks = (delta as i128 * clock_rate as i128) >> 32;
        self.rtp.wrapping_add(ticks as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_the_digest_that_is_published_for_their_payload() {
        let of = |payload: &[u8]| {
            let (carried, layer) = (Carried::default(), Layer::default());
            Packet { seq: 1, ts: 2, marker: false, frame: 3, arrival_us: 4, carried, layer, payload: payload.into() }
                .digest()
        };
        assert_eq!(
            [of(b""), of(b"a"), of(b"foobar")],
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
    }

    #[test]
    fn a_clock_runs_on() {
        let c = Clock { ntp: 5 << 32, rtp: 1000, at_us: 10 };
        assert_eq!(c.at(1_000_010, 90_000), (6 << 32, 91_000));
        assert_eq!(c.rtp_at_ntp(4 << 32, 90_000), 1000u32.wrapping_sub(90_000));
        assert_eq!(c.ntp_of(1000u32.wrapping_sub(90_000), 90_000), 4 << 32);
        assert_eq!(c.ntp_of(7, 0), c.ntp.wrapping_add((-993i64 as u64) << 32));
    }

    #[test]
    fn clocks_of_one_track_are_compared_wherever_their_times_begin() {
        let c = Clock { ntp: 5 << 32, rtp: u32::MAX - 10, at_us: 10 };
        let same = Clock { ntp: 8 << 32, rtp: c.rtp.wrapping_add(3 * 8_000), at_us: 99 };
        for (us, other) in [(0, c), (1_500_000, c), (-1_500_000, same)] {
            let ahead = c.later(us).ahead_of(&other, 7_000_000, 8_000);
            assert!((ahead - us).abs() <= 125, "{ahead} and {us}");
        }
        let (first, last) = (Clock { ntp: 0, ..c }, Clock { ntp: u64::MAX, ..c });
        assert!((-1..=0).contains(&last.ahead_of(&first, 10, 8_000)), "times wrap around");
    }

    #[test]
    fn abs_send_time_wraps_at_64_seconds() {
        assert_eq!(abs_send_time(1 << 32), [0x04, 0, 0]);
        assert_eq!(abs_send_time(64 << 32), [0, 0, 0]);
        assert_eq!(abs_send_time((64 << 32) + (1 << 14)), [0, 0, 1]);
    }
}
