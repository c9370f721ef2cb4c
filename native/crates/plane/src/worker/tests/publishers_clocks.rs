//! Viewers that go over to another publisher, whose clock is another one, and come back: their own time goes on, and sound
//! and picture stay together.

use std::collections::{BTreeMap, VecDeque};

use rillcast_wire::rtcp;

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::*;
use crate::worker::TICK_US;

/// Reports through which a browser's line goes, as Chromium has it (`RtpToNtpEstimator`).
const REPORTS: usize = 20;
/// Nobody notices less (ITU-R BT.1359-1: 45 ms).
const BOUND_S: f64 = 0.03;

#[derive(Clone, Copy)]
struct Track {
    source: u64,
    rate: u32,
    kind: Kind,
}

impl Track {
    fn ssrc(self) -> u32 {
        self.source as u32 + 5_000
    }

    fn ts(self, captured_s: f64) -> u32 {
        77_000u32.wrapping_mul(self.ssrc()).wrapping_add((captured_s * f64::from(self.rate)).round() as u32)
    }

    fn spec(self, session: bool) -> RecvTrack {
        let (codec, payload_type) = if self.kind == Kind::Video { ("VP8", 96) } else { ("opus", 111) };
        RecvTrack {
            mid: self.source.to_string(),
            kind: self.kind,
            codec: codec.into(),
            clock_rate: self.rate,
            payload_type,
            rtx_payload_type: 0,
            encodings: vec![Encoding { source: self.source, rid: String::new() }],
            ssrcs: vec![self.ssrc()],
            rtx_ssrcs: vec![],
            parameter_sets: vec![],
            nack: false,
            pli: self.kind == Kind::Video && session,
            remb: false,
        }
    }
}

/// Two tracks of one clock.
#[derive(Clone, Copy)]
struct Clocked {
    video: Track,
    audio: Track,
    /// How much it is ahead.
    ahead_s: f64,
    /// From the capture until the packet is here.
    late_s: f64,
    reports: bool,
}

impl Clocked {
    fn new(first: u64, ahead_s: f64, late_s: f64) -> Self {
        let video = Track { source: first, rate: 90_000, kind: Kind::Video };
        let audio = Track { source: first + 1, rate: 48_000, kind: Kind::Audio };
        Clocked { video, audio, ahead_s, late_s, reports: true }
    }

    fn tracks(self) -> [Track; 2] {
        [self.video, self.audio]
    }
}

/// What a browser makes of one SSRC: a line through the newest reports.
#[derive(Default)]
struct Line {
    reports: VecDeque<(f64, f64)>,
    contradicting: usize,
    first_ts: Option<u32>,
}

impl Line {
    fn seconds(&mut self, ts: u32, rate: u32) -> f64 {
        let first = *self.first_ts.get_or_insert(ts);
        f64::from(ts.wrapping_sub(first) as i32) / f64::from(rate)
    }

    fn report(&mut self, ntp_s: f64, ts: u32, rate: u32) {
        let rtp_s = self.seconds(ts, rate);
        if let Some((ntp, rtp)) = self.reports.back() {
            if ntp_s <= *ntp || rtp_s <= *rtp || ntp_s > ntp + 3_600.0 {
                self.contradicting += 1;
                if self.contradicting < 3 {
                    return;
                }
                self.reports.clear();
            }
        }
        self.contradicting = 0;
        self.reports.push_back((ntp_s, rtp_s));
        if self.reports.len() > REPORTS {
            self.reports.pop_front();
        }
    }

    /// When it was captured, by the line.
    fn captured_s(&mut self, ts: u32, rate: u32) -> Option<f64> {
        let rtp_s = self.seconds(ts, rate);
        let n = self.reports.len() as f64;
        if n < 2.0 {
            return None;
        }
        let mean = self.reports.iter().fold((0.0, 0.0), |m, r| (m.0 + r.0 / n, m.1 + r.1 / n));
        let (mut both, mut square) = (0.0, 0.0);
        for (ntp, rtp) in &self.reports {
            both += (rtp - mean.1) * (ntp - mean.0);
            square += (rtp - mean.1).powi(2);
        }
        Some(mean.0 + both / square * (rtp_s - mean.1))
    }
}

