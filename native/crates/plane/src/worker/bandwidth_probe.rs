//! Probes: a viewer is sent more than its media for a while, to see whether more would fit.

use super::{Probe, Worker};
use crate::egress::{Egress, MAX_SEGMENTS};
use crate::session::send::Moment;
use crate::session::Session;

/// Probes repeat packets not older than this.
const PROBE_WINDOW: u64 = 200;
/// While a probe goes on its effect is asked for (sender reports give round trips) and told so often.
const PROBE_STATS_US: u64 = 200_000;

impl Worker {
    /// One tick's worth of every probe under way.
    pub(super) fn probe_all(&mut self, now_us: u64, out: &mut Egress) {
        let mut probes = std::mem::take(&mut self.probes);
        probes.retain(|slot, p| self.probe(now_us, *slot, p, out));
        for (slot, p) in probes.iter_mut().filter(|(_, p)| now_us >= p.told_us + PROBE_STATS_US) {
            p.told_us = now_us;
            self.session_stats(now_us, *slot);
            self.send_reports(now_us, *slot, out);
        }
        self.probes = probes;
    }

    /// Repeats recent packets as RTX (RFC 4588) until the time since the last call is paid for. False: over.
    fn probe(&mut self, now_us: u64, slot: usize, p: &mut Probe, out: &mut Egress) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return false };
        let Session { send, tx, path, extensions, .. } = session;
        let t = &mut send[p.track];
        let (Some(munger), Some(tx), Some(path)) = (t.current, tx, path) else { return now_us < p.until_us };
        let Some(source) = self.sources.get(munger.source) else { return now_us < p.until_us };
        let Some(highest) = source.ring.highest() else { return now_us < p.until_us };
        let moment = Moment::new(now_us);
        let oldest = munger.first_seq.max(highest.saturating_sub(PROBE_WINDOW));
        for _ in 0..MAX_SEGMENTS {
            if p.paid_us >= now_us.min(p.until_us) {
                break;
            }
            p.next_seq = if (oldest..=highest).contains(&p.next_seq) { p.next_seq } else { oldest };
            let packet = source.ring.get(p.next_seq);
            p.next_seq += 1;
            let before = out.bytes;
            if let Some(packet) = packet.filter(|p| munger.numbers(p)) {
                out.packet(path, slot as u32, |b| t.write_repair(packet, &munger, &moment, extensions, tx, b));
            }
            p.paid_us += ((out.bytes - before).max(100) * 8_000_000).checked_div(p.rate_bps).unwrap_or(u64::MAX / 4);
        }
        now_us < p.until_us
    }
}
