//! A session goes from one plane to another one and keeps its association. Two planes with certificates of their own have
//! the same sources, each with a delay of its own; the peer is one browser with real DTLS behind it.

mod orders;
mod publishers;
mod stopped;
mod viewers;
mod wiretap;

use std::collections::{BTreeMap, HashMap};

use rillcast_wire::{demux, rtcp};

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::*;
use crate::events::Event;
use crate::srtp_state::SrtpState;
use crate::worker::TICK_US;
use wiretap::Wiretap;

pub const VIDEO: Track = Track { source: 200, ssrc: 5, rtx_ssrc: 6, rate: 90_000, kind: Kind::Video, every_us: 33_000 };
pub const AUDIO: Track =
    Track { source: 201, ssrc: 15, rtx_ssrc: 0, rate: 48_000, kind: Kind::Audio, every_us: 20_000 };
/// From one node to another one over the bus.
pub const BUS_US: u64 = 10_000;
/// A group of pictures.
const FRAMES: u64 = 60;
const NTP_BEGAN: u64 = 50 << 32;
const PACKET_BYTES: usize = 1_100;

/// What a publisher sends to both planes, and a viewer gets from either.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Track {
    pub source: u64,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub rate: u32,
    pub kind: Kind,
    every_us: u64,
}

impl Track {
    pub fn sent(self) -> SendTrack {
        SendTrack {
            track: self.source,
            kind: self.kind,
            clock_rate: self.rate,
            payload_type: 102,
            rtx_payload_type: 103,
            ssrc: self.ssrc,
            rtx_ssrc: self.rtx_ssrc,
            cname: "c".into(),
            source: Some(self.source),
        }
    }

    /// The RTP time of what is captured at `us`.
    fn ts(self, us: u64) -> u32 {
        777_000u32.wrapping_mul(self.ssrc).wrapping_add((us as f64 / 1e6 * f64::from(self.rate)).round() as u32)
    }
}

/// A packet of the publisher on its way to a plane.
#[derive(Clone, Copy)]
struct Captured {
    track: Track,
    number: u16,
    frame: u64,
    part: usize,
    captured_us: u64,
}

impl Captured {
    /// The time of capture stands at its end.
    fn payload(&self, bytes: [usize; 2]) -> Vec<u8> {
        let keyframe = self.frame.is_multiple_of(FRAMES);
        let mut payload = match (self.track.kind, self.part) {
            (Kind::Audio, _) => vec![0xf8],
            (Kind::Video, 0) => [DELTA, KEYFRAME][usize::from(keyframe)].to_vec(),
            (Kind::Video, _) => vec![0, 0],
        };
        if bytes != [0; 2] && self.track.kind == Kind::Video {
            payload.resize(PACKET_BYTES, 0);
        }
        [&payload[..], &self.captured_us.to_be_bytes()].concat()
    }
}

/// A picture or a piece of sound as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    pub at_us: u64,
    pub ssrc: u32,
    pub seq: u16,
    pub ts: u32,
    /// When it was captured.
    pub captured_us: u64,
}

pub struct World {
    /// The plane that hands over, and the one that takes over.
    pub a: Bench,
    pub b: Bench,
    pub peer: Peer,
    pub tracks: Vec<Track>,
    pub tap: Wiretap,
    pub arrived: Vec<Arrived>,
    /// What the sender reports say: NTP and RTP time, by SSRC.
    pub reports: BTreeMap<u32, (u64, u32)>,
    /// How late each plane has what is captured.
    pub late_us: [u64; 2],
    /// The bytes of a keyframe, and of any other picture.
    pub bytes: [usize; 2],
    /// Whether packet number n on the way to the peer is lost.
    pub loses: fn(u64) -> bool,
    passed: u64,
    under_way: [Vec<(u64, Captured)>; 2],
    numbers: HashMap<u64, u16>,
    frames: HashMap<u64, u64>,
    packets: u64,
    nothing_reported: bool,
}

impl World {
    /// A viewer is connected to the first plane, and has its media.
    pub fn viewer(tracks: &[Track]) -> Self {
        Self::viewer_with(tracks, false)
    }

    pub fn viewer_with(tracks: &[Track], nothing_reported: bool) -> Self {
        let (mut a, mut b) = (Bench::new(), Bench::new());
        // Planes do not start together.
        b.now += 7_000_123;
        for bench in [&mut a, &mut b] {
            for t in tracks {
                let (codec, source) = (if t.kind == Kind::Video { "VP8" } else { "opus" }, t.source);
                let spec = SourceSpec { source, worker: 0, kind: t.kind, codec: codec.into(), clock_rate: t.rate };
                bench.command(Command::AddPushSource(spec));
            }
        }
        let peer = a.join(2, 1002, vec![], tracks.iter().map(|t| t.sent()).collect());
        let mut world = World {
            a,
            b,
            peer,
            tracks: tracks.to_vec(),
            tap: Wiretap::default(),
            arrived: vec![],
            reports: BTreeMap::new(),
            late_us: [20_000, 20_000],
            bytes: [0; 2],
            loses: |_| false,
            passed: 0,
            under_way: Default::default(),
            numbers: HashMap::new(),
            frames: HashMap::new(),
            packets: 0,
            nothing_reported,
        };
        world.say_hello();
        world.pass(1_500_000);
        world
    }

