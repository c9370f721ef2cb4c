//! A viewer: checks every packet's sequence, decrypts a sample, reports as a browser does.

use rillcast_plane::egress::Egress;
use rillcast_wire::codec::{self, Codec};
use rillcast_wire::{rtcp, rtp};

use crate::config::{LoadConfig, ViewedTrack};
use crate::copies::Copies;
use crate::media::read_stamp;
use crate::peer::Peer;
use crate::report::{Happened, Histogram, Report};

const REPORT_US: u64 = 1_000_000;
/// A gap that is still open after this long counts as lost; later packets are repairs.
const WINDOW: u64 = 64;

pub struct Viewer {
    pub peer: Peer,
    tracks: Vec<Track>,
    last_packet_us: u64,
    pub receiving: bool,
    keyframe: bool,
    next_report_us: u64,
    count: u32,
}

struct Track {
    config: ViewedTrack,
    codec: Codec,
    ssrc: Option<u32>,
    highest: u64,
    /// Bit i: packet `highest - i` came.
    seen: u64,
    received: u64,
    expected_from: u64,
}

/// Totals over all viewers.
#[derive(Default)]
pub struct Totals {
    pub report: Report,
    pub latency: Histogram,
    pub copies: Copies,
}

impl Viewer {
    pub fn new(peer: Peer, tracks: Vec<ViewedTrack>) -> Self {
        let tracks = tracks
            .into_iter()
            .map(|c| Track {
                codec: Codec::from_name(&c.codec),
                config: c,
                ssrc: None,
                highest: 0,
                seen: 0,
                received: 0,
                expected_from: 0,
            })
            .collect();
        Viewer {
            peer,
            tracks,
            last_packet_us: 0,
            receiving: false,
            keyframe: false,
            next_report_us: 0,
            count: fastrand::u32(..1000),
        }
    }

    /// A new span of figures begins.
    pub fn reset(&mut self) {
        self.last_packet_us = 0;
    }

    pub fn on_rtp(
        &mut self,
        now_us: u64,
        data: &mut [u8],
        config: &LoadConfig,
        totals: &mut Totals,
        happened: &mut Vec<Happened>,
        out: &mut Egress,
    ) {
        let Ok(h) = rtp::parse_protected(data) else { return };
        if config.drop > 0.0 && fastrand::f64() < config.drop {
            return;
        }
        let r = &mut totals.report;
        r.packets += 1;
        r.bytes += data.len() as u64;
        if self.last_packet_us > 0 {
            r.longest_gap_us = r.longest_gap_us.max(now_us - self.last_packet_us);
        }
        self.last_packet_us = now_us;
        if !self.receiving {
            self.receiving = true;
            happened.push(Happened {
                id: self.peer.transport.id,
                what: "first_packet",
                at_us: now_us,
                detail: String::new(),
            });
        }
        let Some(i) =
            self.tracks.iter().position(|t| t.config.payload_type == h.pt || t.config.rtx_payload_type == h.pt)
        else {
            return;
        };
        let track = &mut self.tracks[i];
        let is_rtx = h.pt != track.config.payload_type;
        let mut lost = vec![];
        if !is_rtx {
            track.ssrc = Some(h.ssrc);
            track.note(h.seq, r, &mut lost);
        }
        self.count = self.count.wrapping_add(1);
        let wants_keyframe = !self.keyframe && track.config.video;
        if wants_keyframe || (is_rtx && config.nack) || self.count.is_multiple_of(config.sample.max(1)) {
            let Some(rx) = &mut self.peer.rx else { return };
            let Ok(len) = rx.unprotect_rtp(data) else {
                r.bad_decrypts += 1;
                return;
            };
            r.decrypted += 1;
            let Ok(h) = rtp::parse(&data[..len]) else { return };
            let mut payload = &data[h.header_len..len - h.padding];
            if is_rtx {
                r.repaired += 1;
                payload = payload.get(2..).unwrap_or_default();
            } else if let Some(sent) = read_stamp(payload) {
                totals.latency.add(now_us.saturating_sub(sent));
                totals.copies.note(sent, now_us);
            }
            if wants_keyframe && codec::inspect(track.codec, payload).keyframe_start {
                self.keyframe = true;
                happened.push(Happened {
                    id: self.peer.transport.id,
                    what: "first_keyframe",
                    at_us: now_us,
                    detail: String::new(),
                });
            }
        }
        if config.nack && !lost.is_empty() {
            let media = self.tracks[i].ssrc.unwrap_or(0);
            let mut packet = vec![];
            rtcp::write_rr(&mut packet, 1, &[]);
            rtcp::write_nack(&mut packet, 1, media, &lost);
            self.peer.send_rtcp(now_us, packet, out);
        }
    }

