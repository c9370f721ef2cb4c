//! Groups packets by when they were sent and compares how far apart groups left and arrived (draft-ietf-rmcat-gcc-02 §5.2).

/// Packets sent within this time are one group.
const GROUP_US: i64 = 5_000;
/// Packets that arrive back to back although sent apart (a radio link's burst) join the group, up to this length.
const BURST_US: u64 = 100_000;

/// How two neighbouring groups lie apart.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Delta {
    pub send_us: i64,
    pub arrival_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_send_us: i64,
    last_send_us: i64,
    first_arrival_us: u64,
    last_arrival_us: u64,
}

/// The two groups at hand and the unwrapped send clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    newest_ticks: Option<i64>,
    current: Option<Group>,
    previous: Option<Group>,
}

impl Arrivals {
    /// Takes a packet; answers when it opens a new group and the two before it are complete.
    pub fn add(&mut self, now_us: u64, abs_send_time_24: u32) -> Option<Delta> {
        let send_us = self.unwrap(abs_send_time_24);
        let Some(group) = &mut self.current else {
            self.current = Some(Group::of(send_us, now_us));
            return None;
        };
        if send_us < group.first_send_us {
            return None;
        }
        if group.takes(send_us, now_us) {
            group.last_send_us = group.last_send_us.max(send_us);
            group.last_arrival_us = now_us;
            return None;
        }
        let complete = self.current.replace(Group::of(send_us, now_us))?;
        let before = self.previous.replace(complete)?;
        Some(Delta {
            send_us: complete.last_send_us - before.last_send_us,
            arrival_us: complete.last_arrival_us as i64 - before.last_arrival_us as i64,
        })
    }

    /// Microseconds on the sender's clock. The 24 bits wrap every 64 s: nearest to the newest.
    fn unwrap(&mut self, abs_send_time_24: u32) -> i64 {
        let newest = self.newest_ticks.unwrap_or(i64::from(abs_send_time_24 & 0xFF_FFFF));
        let step = (abs_send_time_24.wrapping_sub(newest as u32) << 8) as i32 >> 8;
        let ticks = newest + i64::from(step);
        self.newest_ticks = Some(newest.max(ticks));
        (ticks * 1_000_000) >> 18
    }
}

impl Group {
    fn of(send_us: i64, now_us: u64) -> Self {
        Self { first_send_us: send_us, last_send_us: send_us, first_arrival_us: now_us, last_arrival_us: now_us }
    }

    fn takes(&self, send_us: i64, now_us: u64) -> bool {
        if send_us - self.first_send_us <= GROUP_US {
            return true;
        }
        let arrival_gap = now_us.saturating_sub(self.last_arrival_us) as i64;
        let send_gap = send_us - self.last_send_us;
        arrival_gap <= GROUP_US && arrival_gap < send_gap && now_us.saturating_sub(self.first_arrival_us) < BURST_US
    }
}