    /// The peer's first report to the plane that has it: it has the keys.
    pub fn say_hello(&mut self) {
        let mut report = vec![];
        rtcp::write_rr(&mut report, 77, &[]);
        self.peer.send_rtcp(&mut self.a, report);
    }

    /// Time passes at both planes, the publisher and the peer.
    pub fn pass(&mut self, us: u64) {
        for _ in 0..us / TICK_US {
            self.passed += TICK_US;
            self.capture();
            for plane in 0..2 {
                self.feed(plane);
            }
            self.a.pass(TICK_US);
            self.b.pass(TICK_US);
            self.arrive();
        }
    }

    /// Time passes at the first plane and the publisher; what is sent meanwhile is nobody's.
    pub fn pass_at_the_first(&mut self, us: u64) {
        for _ in 0..us / TICK_US {
            self.passed += TICK_US;
            self.capture();
            self.feed(0);
            self.a.pass(TICK_US);
        }
    }

    fn capture(&mut self) {
        for t in self.tracks.clone() {
            let due = |us: u64| us / t.every_us;
            if due(self.passed) == due(self.passed - TICK_US) {
                continue;
            }
            let next = self.frames.entry(t.source).or_default();
            let frame = std::mem::replace(next, *next + 1);
            let bytes = if t.kind == Kind::Video { self.bytes[usize::from(!frame.is_multiple_of(FRAMES))] } else { 0 };
            for part in 0..bytes / PACKET_BYTES + 1 {
                let number = self.numbers.entry(t.source).and_modify(|n| *n = n.wrapping_add(1)).or_insert(65_500);
                let p = Captured { track: t, number: *number, frame, part, captured_us: self.passed };
                for (queue, late_us) in self.under_way.iter_mut().zip(self.late_us) {
                    queue.push((self.passed + late_us, p));
                }
            }
        }
    }

    fn feed(&mut self, plane: usize) {
        let bench = if plane == 0 { &mut self.a } else { &mut self.b };
        let (due, later): (Vec<_>, Vec<_>) = self.under_way[plane].drain(..).partition(|(at, _)| *at <= self.passed);
        self.under_way[plane] = later;
        for (_, p) in due {
            let (t, ts) = (p.track, p.track.ts(p.captured_us));
            bench.push(t.source, p.number, ts, &p.payload(self.bytes));
            let ntp = NTP_BEGAN + ((p.captured_us as u128) << 32).wrapping_div(1_000_000) as u64;
            if !self.nothing_reported && p.number % 30 == 10 {
                bench.command(Command::SetClock { source: t.source, ntp, rtp_ts: ts });
            }
        }
    }

    fn arrive(&mut self) {
        for plane in 0..2 {
            let bench = if plane == 0 { &mut self.a } else { &mut self.b };
            let sent = bench.sent_to(self.peer.address);
            let mut arrived = vec![];
            for d in sent {
                self.tap.see(&d);
                let media = demux::classify(&d) == demux::Kind::Rtp;
                self.packets += u64::from(media);
                if !media || !(self.loses)(self.packets) {
                    arrived.push(d);
                }
            }
            let (media, control) = self.peer.takes(bench, arrived);
            for (h, payload) in media {
                let captured_us = u64::from_be_bytes(payload[payload.len() - 8..].try_into().unwrap());
                let (at_us, ssrc, seq, ts) = (self.passed, h.ssrc, h.seq, h.ts);
                self.arrived.push(Arrived { at_us, ssrc, seq, ts, captured_us });
            }
            for p in control.iter().flat_map(|c| rtcp::packets(c).flatten()) {
                if let rtcp::Packet::Sr { ssrc, ntp, rtp_ts, .. } = p {
                    self.reports.insert(ssrc, (ntp, rtp_ts));
                }
            }
        }
    }

    /// The first plane's answer.
    pub fn export(&mut self, stop: bool) -> Option<SrtpState> {
        export(&mut self.a, stop)
    }

    /// The second plane gets the session; what it sends is the first one's business still.
    pub fn prepare(&mut self) {
        let srtp = self.export(false).expect("a connected session");
        self.pass(BUS_US);
        let add = self.added(srtp);
        self.b.command(Command::AddSession(Box::new(add)));
    }

    pub fn added(&self, srtp: SrtpState) -> AddSession {
        let send = self.tracks.iter().map(|t| t.sent()).collect();
        AddSession { srtp: Some(Box::new(srtp)), ..self.b.session(2, vec![], send, "") }
    }