    /// Receiver report and REMB once a second, as libwebrtc sends without transport-wide feedback.
    pub fn tick(&mut self, now_us: u64, out: &mut Egress) {
        if !self.peer.is_connected() || now_us < self.next_report_us {
            return;
        }
        let first = self.next_report_us == 0;
        self.next_report_us = now_us + if first { fastrand::u64(..REPORT_US) } else { REPORT_US };
        let reports: Vec<rtcp::Report> = self
            .tracks
            .iter()
            .filter_map(|t| {
                let ssrc = t.ssrc?;
                Some(rtcp::Report {
                    ssrc,
                    fraction_lost: 0,
                    cumulative_lost: 0,
                    highest_seq: t.highest as u32,
                    jitter: 0,
                    last_sr: 0,
                    delay_last_sr: 0,
                })
            })
            .collect();
        let mut packet = vec![];
        rtcp::write_rr(&mut packet, 1, &reports);
        if let Some(ssrc) = self.tracks.iter().filter(|t| t.config.video).find_map(|t| t.ssrc) {
            rtcp::write_remb(&mut packet, 1, 20_000_000, &[ssrc]);
            if !self.keyframe {
                rtcp::write_pli(&mut packet, 1, ssrc);
            }
        }
        self.peer.send_rtcp(now_us, packet, out);
    }
}

impl Track {
    fn note(&mut self, seq: u16, r: &mut Report, lost: &mut Vec<u16>) {
        self.received += 1;
        if self.expected_from == 0 {
            self.highest = 65_536 + u64::from(seq);
            self.expected_from = self.highest;
            self.seen = 1;
            return;
        }
        let delta = seq.wrapping_sub(self.highest as u16) as i16;
        if delta > 0 {
            let delta = delta as u64;
            for back in 1..delta.min(200) {
                lost.push(seq.wrapping_sub(back as u16));
            }
            lost.reverse();
            // Packets that leave the window unseen are lost.
            for i in 0..delta.min(WINDOW) {
                let bit = WINDOW - 1 - i;
                let position = self.highest.saturating_sub(bit);
                if position >= self.expected_from && self.seen & (1 << bit) == 0 {
                    r.lost += 1;
                }
            }
            r.lost += delta.saturating_sub(WINDOW);
            self.seen = if delta < 64 { self.seen << delta } else { 0 } | 1;
            self.highest += delta;
            return;
        }
        let back = u64::from(delta.unsigned_abs());
        if back < WINDOW && self.seen & (1 << back) == 0 {
            self.seen |= 1 << back;
        } else if back < WINDOW {
            r.duplicates += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost_of(seqs: impl Iterator<Item = u16>) -> (u64, u64) {
        let config = ViewedTrack {
            video: true,
            codec: "VP8".into(),
            clock_rate: 90_000,
            payload_type: 96,
            rtx_payload_type: 0,
            abs_send_time: 0,
        };
        let mut t = Track { codec: Codec::Vp8, config, ssrc: None, highest: 0, seen: 0, received: 0, expected_from: 0 };
        let mut r = Report::default();
        for s in seqs {
            t.note(s, &mut r, &mut vec![]);
        }
        (r.lost, r.duplicates)
    }

    #[test]
    fn losses_are_counted_once_they_are_certain() {
        assert_eq!(lost_of((0..300u16).map(|i| i.wrapping_add(65_500))), (0, 0));
        assert_eq!(lost_of((0..300).filter(|i| *i != 10 && *i != 11)), (2, 0));
        assert_eq!(lost_of([1, 2, 4, 3, 5].into_iter().chain(6..200)), (0, 0));
        assert_eq!(lost_of([1, 2, 2, 3].into_iter()), (0, 1));
        assert_eq!(lost_of((0..100).chain(300..400)), (200, 0));
    }
}
