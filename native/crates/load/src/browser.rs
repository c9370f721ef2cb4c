//! A viewer behind a link, who takes and answers everything as a browser does.

use rillcast_plane::egress::Egress;
use rillcast_wire::demux;

use crate::config::ViewedTrack;
use crate::link::{Link, LinkConfig, OVERHEAD};
use crate::media::read_stamp;
use crate::peer::{Peer, Step};
use crate::pictures::Shown;
use crate::receiving::{Receiving, Sums};
use crate::report::{Happened, Second};
use crate::viewer::Totals;

const SECOND_US: u64 = 1_000_000;

pub struct Browser {
    pub peer: Peer,
    link: Link,
    receiving: Receiving,
    pub received: bool,
    last_packet_us: u64,
    height: u16,
    bytes: u64,
    second: Mark,
}

/// Sums when the present second began.
#[derive(Clone, Copy, Default)]
struct Mark {
    at_us: u64,
    bytes: u64,
    sums: Sums,
    shown: Shown,
    audio: (u64, u64),
    link: (u64, u64),
}

/// Where a browser's figures go.
pub struct Notes<'a> {
    pub totals: &'a mut Totals,
    pub happened: &'a mut Vec<Happened>,
    pub seconds: &'a mut Vec<Second>,
}

impl Browser {
    pub fn new(peer: Peer, tracks: Vec<ViewedTrack>, link: LinkConfig, now_us: u64) -> Self {
        let report_at_us = now_us + fastrand::u64(..SECOND_US);
        Browser {
            receiving: Receiving::new(tracks, link.storm_per_s, report_at_us),
            peer,
            link: Link::new(link),
            received: false,
            last_packet_us: 0,
            height: 0,
            bytes: 0,
            second: Mark { at_us: now_us, ..Mark::default() },
        }
    }

    /// A new span of figures begins, and the link's clock with it.
    pub fn reset(&mut self, now_us: u64) {
        self.last_packet_us = 0;
        self.link.begin(now_us);
        self.second = self.mark(now_us);
    }

    /// A datagram is at the far end of the link.
    pub fn on_datagram(&mut self, now_us: u64, data: &[u8]) {
        self.link.take(now_us, data);
    }

    /// What has come through the link, what is to be answered, the figures of a second. Call every turn.
    pub fn tick(&mut self, now_us: u64, notes: &mut Notes<'_>, out: &mut Egress) -> Step {
        let mut step = self.peer.tick(now_us, out);
        while let Some((at, mut data)) = self.link.due(now_us) {
            let next = self.arrived(at, &mut data, notes, out);
            step = if next == Step::Nothing { step } else { next };
        }
        if self.peer.is_connected() {
            if let Some(packet) = self.receiving.feedback(now_us) {
                self.peer.send_rtcp(now_us, packet, out);
            }
        }
        if now_us >= self.second.at_us + SECOND_US {
            let second = self.take_second(now_us);
            notes.totals.report.lost += second.video_lost;
            notes.totals.report.duplicates += second.duplicates;
            notes.totals.report.repaired += second.repaired;
            notes.seconds.push(second);
        }
        step
    }

    fn arrived(&mut self, at_us: u64, data: &mut [u8], notes: &mut Notes<'_>, out: &mut Egress) -> Step {
        let size = data.len();
        match demux::classify(data) {
            demux::Kind::Rtp => self.rtp(at_us, data, notes),
            demux::Kind::Rtcp => {
                if let Some(len) = self.peer.rx.as_mut().and_then(|rx| rx.unprotect_rtcp(data).ok()) {
                    self.receiving.on_rtcp(at_us, &data[..len]);
                }
            }
            demux::Kind::Stun => return self.peer.on_stun(at_us, data, out),
            demux::Kind::Dtls => return self.peer.on_dtls(at_us, data, out),
            demux::Kind::Unknown => {}
        }
        self.bytes += (size + OVERHEAD) as u64;
        Step::Nothing
    }

    fn rtp(&mut self, at_us: u64, data: &mut [u8], notes: &mut Notes<'_>) {
        let Some(rx) = &mut self.peer.rx else { return };
        let (r, size) = (&mut notes.totals.report, data.len());
        let Ok(len) = rx.unprotect_rtp(data) else {
            r.bad_decrypts += 1;
            return;
        };
        r.packets += 1;
        r.bytes += size as u64;
        r.decrypted += 1;
        if self.last_packet_us > 0 {
            r.longest_gap_us = r.longest_gap_us.max(at_us.saturating_sub(self.last_packet_us));
        }
        self.last_packet_us = at_us;
        if !self.received {
            self.received = true;
            self.note(at_us, "first_packet", String::new(), notes);
        }
        if let Some(sent) = self.receiving.on_rtp(at_us, &data[..len], size).and_then(read_stamp) {
            notes.totals.latency.add(at_us.saturating_sub(sent));
            notes.totals.copies.note(sent, at_us);
        }
        let height = self.receiving.pictures.height;
        if height != self.height {
            if self.height == 0 {
                self.note(at_us, "first_keyframe", String::new(), notes);
            }
            self.height = height;
            self.note(at_us, "picture", height.to_string(), notes);
        }
    }

    fn note(&self, at_us: u64, what: &'static str, detail: String, notes: &mut Notes<'_>) {
        notes.happened.push(Happened { id: self.peer.transport.id, what, at_us, detail });
    }

    fn mark(&self, now_us: u64) -> Mark {
        Mark {
            at_us: now_us,
            bytes: self.bytes,
            sums: self.receiving.sums,
            shown: self.receiving.pictures.shown,
            audio: self.receiving.audio(),
            link: (self.link.dropped, self.link.lost),
        }
    }

    fn take_second(&mut self, now_us: u64) -> Second {
        let (now, before) = (self.mark(now_us), self.second);
        self.second = now;
        let (sums, shown) = (now.sums, now.shown);
        Second {
            id: self.peer.transport.id,
            at_us: now_us,
            span_us: now_us - before.at_us,
            limit_bps: self.link.rate_bps((before.at_us + now_us) / 2),
            bytes: now.bytes - before.bytes,
            padding_bytes: sums.padding_bytes - before.sums.padding_bytes,
            queue_drops: now.link.0 - before.link.0,
            random_losses: now.link.1 - before.link.1,
            height: self.receiving.pictures.height,
            pictures: shown.pictures - before.shown.pictures,
            switches: shown.switches - before.shown.switches,
            freezes: shown.freezes - before.shown.freezes,
            frozen_us: shown.frozen_us - before.shown.frozen_us,
            standing_us: self.receiving.pictures.standing_us(now_us),
            video: sums.video - before.sums.video,
            video_lost: shown.lost - before.shown.lost,
            audio: now.audio.0 - before.audio.0,
            audio_lost: now.audio.1.saturating_sub(before.audio.1),
            nacked: sums.nacked - before.sums.nacked,
            repaired: sums.repaired - before.sums.repaired,
            duplicates: sums.duplicates - before.sums.duplicates,
            plis: sums.plis - before.sums.plis,
            remb_bps: self.receiving.remb_bps(),
        }
    }
}
