//! A publisher of pre-encoded media.

use std::sync::Arc;

use rillcast_plane::egress::Egress;
use rillcast_wire::{rtcp, rtp};

use crate::config::PublishedTrack;
use crate::media::{stamp, Frame, Loop, Media};
use crate::peer::Peer;
use crate::report::Report;

const REPORT_US: u64 = 1_000_000;
const HISTORY: usize = 1_024;
/// Keyframes asked for come at most this often.
const KEYFRAME_AGAIN_US: u64 = 500_000;
/// A frame sent later than this is counted: the generator is too busy.
const LATE_US: u64 = 20_000;

pub struct Publisher {
    pub peer: Peer,
    tracks: Vec<Track>,
    media: Arc<Media>,
    stamped: bool,
    started_us: Option<u64>,
    next_report_us: u64,
    keyframe_us: u64,
}

struct Track {
    config: PublishedTrack,
    seq: u64,
    /// Next frame in the loop, and where the loop's beginning lies in time since the start.
    frame: usize,
    base_us: u64,
    base_ts: u32,
    /// Go on with a keyframe.
    jump: bool,
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
                base_us: 0,
                base_ts: 0,
                jump: false,
                packets: 0,
                octets: 0,
                history: vec![(0, 0, false, vec![]); HISTORY],
            })
            .collect();
        Publisher { peer, tracks, media, stamped, started_us: None, next_report_us: 0, keyframe_us: 0 }
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
            let config = &self.tracks[i].config;
            let track_media = if config.video { media.videos.get(config.layer) } else { Some(&media.audio) };
            if let Some(track_media) = track_media {
                self.send_due(i, track_media, started, now_us, r, out);
            }
        }
        if now_us >= self.next_report_us {
            self.next_report_us = now_us + REPORT_US;
            self.report(started, now_us, out);
        }
    }

    fn send_due(&mut self, i: usize, media: &Loop, started: u64, now_us: u64, r: &mut Report, out: &mut Egress) {
        let Publisher { peer, tracks, stamped, .. } = self;
        let t = &mut tracks[i];
        while let Some((frame, due, ts)) = t.take_due(media, started, now_us) {
            let extensions = extensions(&t.config);
            r.late_frames += u64::from(now_us > due + LATE_US);
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
                    let header = rtp::write_header(slot, marker, pt, seq as u16, ts, ssrc, false, &extensions);
                    tx.protect_rtp(slot, header, &bytes, 0, (seq >> 16) as u32).ok()
                });
                t.packets = t.packets.wrapping_add(1);
                t.octets = t.octets.wrapping_add(bytes.len() as u32);
                r.sent_packets += 1;
                r.sent_bytes += bytes.len() as u64;
                t.history[seq as usize % HISTORY] = (seq, ts, marker, bytes);
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
        self.peer.send_rtcp(now_us, packet, out);
    }

    pub fn on_rtcp(&mut self, now_us: u64, data: &mut [u8], out: &mut Egress) {
        let Some(len) = self.peer.rx.as_mut().and_then(|rx| rx.unprotect_rtcp(data).ok()) else { return };
        for p in rtcp::packets(&data[..len]).flatten() {
            match p {
                rtcp::Packet::Nack { media, seqs, .. } => seqs.for_each(|seq| self.repair(media, seq, out)),
                rtcp::Packet::Pli { .. } | rtcp::Packet::Fir { .. } => self.keyframe(now_us),
                _ => {}
            }
        }
    }

    /// As an encoder would: the next picture is a keyframe, in all layers at once.
    fn keyframe(&mut self, now_us: u64) {
        if now_us >= self.keyframe_us + KEYFRAME_AGAIN_US {
            self.keyframe_us = now_us;
            self.tracks.iter_mut().filter(|t| t.config.video).for_each(|t| t.jump = true);
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
            let extensions = extensions(&t.config);
            let pt = t.config.payload_type;
            let header = rtp::write_header(slot, *marker, pt, *seq as u16, *ts, media, false, &extensions);
            tx.protect_rtp(slot, header, bytes, 0, (*seq >> 16) as u32).ok()
        });
    }
}

fn extensions(track: &PublishedTrack) -> Vec<(u8, &[u8])> {
    track.extensions.iter().map(|(id, value)| (*id, value.as_bytes())).collect()
}

impl Track {
    /// The next frame if it is due, with when it was and its RTP timestamp.
    fn take_due<'m>(&mut self, media: &'m Loop, started: u64, now_us: u64) -> Option<(&'m Frame, u64, u32)> {
        let mut frame = media.frames.get(self.frame)?;
        let due = started + self.base_us + frame.at_us;
        if now_us < due {
            return None;
        }
        let ts = self.base_ts.wrapping_add(frame.ts);
        if std::mem::take(&mut self.jump) {
            let first = &media.frames[0];
            self.base_us += frame.at_us - first.at_us;
            self.base_ts = ts.wrapping_sub(first.ts);
            (self.frame, frame) = (0, first);
        }
        self.frame += 1;
        if self.frame == media.frames.len() {
            self.frame = 0;
            self.base_us += media.length_us;
            self.base_ts = self.base_ts.wrapping_add(media.length_ts);
        }
        Some((frame, due, ts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_US: u64 = 40_000;

    fn media() -> Loop {
        let frame = |i: u64| Frame { at_us: i * FRAME_US, ts: i as u32 * 3_600, payloads: vec![vec![i as u8].into()] };
        Loop { frames: (0..10).map(frame).collect(), length_us: 10 * FRAME_US, length_ts: 36_000 }
    }

    fn track() -> Track {
        let config =
            PublishedTrack { video: true, clock_rate: 90_000, payload_type: 96, ssrc: 1, layer: 0, extensions: vec![] };
        let (base_us, base_ts, packets, octets) = (0, 0, 0, 0);
        Track { config, seq: 1, frame: 0, base_us, base_ts, jump: false, packets, octets, history: vec![] }
    }

    fn next(t: &mut Track, m: &Loop, now_us: u64) -> Option<(u8, u64, u32)> {
        t.take_due(m, 1_000, now_us).map(|(f, due, ts)| (f.payloads[0][0], due, ts))
    }

    #[test]
    fn the_loop_goes_on_in_time_and_a_jump_puts_a_keyframe_where_the_next_picture_was_due() {
        let (m, mut t) = (media(), track());
        for i in 0..13u64 {
            assert_eq!(next(&mut t, &m, 1_000 + i * FRAME_US - 1), None);
            let expected = ((i % 10) as u8, 1_000 + i * FRAME_US, i as u32 * 3_600);
            assert_eq!(next(&mut t, &m, 1_000 + i * FRAME_US), Some(expected));
        }
        t.jump = true;
        for i in 13..30u64 {
            let expected = (((i - 13) % 10) as u8, 1_000 + i * FRAME_US, i as u32 * 3_600);
            assert_eq!(next(&mut t, &m, 100_000_000), Some(expected));
        }
    }
}