/// A node with the publishers, and a viewer at it.
struct Stage {
    node: Bench,
    peers: Vec<(Clocked, Peer)>,
    viewer: Peer,
    passed_us: u64,
    numbers: BTreeMap<u32, u16>,
    /// By kind of track and the last bytes of the payload: when it was captured, and by whom.
    captured_s: BTreeMap<(bool, u32), (f64, usize)>,
    made: u32,
    lines: BTreeMap<bool, Line>,
    /// By kind of track, of the newest packet: when it was captured by the reports, when it was, and by whom.
    newest: BTreeMap<bool, (f64, f64, usize)>,
    /// By how much the picture is told later than the sound, at the end of each second.
    apart_s: Vec<f64>,
    /// By kind of track: how far timestamps ran from one packet to the next, in seconds.
    steps: Vec<(bool, f64)>,
    last_ts: BTreeMap<bool, u32>,
    last_number: BTreeMap<bool, u16>,
    holes: u32,
    /// When the picture began to come from another publisher.
    shown_us: u64,
}

impl Stage {
    fn new(publishers: &[Clocked]) -> Self {
        let mut node = Bench::new();
        let mut peers = vec![];
        for (n, p) in publishers.iter().enumerate() {
            let recv = p.tracks().iter().map(|t| t.spec(true)).collect();
            peers.push((*p, node.join(n as u64 + 10, 1_010 + n as u16, recv, vec![])));
        }
        let first = publishers[0];
        let sent = |t: Track, track: u64| SendTrack {
            track,
            kind: t.kind,
            clock_rate: t.rate,
            payload_type: 96 + track as u8,
            rtx_payload_type: 0,
            ssrc: 1 + track as u32,
            rtx_ssrc: 0,
            cname: "c".into(),
            source: Some(t.source),
        };
        let viewer = node.join(2, 1_002, vec![], vec![sent(first.video, 0), sent(first.audio, 1)]);
        Stage {
            node,
            peers,
            viewer,
            passed_us: 0,
            numbers: BTreeMap::new(),
            captured_s: BTreeMap::new(),
            made: 0,
            lines: BTreeMap::new(),
            newest: BTreeMap::new(),
            apart_s: vec![],
            steps: vec![],
            last_ts: BTreeMap::new(),
            last_number: BTreeMap::new(),
            holes: 0,
            shown_us: 0,
        }
    }

    /// The picture waits for a keyframe, and goes over so much later than the sound.
    fn show(&mut self, of: Clocked, silent: &[u64]) {
        for (track, t) in [(1, of.audio), (0, of.video)] {
            self.node.command(Command::SwitchSource { session: 2, track, source: Some(t.source), hold: false });
            self.seconds(2, silent);
        }
    }

    fn seconds(&mut self, seconds: u64, silent: &[u64]) {
        for _ in 0..seconds * 1_000_000 / TICK_US {
            self.tick(silent);
        }
    }

    /// `silent`: publishers that send nothing, by their first source.
    fn tick(&mut self, silent: &[u64]) {
        let tick = self.passed_us / TICK_US;
        for n in 0..self.peers.len() {
            let publisher = self.peers[n].0;
            if silent.contains(&publisher.video.source) {
                continue;
            }
            // Those that come in one tick at one publisher come in others at the next.
            if (tick + n as u64).is_multiple_of(7) {
                self.send(n, publisher.video, (tick / 7).is_multiple_of(60));
            }
            if (tick + 2 * n as u64).is_multiple_of(4) {
                self.send(n, publisher.audio, false);
            }
            if publisher.reports && tick % 200 == 31 + n as u64 {
                publisher.tracks().iter().for_each(|t| self.report(n, *t));
            }
        }
        self.passed_us += TICK_US;
        self.node.pass(TICK_US);
        self.take();
        if self.passed_us.is_multiple_of(1_000_000) {
            self.compare();
        }
    }

