//! Receivers behind links, in virtual time: a VP8 sender that repairs what it is asked for.

use rillcast_wire::rtp::write_header;

use super::*;
use crate::link::{Link, LinkConfig};

const TICK_US: u64 = 1_000;
const FRAME_US: u64 = 33_333;
const DELAY_US: u64 = 20_000;
const MEDIA: u8 = 96;
const RTX: u8 = 97;
const AUDIO: u8 = 111;

fn viewed(video: bool) -> ViewedTrack {
    ViewedTrack {
        video,
        codec: if video { "VP8" } else { "opus" }.into(),
        clock_rate: if video { 90_000 } else { 48_000 },
        payload_type: if video { MEDIA } else { AUDIO },
        rtx_payload_type: if video { RTX } else { 0 },
        abs_send_time: if video { 2 } else { 0 },
    }
}

/// What was asked for, as the sender heard it.
#[derive(Default)]
struct Heard {
    nacked: usize,
    plis: Vec<u64>,
    rembs: Vec<(u64, u64)>,
    reports: Vec<rtcp::Report>,
}

struct Path {
    link: Link,
    up: Vec<(u64, Vec<u8>)>,
    receiving: Receiving,
    heard: Heard,
    now: u64,
    seq: u16,
    rtx: u16,
    frame: u64,
    /// Media packets sent (timestamp, marker, payload), for repair.
    sent: Vec<(u32, bool, Vec<u8>)>,
    video_bps: u64,
    repairs: bool,
    answers_pli: bool,
    keyframe: bool,
}

impl Path {
    fn new(rates: &[(u64, u64)], loss: f64, video_bps: u64) -> Self {
        fastrand::seed(7);
        let config = LinkConfig { rates: rates.to_vec(), delay_us: DELAY_US, queue_us: 300_000, loss, storm_per_s: 0 };
        let mut link = Link::new(config);
        link.begin(0);
        Path {
            link,
            up: vec![],
            receiving: Receiving::new(vec![viewed(true), viewed(false)], 0, 0),
            heard: Heard::default(),
            now: 0,
            seq: 65_000,
            rtx: 1,
            frame: 0,
            sent: vec![],
            video_bps,
            repairs: true,
            answers_pli: true,
            keyframe: true,
        }
    }

    fn run(&mut self, until_us: u64) {
        while self.now < until_us {
            self.now += TICK_US;
            if self.now >= self.frame * FRAME_US {
                self.send_frame();
            }
            if self.now.is_multiple_of(20_000) {
                self.send(AUDIO, (self.now / 20_000) as u16, 0, true, &[0; 120]);
            }
            while let Some((at, data)) = self.link.due(self.now) {
                self.receiving.on_rtp(at, &data, data.len());
            }
            if let Some(packet) = self.receiving.feedback(self.now) {
                self.up.push((self.now + DELAY_US, packet));
            }
            while self.up.first().is_some_and(|u| u.0 <= self.now) {
                let packet = self.up.remove(0).1;
                self.hear(&packet);
            }
        }
    }

    fn send_frame(&mut self) {
        let key = std::mem::take(&mut self.keyframe) || self.frame.is_multiple_of(60);
        let size = self.video_bps / 8 / 30 * if key { 3 } else { 1 };
        let packets = size.div_ceil(1_200);
        for i in 0..packets {
            let mut payload = vec![0; (size / packets) as usize];
            payload[0] = if i == 0 { 0x10 } else { 0 };
            payload[1] = u8::from(!key);
            payload[4..11].copy_from_slice(&[0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01]);
            let seq = self.seq;
            self.seq = self.seq.wrapping_add(1);
            let marker = i + 1 == packets;
            let ts = self.frame as u32 * 3_000;
            self.send(MEDIA, seq, ts, marker, &payload);
            self.sent.push((ts, marker, payload));
        }
        self.frame += 1;
    }

    fn send(&mut self, pt: u8, seq: u16, ts: u32, marker: bool, payload: &[u8]) {
        let mut d = vec![0; 1_500];
        let ticks = ((self.now << 18) / 1_000_000) as u32;
        let stamp = &ticks.to_be_bytes()[1..];
        let extensions: &[(u8, &[u8])] = if pt == AUDIO { &[] } else { &[(2, stamp)] };
        let header = write_header(&mut d, marker, pt, seq, ts, u32::from(pt), false, extensions);
        d[header..header + payload.len()].copy_from_slice(payload);
        self.link.take(self.now, &d[..header + payload.len()]);
    }

    fn hear(&mut self, packet: &[u8]) {
        for p in rtcp::packets(packet).flatten() {
            match p {
                rtcp::Packet::Nack { seqs, .. } => seqs.for_each(|seq| self.repair(seq)),
                rtcp::Packet::Pli { .. } => {
                    self.heard.plis.push(self.now);
                    self.keyframe |= self.answers_pli;
                }
                rtcp::Packet::Remb { bitrate_bps, .. } => self.heard.rembs.push((self.now, bitrate_bps)),
                rtcp::Packet::Rr { reports, .. } => self.heard.reports.extend(reports),
                _ => {}
            }
        }
    }

