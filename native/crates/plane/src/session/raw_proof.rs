//! Whether a viewer's media may go past the socket (decision 0230). Its receiver reports decide: they have to show first that
//! media arrives at all, which then goes by the socket. When they show later that nothing arrives any more, the way past
//! the socket is wrong, whatever the kernel said of it, and media goes by the socket again.

use crate::egress::{Bulk, Fallback};

/// Reports that show nothing new for so long, while media is sent, mean that nothing arrives.
const NOTHING_NEW_US: u64 = 1_500_000;
/// No report at all for so long means the same: browsers send one each second, for audio alone up to 7.5 s apart.
const SILENT_US: u64 = 12_000_000;
/// Packets that must have been sent meanwhile: a source may pause.
const LEAST_SENT: u64 = 20;
/// How long the way is not tried again; twice as long each time.
const BARRED_US: u64 = 10_000_000;
const MAX_DOUBLINGS: u32 = 6;

/// What the reports of a session have shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawProof {
    /// Whether media was shown to arrive on the path that the session has.
    proved: bool,
    /// When a report last showed something new, and how many packets had been sent then.
    heard_us: u64,
    sent: u64,
    barred_until_us: u64,
    bars: u32,
}

impl RawProof {
    /// How media is sent to the session now. Called for each message.
    #[inline]
    pub fn bulk(&self) -> Bulk {
        match (self.proved, self.bars) {
            (true, _) => Bulk::MayBeRaw,
            (false, 0) => Bulk::BySocket(Fallback::Unproved),
            (false, _) => Bulk::BySocket(Fallback::Unheard),
        }
    }

    /// A report came. `new`: it shows that packets have arrived since the one before. `sent`: packets sent so far.
    pub fn reported(&mut self, now_us: u64, new: bool, sent: u64) {
        if new {
            (self.heard_us, self.sent) = (now_us, sent);
            self.proved |= now_us >= self.barred_until_us;
        } else {
            self.doubt(now_us, sent, NOTHING_NEW_US);
        }
    }

    /// Looks whether reports have stopped. Called once a second.
    pub fn second(&mut self, now_us: u64, sent: u64) {
        self.doubt(now_us, sent, SILENT_US);
    }

    /// The session sends to another address from now on.
    pub fn moved(&mut self) {
        self.proved = false;
    }

    fn doubt(&mut self, now_us: u64, sent: u64, after_us: u64) {
        if self.proved && now_us >= self.heard_us + after_us && sent >= self.sent + LEAST_SENT {
            self.proved = false;
            self.barred_until_us = now_us + (BARRED_US << self.bars.min(MAX_DOUBLINGS));
            self.bars += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved() -> RawProof {
        let mut p = RawProof::default();
        p.reported(1_000_000, true, 100);
        p
    }

    const SOCKET: Bulk = Bulk::BySocket(Fallback::Unheard);

    #[test]
    fn nothing_is_raw_before_a_report() {
        let mut p = RawProof::default();
        assert_eq!(p.bulk(), Bulk::BySocket(Fallback::Unproved));
        p.reported(1, false, 50);
        p.second(2, 60);
        assert_eq!(p.bulk(), Bulk::BySocket(Fallback::Unproved));
        assert_eq!(proved().bulk(), Bulk::MayBeRaw);
    }

    #[test]
    fn reports_without_news_end_it_and_the_next_try_comes_later_each_time() {
        let mut p = proved();
        p.reported(1_900_000, false, 200);
        assert_eq!(p.bulk(), Bulk::MayBeRaw, "what is under way can't be in it yet");
        p.reported(2_600_000, false, 200);
        assert_eq!(p.bulk(), SOCKET);
        p.reported(3_000_000, true, 300);
        assert_eq!(p.bulk(), SOCKET, "by the socket it arrives");
        p.reported(12_700_000, true, 400);
        assert_eq!(p.bulk(), Bulk::MayBeRaw);
        p.reported(14_300_000, false, 500);
        p.reported(30_000_000, true, 600);
        assert_eq!(p.bulk(), SOCKET, "twice as long");
        p.reported(34_400_000, true, 700);
        assert_eq!(p.bulk(), Bulk::MayBeRaw);
    }

    #[test]
    fn a_pause_of_the_source_is_no_silence() {
        let mut p = proved();
        p.reported(5_000_000, false, 110);
        p.second(60_000_000, 110);
        assert_eq!(p.bulk(), Bulk::MayBeRaw);
    }

    #[test]
    fn silence_ends_it_too_and_another_path_is_proved_anew() {
        let mut p = proved();
        p.second(12_900_000, 2_000);
        assert_eq!(p.bulk(), Bulk::MayBeRaw, "reports about audio come seldom");
        p.second(13_000_000, 2_000);
        assert_eq!(p.bulk(), SOCKET);
        let mut p = proved();
        p.moved();
        assert_eq!(p.bulk(), Bulk::BySocket(Fallback::Unproved));
    }
}
