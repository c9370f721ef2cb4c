//! What a browser's receiver does with clear packets, and what it answers: reports and REMB, requests for repair and for
//! keyframes. No I/O, no encryption; time comes in.

use rillcast_wire::bwe::Estimator;
use rillcast_wire::codec::{self, Codec};
use rillcast_wire::{rtcp, rtp};

use crate::config::ViewedTrack;
use crate::nacks::Nacks;
use crate::pictures::{Pictures, Took};
use crate::reception::Reception;
use crate::remb::Remb;

#[cfg(test)]
#[path = "receiving_tests.rs"]
mod tests;

/// The SSRC of everything we say.
const OURS: u32 = 1;
const REPORT_US: u64 = 1_000_000;
/// A keyframe is asked for again after this long, as libwebrtc does while it has none.
const KEYFRAME_AGAIN_US: u64 = 200_000;
/// Without a picture for so long a keyframe is asked for, whatever is still missing.
const PICTURE_US: u64 = 3_000_000;
const STORM_EVERY_US: u64 = 20_000;
const STORM_REACH: u64 = 200;

/// Sums since the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub video: u64,
    /// Packets that were there already: what a probe of the link is made of.
    pub padding_bytes: u64,
    pub nacked: u64,
    pub repaired: u64,
    pub duplicates: u64,
    pub plis: u64,
}

struct Track {
    config: ViewedTrack,
    codec: Codec,
    ssrc: Option<u32>,
    reception: Reception,
}

pub struct Receiving {
    tracks: Vec<Track>,
    pub pictures: Pictures,
    nacks: Nacks,
    remb: Remb,
    wants_keyframe: bool,
    asked_keyframe_us: Option<u64>,
    next_report_us: u64,
    storm: Storm,
    pub sums: Sums,
}

impl Receiving {
    /// `report_at_us`: when the first report is due, so that peers don't all report at once.
    pub fn new(tracks: Vec<ViewedTrack>, storm_per_s: u32, report_at_us: u64) -> Self {
        let track = |config: ViewedTrack| Track {
            codec: Codec::from_name(&config.codec),
            config,
            ssrc: None,
            reception: Reception::default(),
        };
        Receiving {
            tracks: tracks.into_iter().map(track).collect(),
            pictures: Pictures::default(),
            nacks: Nacks::default(),
            remb: Remb::new(Estimator::new(Remb::OPEN_BPS, 30_000, Remb::OPEN_BPS)),
            wants_keyframe: true,
            asked_keyframe_us: None,
            next_report_us: report_at_us,
            storm: Storm { per_s: storm_per_s, next_us: 0 },
            sums: Sums::default(),
        }
    }

