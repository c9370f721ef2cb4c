//! Sound and picture after three relays: what the sender reports say of their clocks passes every hop.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use rillcast_wire::{demux, rtcp};

use super::rig::{Bench, Peer, KEYFRAME};
use crate::config::*;
use crate::worker::TICK_US;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
const HOPS: usize = 3;
pub const VIDEO: Track =
    Track { source: 100, ssrc: 5, payload_type: 96, rate: 90_000, kind: Kind::Video, codec: "VP8", late_us: 40_000 };
pub const AUDIO: Track =
    Track { source: 101, ssrc: 15, payload_type: 111, rate: 48_000, kind: Kind::Audio, codec: "opus", late_us: 5_000 };
/// The publisher's crystal, against everybody else's.
const DRIFT: f64 = 200e-6;
const NTP_BEGAN: u64 = 50 << 32;
/// Anybody notices sound that is 45 ms early or 125 ms late (ITU-R BT.1359-1).
const BOUND_S: f64 = 0.002;

#[derive(Clone, Copy, PartialEq)]
pub struct Track {
    source: u64,
    ssrc: u32,
    payload_type: u8,
    rate: u32,
    kind: Kind,
    codec: &'static str,
    /// How long each of its packets takes from node to node.
    late_us: u64,
}

impl Track {
    fn spec(&self) -> SourceSpec {
        let (source, kind, codec) = (self.source, self.kind, self.codec.to_owned());
        SourceSpec { source, worker: 0, kind, codec, clock_rate: self.rate }
    }

    fn received(&self) -> RecvTrack {
        RecvTrack {
            mid: self.source.to_string(),
            kind: self.kind,
            codec: self.codec.into(),
            clock_rate: self.rate,
            payload_type: self.payload_type,
            rtx_payload_type: 0,
            encodings: vec![Encoding { source: self.source, rid: String::new() }],
            ssrcs: vec![self.ssrc],
            rtx_ssrcs: vec![],
            parameter_sets: vec![],
            nack: false,
            pli: self.kind == Kind::Video,
            remb: false,
        }
    }

    fn sent(&self) -> SendTrack {
        SendTrack {
            track: self.source,
            kind: self.kind,
            clock_rate: self.rate,
            payload_type: self.payload_type,
            rtx_payload_type: 0,
            ssrc: self.ssrc,
            rtx_ssrc: 0,
            cname: "c".into(),
            source: Some(self.source),
        }
    }

    /// RTP time of what is captured `at_s` seconds after the begin.
    fn ts(&self, at_s: f64) -> u32 {
        777_000u32.wrapping_mul(self.ssrc).wrapping_add((at_s * f64::from(self.rate)).round() as u32)
    }
}

fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5001 + node as u16))
}

/// Each relay at a node has one of its own.
fn relay_ssrc(track: Track, hop: usize) -> u32 {
    track.ssrc + 1_000 * (hop as u32 + 1)
}

/// An origin with a publisher, and edges of which each feeds the next one; at the last one there is a viewer.
pub struct Chain {
    pub nodes: Vec<Bench>,
    publisher: Peer,
    viewer: Peer,
    /// Towards the viewer, by hop: when it arrives, and what.
    under_way: Vec<VecDeque<(u64, Vec<u8>)>>,
    pub passed_us: u64,
    numbers: BTreeMap<u32, u16>,
    /// When each packet was captured, by track and number.
    captured_s: BTreeMap<(u32, u16), f64>,
}

impl Chain {
    pub fn new() -> Self {
        let mut nodes: Vec<Bench> = (0..=HOPS).map(|_| Bench::new()).collect();
        let publisher = nodes[0].join(1, 1001, vec![VIDEO.received(), AUDIO.received()], vec![]);
        for hop in 0..HOPS {
            for t in [VIDEO, AUDIO] {
                let ssrc = relay_ssrc(t, hop);
                nodes[hop].command(Command::AddRelay(Box::new(AddRelay {
                    relay: t.source,
                    source: t.source,
                    ssrc,
                    payload_type: 96,
                    srtp_key: KEY.into(),
                    srtcp_key: KEY.into(),
                })));
                nodes[hop + 1].command(Command::AddRelaySource(Box::new(AddRelaySource {
                    spec: t.spec(),
                    parent: address(hop),
                    ssrc,
                    srtp_key: KEY.into(),
                    srtcp_key: KEY.into(),
                })));
            }
        }
        let viewer = nodes[HOPS].join(2, 1002, vec![], vec![VIDEO.sent(), AUDIO.sent()]);
        let under_way = (0..HOPS).map(|_| VecDeque::new()).collect();
        let (numbers, captured_s) = Default::default();
        Chain { nodes, publisher, viewer, under_way, passed_us: 0, numbers, captured_s }
    }

    /// By the clock of the publisher.
    pub fn at_s(&self) -> f64 {
        self.passed_us as f64 / 1e6 * (1.0 + DRIFT)
    }

    pub fn send(&mut self, t: Track) {
        self.send_late(t, 0.0);
    }

    /// What was captured so long before.
    pub fn send_late(&mut self, t: Track, late_s: f64) {
        self.send_as(t, self.at_s() - late_s, 0.0);
    }

    /// What is captured now, with a timestamp that is moved by so much.
    pub fn send_moved(&mut self, t: Track, moved_s: f64) {
        self.send_as(t, self.at_s(), moved_s);
    }

    fn send_as(&mut self, t: Track, at_s: f64, moved_s: f64) {
        let number = self.numbers.entry(t.ssrc).or_default();
        *number += 1;
        let mut payload = if t == VIDEO { KEYFRAME.to_vec() } else { vec![0xf8, 1, 2] };
        payload.extend(number.to_be_bytes());
        self.captured_s.insert((t.ssrc, *number), at_s);
        let ts = t.ts(at_s).wrapping_add((moved_s * f64::from(t.rate)) as i64 as u32);
        self.publisher.send_rtp(&mut self.nodes[0], t.payload_type, t.ssrc, *number, ts, &payload);
    }