    fn send(&mut self, n: usize, t: Track, keyframe: bool) {
        let captured_s = self.passed_us as f64 / 1e6 - self.peers[n].0.late_s;
        let number = self.numbers.entry(t.ssrc()).or_default();
        *number += 1;
        self.made += 1;
        let mut payload = match (t.kind, keyframe) {
            (Kind::Audio, _) => vec![0xf8, 1, 2],
            (_, true) => KEYFRAME.to_vec(),
            _ => DELTA.to_vec(),
        };
        payload.extend(self.made.to_be_bytes());
        self.captured_s.insert((t.kind == Kind::Video, self.made), (captured_s, n));
        let payload_type = if t.kind == Kind::Video { 96 } else { 111 };
        self.peers[n].1.send_rtp(&mut self.node, payload_type, t.ssrc(), *number, t.ts(captured_s), &payload);
    }

    fn report(&mut self, n: usize, t: Track) {
        let at_s = self.passed_us as f64 / 1e6 - self.peers[n].0.late_s;
        let ntp = ((10_000.0 + at_s + self.peers[n].0.ahead_s) * (1u64 << 32) as f64) as u64;
        let mut packet = vec![];
        rtcp::write_sr(&mut packet, t.ssrc(), ntp, t.ts(at_s), 1, 1, &[]);
        self.peers[n].1.send_rtcp(&mut self.node, packet);
    }

    fn take(&mut self) {
        let (media, control) = self.viewer.received(&mut self.node);
        let rate = |video| if video { 90_000 } else { 48_000 };
        for packet in control.iter().flat_map(|c| rtcp::packets(c).flatten()) {
            if let rtcp::Packet::Sr { ssrc, ntp, rtp_ts, .. } = packet {
                let line = self.lines.entry(ssrc == 1).or_default();
                line.report(ntp as f64 / (1u64 << 32) as f64, rtp_ts, rate(ssrc == 1));
            }
        }
        for (header, payload) in media {
            let video = header.ssrc == 1;
            let made = u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap());
            let (captured_s, by) = self.captured_s[&(video, made)];
            if let Some(last) = self.last_number.insert(video, header.seq) {
                self.holes += u32::from(header.seq != last.wrapping_add(1));
            }
            if let (Some(last), true) = (self.last_ts.insert(video, header.ts), self.passed_us > 2_000_000) {
                self.steps.push((video, f64::from(header.ts.wrapping_sub(last) as i32) / f64::from(rate(video))));
            }
            if video && self.newest.get(&true).is_some_and(|n| n.2 != by) {
                self.shown_us = self.passed_us;
            }
            if let Some(told_s) = self.lines.entry(video).or_default().captured_s(header.ts, rate(video)) {
                self.newest.insert(video, (told_s, captured_s, by));
            }
        }
    }

    fn compare(&mut self) {
        let (Some(video), Some(audio)) = (self.newest.get(&true), self.newest.get(&false)) else { return };
        // A picture that comes from farther away is not where it belongs at first. At the begin of a publisher packets tell
        // by their arrival, until it has reported, and the line goes through that.
        if video.2 == audio.2 && self.passed_us > 30_000_000 && self.passed_us > self.shown_us + 2_500_000 {
            self.apart_s.push((video.0 - video.1) - (audio.0 - audio.1));
        }
    }

    /// What went wrong, in words: sound and picture apart, time that goes back or jumps, numbers that are missing.
    fn faults(&self) -> Vec<String> {
        let mut found = vec![];
        if let Some(at) = self.apart_s.iter().position(|s| s.abs() > BOUND_S) {
            found.push(format!(
                "apart from second {at} on: {:.3?}",
                &self.apart_s[at..(at + 12).min(self.apart_s.len())]
            ));
        }
        for (video, step_s) in &self.steps {
            // Nothing is silent for longer than 3 s here, and no publisher is later than another one by more.
            if *step_s <= 0.0 || *step_s > 3.5 {
                found.push(format!("{} goes on by {step_s:.3} s", if *video { "the picture" } else { "the sound" }));
            }
        }
        if self.holes > 0 {
            found.push(format!("{} holes in the numbers", self.holes));
        }
        found
    }
}