    /// One RTP packet, decrypted; `size`: of the datagram. The payload if it is new media.
    pub fn on_rtp<'d>(&mut self, now_us: u64, data: &'d [u8], size: usize) -> Option<&'d [u8]> {
        let h = rtp::parse(data).ok()?;
        let i = self.tracks.iter().position(|t| [t.config.payload_type, t.config.rtx_payload_type].contains(&h.pt))?;
        let track = &mut self.tracks[i];
        let id = track.config.abs_send_time;
        let sent = rtp::extensions(data, &h).find(|(found, value)| *found == id && value.len() == 3);
        self.remb.on_packet(now_us, sent.map(|(_, v)| u32::from_be_bytes([0, v[0], v[1], v[2]])), size);
        let mut payload = &data[h.header_len..data.len() - h.padding];
        let is_rtx = h.pt != track.config.payload_type;
        let seq = if is_rtx {
            let [a, b, rest @ ..] = payload else {
                self.sums.padding_bytes += size as u64;
                return None;
            };
            payload = rest;
            track.reception.sequence(u16::from_be_bytes([*a, *b]))
        } else {
            track.ssrc = Some(h.ssrc);
            track.reception.on_packet(now_us, h.seq, h.ts, track.config.clock_rate)
        };
        if !track.config.video {
            return Some(payload);
        }
        let info = codec::inspect(track.codec, payload);
        if !self.nacks.on_packet(now_us, seq) {
            self.pictures.give_up();
        }
        match self.pictures.add(now_us, seq, (h.ts, h.marker), &info) {
            Took::New => {
                self.sums.video += 1;
                self.sums.repaired += u64::from(is_rtx);
            }
            Took::Known if is_rtx => self.sums.padding_bytes += size as u64,
            Took::Known => self.sums.duplicates += 1,
            Took::Overflow => self.wants_keyframe = true,
        }
        self.after_packet();
        Some(payload).filter(|_| !is_rtx)
    }

    fn after_packet(&mut self) {
        match self.pictures.needed_from() {
            Some(from) => self.nacks.forget_before(from),
            None => self.wants_keyframe = true,
        }
    }

    /// A compound packet, decrypted.
    pub fn on_rtcp(&mut self, now_us: u64, data: &[u8]) {
        for packet in rtcp::packets(data).flatten() {
            if let rtcp::Packet::Sr { ssrc, ntp, .. } = packet {
                for t in self.tracks.iter_mut().filter(|t| t.ssrc == Some(ssrc)) {
                    t.reception.on_sender_report(now_us, ntp);
                }
            }
        }
    }

    /// What to send now; call every few milliseconds.
    pub fn feedback(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let mut tail = vec![];
        self.ask_again(now_us, &mut tail);
        self.ask_keyframe(now_us, &mut tail);
        let video = self.video_ssrc();
        let estimate = video.and_then(|ssrc| Some((ssrc, self.remb.due(now_us)?)));
        if let Some((ssrc, bps)) = estimate {
            rtcp::write_remb(&mut tail, OURS, bps, &[ssrc]);
        }
        // An estimate makes libwebrtc report at once (`ModuleRtpRtcpImpl2::SetRemb`).
        let report = estimate.is_some() || now_us >= self.next_report_us;
        if tail.is_empty() && !report {
            return None;
        }
        let mut packet = vec![];
        let mut blocks = vec![];
        if report {
            self.next_report_us = now_us + REPORT_US;
            blocks.extend(self.tracks.iter_mut().filter_map(|t| t.reception.report(now_us, t.ssrc?)));
        }
        rtcp::write_rr(&mut packet, OURS, &blocks);
        packet.append(&mut tail);
        Some(packet)
    }

    fn ask_again(&mut self, now_us: u64, out: &mut Vec<u8>) {
        let Some(track) = self.tracks.iter().find(|t| t.config.video) else { return };
        let (Some(ssrc), true) = (track.ssrc, track.config.rtx_payload_type != 0) else { return };
        let mut seqs = vec![];
        if !self.nacks.is_idle() && !self.nacks.due(now_us, &mut seqs) {
            self.wants_keyframe = true;
        }
        self.storm.add(now_us, track.reception.highest(), &mut seqs);
        self.sums.nacked += seqs.len() as u64;
        rtcp::write_nack(out, OURS, ssrc, &seqs);
    }

    fn ask_keyframe(&mut self, now_us: u64, out: &mut Vec<u8>) {
        let Some(ssrc) = self.video_ssrc() else { return };
        if self.pictures.last_us().is_some_and(|l| now_us >= l + PICTURE_US) {
            self.wants_keyframe = true;
        }
        // A picture since the request is its answer.
        if self.asked_keyframe_us.is_some_and(|at| self.pictures.last_us().is_some_and(|l| l > at)) {
            self.asked_keyframe_us = None;
            self.wants_keyframe = self.pictures.waits_for_keyframe();
        }
        if self.wants_keyframe && self.asked_keyframe_us.is_none_or(|at| now_us >= at + KEYFRAME_AGAIN_US) {
            self.asked_keyframe_us = Some(now_us);
            self.sums.plis += 1;
            rtcp::write_pli(out, OURS, ssrc);
        }
    }

    fn video_ssrc(&self) -> Option<u32> {
        self.tracks.iter().filter(|t| t.config.video).find_map(|t| t.ssrc)
    }

    /// The last REMB sent, 0 before the first.
    pub fn remb_bps(&self) -> u64 {
        self.remb.told_bps()
    }

    /// Audio packets that came and those that never did.
    pub fn audio(&self) -> (u64, u64) {
        let audio = self.tracks.iter().find(|t| !t.config.video);
        audio.map_or((0, 0), |t| (t.reception.received(), t.reception.lost()))
    }
}

/// Requests for what is there already.
struct Storm {
    per_s: u32,
    next_us: u64,
}

impl Storm {
    fn add(&mut self, now_us: u64, highest: Option<u64>, seqs: &mut Vec<u16>) {
        let (Some(highest), true) = (highest, self.per_s > 0 && now_us >= self.next_us) else { return };
        self.next_us = now_us + STORM_EVERY_US;
        let count = (u64::from(self.per_s) * STORM_EVERY_US / 1_000_000).clamp(1, STORM_REACH);
        seqs.extend((0..count).rev().map(|back| highest.wrapping_sub(back) as u16));
    }
}
