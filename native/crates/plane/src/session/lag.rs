//! How far behind a viewer is, and how fast it gets what it is sent: its reports name the newest packet it has, and the
//! ring knows when that one came.

use rillcast_wire::rtcp;

use super::rtp_munger::RtpMunger;
use super::send::SendTrack;
use super::Session;
use crate::config::Kind;
use crate::packet::Packet;
use crate::ring::Ring;

/// What a packet has beside its payload: RTP header, extension and tag.
const OVERHEAD: u64 = 36;
/// Packets between two reports; more are not counted.
const MOST_PACKETS: u64 = 4_000;
/// Who is behind by so much more than usual waits for what lies in a queue.
const FAR_BEHIND_US: u64 = 100_000;
/// The usual lag is the least of late: it grows by this share of what is more, with each report.
const USUAL_GROWS: u64 = 50;

/// Reports closer than this tell no rate.
const LEAST_SPAN_US: u64 = 80_000;

/// What one report says of a viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Age of the newest packet it has; 0: there is no telling.
    pub us: u64,
    /// The bit rate since an earlier report; 0: there is no telling.
    pub delivered_bps: u64,
    /// Whether the viewer was far behind at both reports, so that all of it waited in a queue.
    pub backlogged: bool,
}

/// What was in the last report of a track.
#[derive(Clone, Copy, Debug)]
pub struct Reported {
    source: u64,
    switch: u64,
    seq: u64,
    at_us: u64,
    lost: i32,
    extra_bytes: u64,
    far_behind: bool,
}

impl Session {
    /// Takes in what a report shows: the age of the newest packet, which is the round trip and what waits in queues on the
    /// way, plus at most the time between two packets; and what has reached the viewer since an earlier report. Nothing of
    /// cached packets, sent some time after they came. Returns whether the viewer is so far behind that it is news. Once per report.
    /// `ring_of` has the ring of a source.
    pub fn take_lag<'a>(
        &mut self,
        now_us: u64,
        report: &rtcp::Report,
        ring_of: impl Fn(u64) -> Option<&'a Ring>,
    ) -> bool {
        let Session { send, lag, usual_lag_us, totals, .. } = self;
        let Some(track) = send.iter_mut().find(|t| t.config.ssrc == report.ssrc && t.config.kind == Kind::Video) else {
            return false;
        };
        let before = track.reported_packet.take();
        let found = track.lookup(report.highest_seq as u16).and_then(|(munger, sequence)| {
            let ring = ring_of(munger.source)?;
            let packet = munger.find(ring, sequence)?;
            Some((munger, ring, packet, sent_us(track, &munger, packet)?))
        });
        let Some((munger, ring, packet, sent_us)) = found else { return false };
        let us = now_us.saturating_sub(sent_us);
        let usual = if *usual_lag_us == 0 { us } else { *usual_lag_us };
        *usual_lag_us = us.min(usual + us.saturating_sub(usual) / USUAL_GROWS);
        let now = Reported {
            source: munger.source,
            switch: munger.switch,
            seq: packet.seq,
            at_us: now_us,
            lost: report.cumulative_lost,
            extra_bytes: totals.extra_bytes,
            far_behind: us > usual + FAR_BEHIND_US,
        };
        *lag = Lag { us, ..Lag::default() };
        let before = before.filter(|b| (b.source, b.switch) == (now.source, now.switch) && b.seq <= now.seq);
        if let Some(before) = before.filter(|b| now_us < b.at_us + LEAST_SPAN_US) {
            track.reported_packet = Some(before);
            return now.far_behind;
        }
        track.reported_packet = Some(now);
        if let Some(before) = before.filter(|b| now.seq - b.seq <= MOST_PACKETS) {
            lag.delivered_bps = now.since(&before, &munger, ring);
            lag.backlogged = now.far_behind && before.far_behind;
        }
        now.far_behind
    }
}

impl Reported {
    /// The bit rate of what has reached the viewer since an earlier report, repairs and padding included.
    fn since(&self, before: &Reported, munger: &RtpMunger, ring: &Ring) -> u64 {
        let came = ring.since(before.seq + 1).take_while(|p| p.seq <= self.seq).filter(|p| munger.numbers(p));
        let (packets, bytes) = came.fold((0, 0), |(n, bytes), p| (n + 1, bytes + p.payload.len() as u64 + OVERHEAD));
        let lost = u64::try_from(self.lost.saturating_sub(before.lost)).unwrap_or(0).min(packets);
        let arrived = (bytes * (packets - lost)).checked_div(packets).unwrap_or(0);
        let extra = self.extra_bytes.saturating_sub(before.extra_bytes);
        (arrived + extra) * 8_000_000 / (self.at_us - before.at_us).max(1)
    }
}

/// When the viewer was sent a packet; None: there is no telling, since it was caught up with.
fn sent_us(track: &SendTrack, munger: &RtpMunger, packet: &Packet) -> Option<u64> {
    if !munger.is_live(packet) || track.pace.is_some() {
        return None;
    }
    if packet.seq >= track.limited_before {
        return Some(packet.arrival_us);
    }
    track.limit.as_ref()?.sent_us(packet.seq, packet.arrival_us)
}
