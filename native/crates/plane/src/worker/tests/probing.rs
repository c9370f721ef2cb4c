//! What probes and measured paths tell of a link with a rate, a queue and a delay.

use std::collections::VecDeque;

use rillcast_wire::{demux, stun};

use super::rig::{Bench, Peer, KEYFRAME};
use crate::config::{AddSession, Command};
use crate::events::{Event, Probed};
use crate::worker::TICK_US;

const STEP_US: u64 = 1_000;
const DELAY_US: u64 = 40_000;
/// IP and UDP headers.
const HEADERS: usize = 28;

/// A viewer behind a link. Its answers take no time.
struct Stage {
    b: Bench,
    viewer: Peer,
    rate_bps: u64,
    queue_us: u64,
    free_us: u64,
    under_way: VecDeque<(u64, Vec<u8>)>,
    publisher: Option<Peer>,
    /// Padding that arrived, in bytes of datagrams without their tag.
    padding: usize,
}

impl Stage {
    /// Media has been sent: 30 packets a second of 1 000 bytes, without a probe.
    fn new(rate_bps: u64) -> Self {
        let mut b = Bench::new();
        let mut publisher = b.publisher(1, 1001);
        let viewer = b.viewer(2, 1002, 100);
        for seq in 0..30 {
            let mut payload = KEYFRAME.to_vec();
            payload.resize(1_000, 0);
            publisher.send_rtp(&mut b, 96, 5, seq, u32::from(seq) * 3_000, &payload);
        }
        Stage { publisher: Some(publisher), ..Self::behind(b, viewer, rate_bps) }
    }

    fn behind(mut b: Bench, mut viewer: Peer, rate_bps: u64) -> Self {
        viewer.received(&mut b);
        let under_way = VecDeque::new();
        Stage { b, viewer, rate_bps, queue_us: 300_000, free_us: 0, under_way, publisher: None, padding: 0 }
    }

    fn pass(&mut self, us: u64) {
        for _ in 0..us / STEP_US {
            self.b.now += STEP_US;
            if self.b.now.is_multiple_of(TICK_US) {
                let now = self.b.now;
                self.b.worker.tick(now, &mut self.b.out);
            }
            self.carry();
        }
    }

    /// What was sent goes into the queue, and what is due to the viewer.
    fn carry(&mut self) {
        let now = self.b.now;
        for d in self.b.sent_to(self.viewer.address) {
            let begins = now.max(self.free_us);
            if begins - now <= self.queue_us {
                self.free_us = begins + ((d.len() + HEADERS) as u64 * 8_000_000).div_ceil(self.rate_bps);
                self.under_way.push_back((self.free_us + DELAY_US, d));
            }
        }
        while self.under_way.front().is_some_and(|u| u.0 <= now) {
            let d = self.under_way.pop_front().unwrap().1;
            let (media, _) = self.viewer.takes(&mut self.b, vec![d]);
            self.padding +=
                media.iter().filter(|(h, _)| h.ssrc == 2002).map(|(h, p)| h.header_len + p.len()).sum::<usize>();
        }
    }

    /// The result of a probe, which has to be there in time.
    fn probe(&mut self, bitrate_bps: u64, duration_ms: u64) -> Probed {
        self.b.events.clear();
        self.b.command(Command::Probe { session: 2, track: 0, bitrate_bps, duration_ms });
        for _ in 0..3_000 {
            self.pass(STEP_US);
            self.b.settle();
            if let Some(found) = probed(&self.b).first() {
                return found.clone();
            }
        }
        panic!("a probe is told within three seconds");
    }
}

fn probed(b: &Bench) -> Vec<Probed> {
    b.events.iter().filter_map(|e| if let Event::Probed(p) = e { Some(p.clone()) } else { None }).collect()
}

#[test]
fn a_link_with_room_takes_the_padding_without_a_queue() {
    let mut s = Stage::new(5_000_000);
    let p = s.probe(1_000_000, 400);
    assert!((48_000..54_000).contains(&p.padding_bytes), "{p:?}");
    assert!(s.padding as u64 + 2_000 > p.padding_bytes, "all of it arrived");
    assert!((p.lasted_ms - 400.0).abs() < 6.0, "{p:?}");
    assert!((p.before_ms - 40.0).abs() < 3.0 && (p.after_ms - 40.0).abs() < 3.0, "{p:?}");
    assert!(p.checks == p.answered && (20..40).contains(&p.checks), "{p:?}");
}