    /// The peer's ICE chooses the second plane.
    pub fn nominate(&mut self) {
        self.b.give(self.peer.address, self.peer.own_check());
        self.arrive();
        self.b.settle();
        assert!(self.b.events.iter().any(|e| matches!(e, Event::SessionNominated { session: 2 })));
    }

    /// The first plane stops, and the second one goes on.
    pub fn hand_over(&mut self) {
        self.pass(BUS_US);
        let srtp = self.export(true).expect("the final counters");
        self.pass(BUS_US);
        self.b.command(Command::ContinueSession { session: 2, srtp: Box::new(srtp) });
        self.pass(TICK_US);
    }

    pub fn move_over(&mut self) {
        self.prepare();
        self.pass(50_000);
        self.nominate();
        self.hand_over();
    }

    /// The longest time without a new picture, or sound, since a moment.
    pub fn longest_pause_us(&self, t: Track, since_us: u64) -> u64 {
        let mut times: Vec<u64> =
            self.arrived.iter().filter(|p| p.ssrc == t.ssrc && p.at_us >= since_us).map(|p| p.at_us).collect();
        times.push(self.passed);
        times.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(u64::MAX)
    }

    pub fn now_us(&self) -> u64 {
        self.passed
    }

    /// How far the sound of what was just shown is from it, by the timestamps and the reports, as a browser does it.
    pub fn lips_apart_us(&self) -> f64 {
        (self.told_us(VIDEO) - self.told_us(AUDIO)).abs()
    }

    /// How much later than it was the newest packet was captured, by its timestamp and the reports.
    pub fn told_us(&self, t: Track) -> f64 {
        let p = self.arrived.iter().rev().find(|p| p.ssrc == t.ssrc).expect("media");
        let (ntp, rtp) = self.reports[&t.ssrc];
        let said = ntp.wrapping_sub(NTP_BEGAN) as i64 as f64 / (1u64 << 32) as f64
            + f64::from(p.ts.wrapping_sub(rtp) as i32) / f64::from(t.rate);
        said * 1e6 - p.captured_us as f64
    }

    /// How far the timestamps of the newest packet are from those that the first plane would have given it.
    pub fn drift_us(&self, t: Track, since_us: u64) -> f64 {
        let offset = |p: &Arrived| p.ts.wrapping_sub(t.ts(p.captured_us));
        let of = |p: &&Arrived| p.ssrc == t.ssrc;
        let before = self.arrived.iter().filter(of).rfind(|p| p.at_us < since_us).expect("media before");
        let after = self.arrived.iter().rev().find(of).expect("media after");
        assert!(after.at_us >= since_us);
        f64::from(offset(after).wrapping_sub(offset(before)) as i32) / f64::from(t.rate) * 1e6
    }

    /// No number is left out or goes back in what was sent on an SSRC.
    pub fn assert_numbers_go_on(&self, ssrc: u32) {
        let sent = self.tap.sent(ssrc);
        assert!(sent.len() > 20, "{} packets", sent.len());
        assert!(sent.windows(2).all(|w| w[1] == w[0] + 1), "{:?}", sent.windows(2).find(|w| w[1] != w[0] + 1));
    }

    /// The planes change their parts.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.a, &mut self.b);
        self.under_way.swap(0, 1);
        self.late_us.swap(0, 1);
    }

    pub fn everybody_leaves(&mut self) {
        for bench in [&mut self.a, &mut self.b] {
            bench.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
            for t in &self.tracks {
                bench.command(Command::RemoveSource { source: t.source });
            }
            bench.pass(2 * TICK_US);
            assert_eq!(bench.worker.leftovers(), Vec::<&str>::new());
        }
        self.arrive();
    }
}

/// The answer to an export of session 2, of which there is exactly one.
pub fn export(bench: &mut Bench, stop: bool) -> Option<SrtpState> {
    export_of(bench, 2, stop)
}

pub fn export_of(bench: &mut Bench, session: u64, stop: bool) -> Option<SrtpState> {
    bench.events.clear();
    bench.command(Command::ExportSession { session, stop });
    let answers = bench.events.iter().filter_map(|e| match e {
        Event::SessionExported { session: s, srtp } if *s == session => Some(srtp.clone()),
        _ => None,
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().flatten().map(|s| *s)
}

/// What of `sent` is no STUN: something sealed, or DTLS.
pub fn but_checks(sent: Vec<Vec<u8>>) -> usize {
    sent.iter().filter(|d| demux::classify(d) != demux::Kind::Stun).count()
}

/// What the plane said of the last command, if it could not carry it out.
pub fn error(bench: &Bench) -> Option<String> {
    bench.events.iter().rev().find_map(|e| match e {
        Event::Error { message, .. } => Some(message.clone()),
        _ => None,
    })
}
