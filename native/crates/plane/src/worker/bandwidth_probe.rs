//! Probes: a viewer is sent more than its media for a while, to see whether more would fit.

use super::sources::Sources;
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
        let Worker { probes, sessions, sources, shared, .. } = self;
        let moment = Moment::new(now_us, shared.wall_ntp(now_us));
        let mut told = vec![];
        probes.retain(|slot, p| {
            if now_us >= p.told_us + PROBE_STATS_US {
                p.told_us = now_us;
                told.push(*slot);
            }
            let session = sessions.get_mut(*slot).filter(|s| !s.stalled);
            session.is_some_and(|s| {
                repeat(now_us, s, *slot as u32, sources, (p, &moment), out);
                now_us < p.until_us
            })
        });
        for slot in told.into_iter().filter(|slot| self.sessions.contains(*slot)).collect::<Vec<_>>() {
            self.session_stats(now_us, slot);
            self.send_reports(now_us, slot, out);
        }
    }
}

/// Repeats recent packets as RTX (RFC 4588) until the time since the last call is paid for.
fn repeat(
    now_us: u64,
    session: &mut Session,
    owner: u32,
    sources: &Sources,
    (p, moment): (&mut Probe, &Moment),
    out: &mut Egress,
) {
    let Session { send, tx, path, extensions, .. } = session;
    let t = &mut send[p.track];
    let (Some(munger), Some(tx), Some(path)) = (t.current, tx, path) else { return };
    let Some(ring) = sources.get(munger.source).map(|s| &s.ring) else { return };
    let Some(highest) = ring.highest() else { return };
    let oldest = munger.first_seq.max(highest.saturating_sub(PROBE_WINDOW));
    for _ in 0..MAX_SEGMENTS {
        if p.paid_us >= now_us.min(p.until_us) {
            break;
        }
        p.next_seq = if (oldest..=highest).contains(&p.next_seq) { p.next_seq } else { oldest };
        let packet = ring.get(p.next_seq);
        p.next_seq += 1;
        let before = out.bytes;
        if let Some(packet) = packet.filter(|p| munger.numbers(p)) {
            out.packet(path, owner, |b| t.write_repair(packet, &munger, moment, extensions, tx, b));
        }
        p.paid_us += ((out.bytes - before).max(100) * 8_000_000).checked_div(p.rate_bps).unwrap_or(u64::MAX / 4);
    }
}