#[test]
fn media_and_padding_together_make_the_rate() {
    let mut s = Stage::new(5_000_000);
    s.b.events.clear();
    s.b.command(Command::Probe { session: 2, track: 0, bitrate_bps: 1_000_000, duration_ms: 400 });
    let mut publisher = s.publisher.take().unwrap();
    for seq in 30..50 {
        publisher.send_rtp(&mut s.b, 96, 5, seq, u32::from(seq) * 3_000, &[0; 1_000]);
        s.pass(30_000);
    }
    s.pass(500_000);
    s.b.settle();
    let p = probed(&s.b).remove(0);
    assert!((12_000..15_000).contains(&p.media_bytes), "{p:?}");
    assert!((49_000..53_000).contains(&(p.media_bytes + p.padding_bytes)), "{p:?}");
}

#[test]
fn the_queue_that_padding_leaves_is_seen_to_some_milliseconds() {
    // With the headers of IP and UDP, and with the checks, 5 % more is sent.
    for (rate_bps, duration_ms, queue_ms) in [(1_500_000, 200, 80.0), (1_000_000, 50, 55.0), (1_900_000, 400, 42.0)] {
        let p = Stage::new(rate_bps).probe(2_000_000, duration_ms);
        let grown = p.after_ms - p.before_ms;
        assert!((grown - queue_ms).abs() < 12.0, "{grown} instead of {queue_ms} ms: {p:?}");
    }
}

#[test]
fn padding_that_makes_a_long_queue_ends_early() {
    let mut s = Stage::new(500_000);
    let p = s.probe(2_000_000, 2_000);
    assert!(p.lasted_ms < 350.0 && p.lasted_ms > 50.0, "{p:?}");
    assert!(p.after_ms > p.before_ms + 150.0, "{p:?}");
    s.pass(2_000_000);
    assert!(s.padding < 100_000);
}

#[test]
fn a_link_that_drops_what_is_too_much_leaves_checks_without_an_answer() {
    let mut s = Stage::new(700_000);
    s.queue_us = 10_000;
    let p = s.probe(2_000_000, 400);
    assert!(p.answered * 10 < p.checks * 8, "{p:?}");
}

#[test]
fn a_viewer_without_rtx_is_sent_copies_which_its_srtp_throws_away() {
    let mut b = Bench::new();
    let mut publisher = b.publisher(1, 1001);
    let mut track = b.send_track(2, 100);
    track.rtx_ssrc = 0;
    let mut viewer = b.join(2, 1002, vec![], vec![track]);
    publisher.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    viewer.received(&mut b);
    b.command(Command::Probe { session: 2, track: 0, bitrate_bps: 500_000, duration_ms: 50 });
    b.pass(40_000);
    let copies = b.sent_to(viewer.address).into_iter().filter(|d| demux::classify(d) == demux::Kind::Rtp);
    let copies: Vec<Vec<u8>> = copies.collect();
    assert!(copies.len() > 5 && copies.windows(2).all(|w| w[0] == w[1]), "the same bytes again and again");
}

#[test]
fn a_viewer_who_was_sent_nothing_yet_is_sent_no_padding_and_told_of() {
    let mut b = Bench::new();
    b.publisher(1, 1001);
    let viewer = b.viewer(2, 1002, 100);
    let p = Stage::behind(b, viewer, 5_000_000).probe(1_000_000, 100);
    assert_eq!((p.padding_bytes, p.media_bytes), (0, 0));
    assert!((p.before_ms - 40.0).abs() < 3.0);
}

#[test]
fn a_later_probe_replaces_one_under_way_and_one_is_told() {
    let mut s = Stage::new(5_000_000);
    s.b.command(Command::Probe { session: 2, track: 0, bitrate_bps: 1_000_000, duration_ms: 5_000 });
    s.pass(300_000);
    s.probe(1_000_000, 100);
    s.pass(3_000_000);
    s.b.settle();
    assert_eq!(probed(&s.b).len(), 1);
    assert!(s.b.worker.leftovers().iter().all(|l| *l != "probes"));
}

#[test]
fn a_probe_ends_with_its_session_and_untold() {
    let mut s = Stage::new(5_000_000);
    s.b.command(Command::Probe { session: 2, track: 0, bitrate_bps: 1_000_000, duration_ms: 500 });
    s.pass(100_000);
    s.b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    s.pass(2_000_000);
    s.b.settle();
    assert!(probed(&s.b).is_empty());
    s.b.command(Command::Probe { session: 2, track: 0, bitrate_bps: 1, duration_ms: 1 });
    assert!(s.b.worker.leftovers().iter().all(|l| *l != "probes"));
}

#[test]
fn a_probe_of_a_track_that_is_not_there_is_an_error() {
    let mut s = Stage::new(5_000_000);
    s.b.command(Command::Probe { session: 2, track: 7, bitrate_bps: 1, duration_ms: 1 });
    assert!(s.b.events.iter().any(|e| matches!(e, Event::Error { command: "probe", .. })));
}