#[test]
fn whatever_the_other_publishers_clock_and_delay_are_sound_and_picture_stay_together() {
    let mut wrong = vec![];
    for ahead_s in [0.0, 0.02, 0.2, 2.5, -2.5, 30.0, -30.0, 40_000.0, -9_000.0] {
        for late_s in [0.0, 0.12, 0.35] {
            let (show, backup) = (Clocked::new(100, 0.0, 0.03), Clocked::new(200, ahead_s, late_s));
            let mut stage = Stage::new(&[show, backup]);
            stage.seconds(32, &[]);
            stage.seconds(1, &[100]);
            stage.show(backup, &[100]);
            stage.seconds(30, &[100]);
            stage.seconds(2, &[]);
            stage.show(show, &[]);
            stage.seconds(30, &[]);
            let compared = stage.apart_s.len();
            assert!(compared > 40, "{compared} seconds were compared");
            wrong.extend(stage.faults().iter().map(|f| format!("{ahead_s} s ahead, {late_s} s late: {f}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A publisher whose clock is set, or who comes back from a machine with another one.
#[test]
fn a_clock_that_is_set_moves_neither_sound_nor_picture() {
    for set_s in [0.25, 1.0, -1.0, 60.0, -86_400.0] {
        let mut stage = Stage::new(&[Clocked::new(100, 0.0, 0.03)]);
        stage.seconds(32, &[]);
        stage.peers[0].0.ahead_s += set_s;
        stage.seconds(30, &[]);
        assert!(stage.apart_s.len() > 25);
        assert_eq!(stage.faults(), [""; 0], "set by {set_s} s");
    }
}

/// Reports of the other publisher never come, or late.
#[test]
fn what_is_not_reported_is_told_by_arrival() {
    let (show, mut backup) = (Clocked::new(100, 0.0, 0.03), Clocked::new(200, 700.0, 0.03));
    backup.reports = false;
    let mut stage = Stage::new(&[show, backup]);
    stage.seconds(32, &[]);
    stage.show(backup, &[100]);
    stage.seconds(30, &[100]);
    stage.show(show, &[]);
    stage.seconds(45, &[]);
    let last = *stage.apart_s.last().unwrap();
    assert!(last.abs() <= BOUND_S, "with reports again they are {last:.3} s apart");
    assert!(stage.steps.iter().all(|(_, step_s)| *step_s > 0.0 && *step_s < 3.0));
}

#[test]
fn whoever_goes_to_and_fro_between_three_keeps_sound_and_picture_together() {
    let mut wrong = vec![];
    for seed in 0..16 {
        let mut random = fastrand::Rng::with_seed(seed);
        let clocks = [0.0, 0.05, -0.05, 0.25, -0.25, 0.35, -0.35, 5.0, -5.0, 700.0, -9_000.0];
        let mut publisher = |first| Clocked::new(first, *random.choice(&clocks).unwrap(), random.f64() * 0.6);
        let publishers = [publisher(100), publisher(200), publisher(300)];
        let mut stage = Stage::new(&publishers);
        stage.seconds(32, &[]);
        let mut shown = 0;
        for _ in 0..8 {
            shown = (shown + random.usize(1..3)) % 3;
            stage.show(publishers[shown], &[]);
            stage.seconds(random.u64(0..12), &[]);
        }
        let words = publishers.map(|p| format!("{} s ahead, {:.2} s late", p.ahead_s, p.late_s)).join(", ");
        wrong.extend(stage.faults().iter().map(|f| format!("seed {seed} ({words}): {f}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