    fn report(&mut self, t: Track) {
        self.report_by(t, 0.0);
    }

    /// By a wall clock that is so many seconds ahead.
    pub fn report_by(&mut self, t: Track, ahead_s: f64) {
        let (at_s, mut packet) = (self.at_s(), vec![]);
        let ntp = NTP_BEGAN.wrapping_add(((at_s + ahead_s) * (1u64 << 32) as f64) as i64 as u64);
        rtcp::write_sr(&mut packet, t.ssrc, ntp, t.ts(at_s), 1, 1, &[]);
        self.publisher.send_rtcp(&mut self.nodes[0], packet);
    }

    pub fn tick(&mut self) {
        self.passed_us += TICK_US;
        self.nodes.iter_mut().for_each(|n| n.pass(TICK_US));
        for hop in 0..HOPS {
            for d in self.nodes[hop + 1].sent_to(address(hop)) {
                self.nodes[hop].give_relay(address(hop + 1), d);
            }
            for d in self.nodes[hop].sent_to(address(hop + 1)) {
                let at = if demux::classify(&d) == demux::Kind::Rtp { 8 } else { 4 };
                let video = d.get(at..at + 4) == Some(&relay_ssrc(VIDEO, hop).to_be_bytes()[..]);
                let late_us = if video { VIDEO.late_us } else { AUDIO.late_us };
                self.under_way[hop].push_back((self.passed_us + late_us, d));
            }
            let (due, later) = self.under_way[hop].drain(..).partition(|(at, _)| *at <= self.passed_us);
            self.under_way[hop] = later;
            let due: VecDeque<(u64, Vec<u8>)> = due;
            for (_, d) in due {
                self.nodes[hop + 1].give_relay(address(hop), d);
            }
            self.nodes[hop + 1].settle();
        }
    }
}

/// What a browser does: by the newest report of each track, the time at which a packet was captured.
#[derive(Default)]
pub struct Player {
    reports: BTreeMap<u32, (u64, u32)>,
    /// By track, how far its newest packet is from where it belongs.
    errors_s: BTreeMap<u32, f64>,
    pub worst_s: f64,
    pub compared: usize,
}

impl Player {
    /// By how much the picture is shown too late against the sound.
    pub fn apart_s(&self) -> Option<f64> {
        Some(self.errors_s.get(&VIDEO.ssrc)? - self.errors_s.get(&AUDIO.ssrc)?)
    }

    pub fn take(&mut self, chain: &mut Chain, compares: bool) {
        let (media, control) = chain.viewer.received(&mut chain.nodes[HOPS]);
        for packet in control.iter().flat_map(|c| rtcp::packets(c).flatten()) {
            if let rtcp::Packet::Sr { ssrc, ntp, rtp_ts, .. } = packet {
                self.reports.insert(ssrc, (ntp, rtp_ts));
            }
        }
        for (header, payload) in media {
            let rate = if header.ssrc == VIDEO.ssrc { VIDEO.rate } else { AUDIO.rate };
            let Some((ntp, rtp)) = self.reports.get(&header.ssrc) else { continue };
            let number = u16::from_be_bytes(payload[payload.len() - 2..].try_into().unwrap());
            let said_s = ntp.wrapping_sub(NTP_BEGAN) as i64 as f64 / (1u64 << 32) as f64
                + f64::from(header.ts.wrapping_sub(*rtp) as i32) / f64::from(rate);
            self.errors_s.insert(header.ssrc, said_s - chain.captured_s[&(header.ssrc, number)]);
            if let (true, Some(v), Some(a)) = (compares, self.errors_s.get(&VIDEO.ssrc), self.errors_s.get(&AUDIO.ssrc))
            {
                self.worst_s = self.worst_s.max((v - a).abs());
                self.compared += 1;
            }
        }
    }
}

#[test]
fn sound_and_picture_stay_together_over_three_hops() {
    let (mut chain, mut player) = (Chain::new(), Player::default());
    for tick in 0..20_000_000 / TICK_US {
        if tick % 7 == 0 {
            chain.send(VIDEO);
        }
        if tick % 4 == 0 {
            chain.send(AUDIO);
        }
        if tick % 200 == 10 {
            chain.report(VIDEO);
        }
        if tick % 200 == 130 {
            chain.report(AUDIO);
        }
        chain.tick();
        player.take(&mut chain, tick * TICK_US > 6_000_000);
    }
    assert!(player.compared > 700, "{} packets were compared", player.compared);
    assert!(player.worst_s <= BOUND_S, "sound and picture are {:.2} ms apart", player.worst_s * 1e3);
}

/// Lip sync over ten minutes without any sender report of the publisher: what is guessed at the origin holds at the viewer.
#[test]
fn sound_and_picture_stay_together_without_the_publishers_reports() {
    let (mut chain, mut player) = (Chain::new(), Player::default());
    for tick in 0..600_000_000 / TICK_US {
        if tick % 7 == 0 {
            chain.send_late(VIDEO, fastrand::f64() * 0.03);
        }
        if tick % 4 == 0 {
            chain.send_late(AUDIO, fastrand::f64() * 0.01);
        }
        chain.tick();
        player.take(&mut chain, tick * TICK_US > 2_000_000);
    }
    assert!(player.compared > 20_000, "{} packets were compared", player.compared);
    println!("without sender reports, in ten minutes: {:.1} ms apart at most", player.worst_s * 1e3);
    assert!(player.worst_s <= 0.04, "sound and picture are {:.2} ms apart", player.worst_s * 1e3);
}