/// Joins behind a link, with the path measured: what was told, and after how long.
fn measured(rate_bps: u64, answers: bool) -> (Option<u64>, u64) {
    let mut b = Bench::new();
    let command = AddSession { measure_path: true, ..b.viewers_session(2, 100) };
    b.command(Command::AddSession(Box::new(command)));
    let viewer = b.peer_of(2, 1002);
    b.give(viewer.address, viewer.own_check());
    let first = b.sent_to(viewer.address);
    for check in first.iter().filter(|d| stun::parse(d).is_ok_and(|m| m.class == stun::Class::Request)) {
        b.give(viewer.address, super::rig::answer(check, super::rig::REMOTE_PWD));
    }
    let mut s = Stage { viewer, ..Stage::behind_unconnected(b, rate_bps) };
    s.viewer.answers = answers;
    let began = s.b.now;
    for _ in 0..2_000 {
        s.pass_checks();
        let told = s.b.events.iter().find_map(|e| match e {
            Event::PathMeasured { session: 2, bitrate_bps } => Some(*bitrate_bps),
            _ => None,
        });
        if told.is_some() {
            return (told, s.b.now - began);
        }
    }
    (None, s.b.now - began)
}

impl Stage {
    fn behind_unconnected(b: Bench, rate_bps: u64) -> Self {
        let viewer = b.peer_of(2, 1002);
        let under_way = VecDeque::new();
        Stage { b, viewer, rate_bps, queue_us: 300_000, free_us: 0, under_way, publisher: None, padding: 0 }
    }

    /// A millisecond in which nothing but checks is sent.
    fn pass_checks(&mut self) {
        self.pass(STEP_US);
        self.b.settle();
    }
}

#[test]
fn a_path_is_measured_before_there_is_any_media() {
    for (rate_bps, within_ms) in [(300_000, 250), (700_000, 130), (3_000_000, 140)] {
        let (told, after_us) = measured(rate_bps, true);
        let bps = told.expect("it is told");
        assert!((rate_bps * 9 / 10..rate_bps * 13 / 10).contains(&bps), "{bps} of {rate_bps} bit/s");
        assert!(after_us < within_ms * 1_000, "{after_us} µs at {rate_bps} bit/s");
    }
}

#[test]
fn a_peer_that_answers_no_large_checks_is_told_of_within_a_second() {
    let (told, after_us) = measured(3_000_000, false);
    assert_eq!(told, Some(0));
    assert!((990_000..1_020_000).contains(&after_us), "{after_us} µs");
}

#[test]
fn nothing_is_measured_unless_it_is_asked_for_and_never_twice() {
    let mut b = Bench::new();
    let viewer = b.viewer(2, 1002, 100);
    b.pass(2_000_000);
    assert!(!b.events.iter().any(|e| matches!(e, Event::PathMeasured { .. })));
    let largest = b.sent_to(viewer.address).iter().map(Vec::len).max().unwrap_or(0);
    assert!(largest < 600, "{largest} bytes");
}

#[test]
fn an_address_that_answers_nothing_is_not_sent_a_large_check() {
    let mut b = Bench::new();
    let command = AddSession { measure_path: true, ..b.viewers_session(2, 100) };
    b.command(Command::AddSession(Box::new(command)));
    let viewer = b.peer_of(2, 1002);
    let (mut asked, mut sent) = (0, 0);
    for _ in 0..50 {
        let check = viewer.own_check();
        asked += check.len();
        b.give(viewer.address, check);
        b.pass(100_000);
        let datagrams = b.sent_to(viewer.address);
        sent += datagrams.iter().map(Vec::len).sum::<usize>();
        assert!(datagrams.iter().all(|d| d.len() < 300));
    }
    assert!(sent > 0 && sent <= 3 * asked, "{sent} bytes for {asked}");
    assert!(!b.events.iter().any(|e| matches!(e, Event::PathMeasured { .. })));
}

#[test]
fn answers_that_nobody_waits_for_are_no_sign_of_life_and_counted() {
    let mut s = Stage::new(5_000_000);
    let p = s.probe(1_000_000, 100);
    assert_eq!(p.checks, p.answered);
    let before = s.b.count("stun_unexpected");
    s.b.command(Command::Probe { session: 2, track: 0, bitrate_bps: 1_000_000, duration_ms: 100 });
    s.b.pass(5_000);
    let viewer = s.viewer.address;
    let check = s.b.sent_to(viewer).into_iter().find(|d| stun::parse(d).is_ok_and(|m| m.class == stun::Class::Request));
    let answer = super::rig::answer(&check.expect("a check"), super::rig::REMOTE_PWD);
    for _ in 0..10 {
        s.b.give(viewer, answer.clone());
    }
    assert_eq!(s.b.count("stun_unexpected"), before + 9, "the first one is the answer, the others are repeated");
}