    fn repair(&mut self, seq: u16) {
        self.heard.nacked += 1;
        let back = usize::from(self.seq.wrapping_sub(seq));
        if !self.repairs || back > self.sent.len() {
            return;
        }
        let (ts, marker, original) = &self.sent[self.sent.len() - back];
        let (ts, marker, payload) = (*ts, *marker, [&seq.to_be_bytes()[..], original].concat());
        let rtx = self.rtx;
        self.rtx += 1;
        self.send(RTX, rtx, ts, marker, &payload);
    }

    fn remb_at(&self, at_us: u64) -> u64 {
        self.heard.rembs.iter().rev().find(|r| r.0 <= at_us).map_or(0, |r| r.1)
    }
}

#[test]
fn on_a_link_with_room_everything_comes_and_the_estimate_is_told_after_five_seconds() {
    let mut p = Path::new(&[(0, 0)], 0.0, 1_000_000);
    p.run(4_900_000);
    assert!(p.heard.rembs.is_empty());
    p.run(10_000_000);
    let shown = p.receiving.pictures.shown;
    assert!((295..=300).contains(&shown.pictures), "{shown:?}");
    assert_eq!((shown.lost, shown.freezes, shown.switches, p.receiving.pictures.height), (0, 0, 0, 360));
    assert_eq!((p.receiving.audio().1, p.heard.nacked, p.heard.plis.len()), (0, 0, 1), "the first packet was a PLI's");
    assert!((1_400_000..2_200_000).contains(&p.remb_at(10_000_000)), "{:?}", p.heard.rembs);
    let last = p.heard.reports.last().unwrap();
    assert_eq!((last.fraction_lost, last.cumulative_lost), (0, 0));
}

#[test]
fn a_tenth_lost_at_random_is_repaired() {
    let mut p = Path::new(&[(0, 0)], 0.1, 1_000_000);
    p.run(20_000_000);
    let (shown, sums) = (p.receiving.pictures.shown, p.receiving.sums);
    assert!(shown.lost <= 3, "three tries fail one time in a thousand: {shown:?}");
    assert!(shown.pictures > 585 && shown.frozen_us < 1_000_000, "{shown:?}");
    assert!(sums.repaired > 150 && sums.padding_bytes < 50_000, "{sums:?}");
    let lost = p.receiving.audio().1;
    assert!((60..140).contains(&lost), "{lost} of 1000 audio packets");
    let told = p.heard.reports.iter().filter(|r| r.ssrc == 96).map(|r| u32::from(r.fraction_lost));
    let mean = told.clone().sum::<u32>() / told.count() as u32;
    assert!((18..34).contains(&mean), "{mean}/256, of reports that come with estimates as well");
}

#[test]
fn a_link_that_gets_too_slow_is_told_within_a_second_and_below_its_rate() {
    let mut p = Path::new(&[(0, 3_000_000), (10_000, 700_000)], 0.0, 1_500_000);
    p.run(10_000_000);
    assert!(p.remb_at(10_000_000) > 1_500_000, "{:?}", p.heard.rembs);
    p.run(11_000_000);
    assert!((300_000..700_000).contains(&p.remb_at(11_000_000)), "{:?}", p.heard.rembs.last());
    p.run(15_000_000);
    assert!(p.receiving.pictures.shown.freezes > 0 && p.link.dropped > 100, "the sender went on at 1.5 Mbit/s");
}

#[test]
fn what_cannot_be_repaired_ends_in_a_request_for_a_keyframe_which_ends_the_freeze() {
    let mut p = Path::new(&[(0, 0)], 0.0, 500_000);
    p.repairs = false;
    p.run(2_600_000);
    let before = p.heard.plis.len();
    p.receiving.nacks.on_packet(p.now, 65_536 + u64::from(p.seq) + 1); // lost on the way: the next packet
    p.seq = p.seq.wrapping_add(1);
    p.run(8_000_000);
    let shown = p.receiving.pictures.shown;
    assert_eq!((shown.lost, shown.freezes), (1, 1), "{shown:?}");
    assert!(p.heard.plis.len() > before && shown.frozen_us < 1_600_000, "{shown:?} {:?}", p.heard.plis);
}

#[test]
fn before_the_first_keyframe_one_is_asked_for_every_200_ms() {
    let mut p = Path::new(&[(0, 0)], 0.0, 500_000);
    (p.keyframe, p.frame, p.answers_pli) = (false, 1, false);
    p.run(1_000_000);
    assert!((4..=6).contains(&p.heard.plis.len()), "{:?}", p.heard.plis);
    assert!(p.receiving.pictures.waits_for_keyframe());
}

#[test]
fn repeated_packets_are_padding_and_a_storm_asks_for_what_is_there() {
    let mut p = Path::new(&[(0, 0)], 0.0, 1_000_000);
    p.receiving.storm.per_s = 1_000;
    p.run(5_000_000);
    assert!((4_500..5_100).contains(&p.heard.nacked), "{}", p.heard.nacked);
    assert_eq!(p.receiving.sums.repaired, 0);
    assert!(p.receiving.sums.padding_bytes > 1_000_000);
}
