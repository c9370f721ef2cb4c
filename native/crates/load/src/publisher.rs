//! A publisher of pre-encoded media.

use std::sync::Arc;

use rillcast_plane::egress::Egress;
use rillcast_wire::{rtcp, rtp};

use crate::config::PublishedTrack;
use crate::media::{stamp, Loop, Media};
use crate::peer::Peer;
use crate::report::Report;

const REPORT_US: u64 = 1_000_000;
const HISTORY: usize = 1_024;
/// A frame sent later than this is counted: the generator is too busy.
const LATE_US: u64 = 20_000;

pub struct Publisher {
    pub peer: Peer,
    tracks: Vec<Track>,
    media: Arc<Media>,
    stamped: bool,
    started_us: Option<u64>,
    next_report_us: u64,
}

struct Track {
    config: PublishedTrack,
    seq: u64,
    /// Next frame in the loop, and how many loops are behind it.
    frame: usize,
    rounds: u64,
    packets: u32,
    octets: u32,
    /// (sequence, timestamp, marker, payload as sent) of the newest packets, for repair byte for byte.
    history: Vec<(u64, u32, bool, Vec<u8>)>,
}

impl Publisher {
    pub fn new(peer: Peer, tracks: Vec<PublishedTrack>, media: Arc<Media>, stamped: bool) -> Self {
        let tracks = tracks
            .into_iter()
            .map(|config| Track {
                config,
                seq: fastrand::u64(1..0x7000),
                frame: 0,
                rounds: 0,
                packets: 0,
                octets: 0,
                history: vec![(0, 0, false, vec![]); HISTORY],
            })
            .collect();
        Publisher { peer, tracks, media, stamped, started_us: None, next_report_us: 0 }
    }

    /// Sends what is due.
    pub fn tick(&mut self, now_us: u64, r: &mut Report, out: &mut Egress) {
        if !self.peer.is_connected() {
            return;
        }
        // Publishers are spread over a frame interval, so that they don't all send at once.
        let started = *self.started_us.get_or_insert_with(|| now_us + fastrand::u64(..33_333));
        let media = self.media.clone();
        for i in 0..self.tracks.len() {
            let track_media = if self.tracks[i].config.video { &media.video } else { &media.audio };
            self.send_due(i, track_media, started, now_us, r, out);
        }
        if now_us >= self.next_report_us {
            self.next_report_us = now_us + REPORT_US;
            self.report(started, now_us, out);
        }
    }

    fn send_due(&mut self, i: usize, media: &Loop, started: u64, now_us: u64, r: &mut Report, out: &mut Egress) {
        let Publisher { peer, tracks, stamped, .. } = self;
        let t = &mut tracks[i];
        loop {
            let Some(frame) = media.frames.get(t.frame) else { return };
            let due = started + t.rounds * media.length_us + frame.at_us;
            if now_us < due {
                return;
            }
            r.late_frames += u64::from(now_us > due + LATE_US);
            let ts = frame.ts.wrapping_add((t.rounds as u32).wrapping_mul(media.length_ts));
            let last = frame.payloads.len() - 1;
            for (n, payload) in frame.payloads.iter().enumerate() {
                let mut bytes = payload.to_vec();
                if *stamped {
                    stamp(&mut bytes, now_us);
                }
                let marker = t.config.video && n == last;
                let (seq, ssrc, pt) = (t.seq, t.config.ssrc, t.config.payload_type);
                t.seq += 1;
                let Some(tx) = &mut peer.tx else { return };
                out.packet(&peer.path, peer.owner, |slot| {
                    let header = rtp::write_header(slot, marker, pt, seq as u16, ts, ssrc, false, &[]);
                    tx.protect_rtp(slot, header, &bytes, 0, (seq >> 16) as u32).ok()
                });
                t.packets = t.packets.wrapping_add(1);
                t.octets = t.octets.wrapping_add(bytes.len() as u32);
                r.sent_packets += 1;
                r.sent_bytes += bytes.len() as u64;
                t.history[seq as usize % HISTORY] = (seq, ts, marker, bytes);
            }
            t.frame += 1;
            if t.frame == media.frames.len() {
                t.frame = 0;
                t.rounds += 1;
            }
        }
    }

    fn report(&mut self, started: u64, now_us: u64, out: &mut Egress) {
        let elapsed = now_us.saturating_sub(started);
        let ntp = ((now_us as u128) << 32).wrapping_div(1_000_000) as u64;
        let mut packet = vec![];
        for t in &self.tracks {
            let rtp_ts = (u128::from(elapsed) * u128::from(t.config.clock_rate) / 1_000_000) as u32;
            rtcp::write_sr(&mut packet, t.config.ssrc, ntp, rtp_ts, t.packets, t.octets, &[]);
        }
        self.peer.send_rtcp(packet, out);
    }

    pub fn on_rtcp(&mut self, data: &mut [u8], out: &mut Egress) {
        let Some(len) = self.peer.rx.as_mut().and_then(|rx| rx.unprotect_rtcp(data).ok()) else { return };
        for p in rtcp::packets(&data[..len]).flatten() {
            if let rtcp::Packet::Nack { media, seqs, .. } = p {
                for seq in seqs {
                    self.repair(media, seq, out);
                }
            }
        }
    }

    fn repair(&mut self, media: u32, seq: u16, out: &mut Egress) {
        let Publisher { peer, tracks, .. } = self;
        let (Some(t), Some(tx)) = (tracks.iter().find(|t| t.config.ssrc == media), &mut peer.tx) else { return };
        let newest = t.seq.saturating_sub(1);
        let wanted = newest.saturating_sub(u64::from((newest as u16).wrapping_sub(seq)));
        let (seq, ts, marker, bytes) = &t.history[wanted as usize % HISTORY];
        if *seq != wanted {
            return;
        }
        out.packet(&peer.path, peer.owner, |slot| {
            let header = rtp::write_header(slot, *marker, t.config.payload_type, *seq as u16, *ts, media, false, &[]);
            tx.protect_rtp(slot, header, bytes, 0, (*seq >> 16) as u32).ok()
        });
    }
}
