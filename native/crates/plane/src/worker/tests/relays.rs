//! Between nodes: a parent and a child, each a worker of its own.

use std::net::SocketAddr;

use super::rig::{Bench, DELTA, KEYFRAME};
use crate::config::{AddRelay, AddRelaySource, Command, Kind, SourceSpec};
use crate::events::Event;
use crate::worker::TICK_US;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

fn spec(source: u64) -> SourceSpec {
    SourceSpec { source, worker: 0, kind: Kind::Video, codec: "VP8".into(), clock_rate: 90_000 }
}

fn feed(parent: SocketAddr) -> AddRelaySource {
    let (srtp_key, srtcp_key) = (KEY.to_owned(), KEY.to_owned());
    AddRelaySource { spec: spec(300), parent, ssrc: 7, srtp_key, srtcp_key }
}

struct Link {
    parent: Bench,
    child: Bench,
    up: SocketAddr,
    down: SocketAddr,
}

impl Link {
    fn new() -> Self {
        let (mut parent, mut child) = (Bench::new(), Bench::new());
        let (up, down) = (SocketAddr::from(([127, 0, 0, 1], 5001)), SocketAddr::from(([127, 0, 0, 1], 5002)));
        parent.command(Command::AddPushSource(spec(100)));
        parent.command(Command::AddRelay(Box::new(AddRelay {
            relay: 1,
            source: 100,
            ssrc: 7,
            payload_type: 96,
            srtp_key: KEY.to_owned(),
            srtcp_key: KEY.to_owned(),
        })));
        child.command(Command::AddRelaySource(Box::new(feed(up))));
        Link { parent, child, up, down }
    }

    fn pass(&mut self, us: u64) {
        for _ in 0..us / TICK_US {
            self.parent.pass(TICK_US);
            self.child.pass(TICK_US);
            self.carry();
        }
    }

    /// Datagrams both ways; the number that went down.
    fn carry(&mut self) -> usize {
        for d in self.child.sent_to(self.up) {
            self.parent.give_relay(self.down, d);
        }
        let down = self.parent.sent_to(self.down);
        let count = down.len();
        for d in down {
            self.child.give_relay(self.up, d);
        }
        self.child.settle();
        count
    }

    fn lost(&self) -> usize {
        self.child.events.iter().filter(|e| matches!(e, Event::RelayParentLost { .. })).count()
    }
}

#[test]
fn a_parent_with_nothing_to_send_says_so_often_and_is_not_lost() {
    let mut link = Link::new();
    link.pass(100_000);
    let mut said = 0;
    for _ in 0..600 {
        link.parent.pass(TICK_US);
        link.child.pass(TICK_US);
        said += link.carry();
    }
    assert_eq!(link.lost(), 0);
    assert!((26..=31).contains(&said), "every 100 ms of 3 s, not {said} times");
}

#[test]
fn a_parent_that_has_media_to_send_says_nothing_else_but_its_reports() {
    let mut link = Link::new();
    link.pass(100_000);
    let mut down = 0;
    for i in 0..600 {
        if i % 6 == 0 {
            link.parent.push(100, i / 6, u32::from(i) * 450, &[0x10, 1, 0, 0]);
        }
        link.parent.pass(TICK_US);
        link.child.pass(TICK_US);
        down += link.carry();
    }
    assert!((100..=105).contains(&down), "{down}");
}

#[test]
fn a_dead_parent_is_noticed_within_half_a_second_once() {
    let mut link = Link::new();
    link.pass(500_000);
    link.child.pass(250_000);
    assert_eq!(link.lost(), 0);
    link.child.pass(200_000);
    assert_eq!(link.lost(), 1);
    link.child.pass(3_000_000);
    assert_eq!(link.lost(), 1);
}

#[test]
fn what_was_not_listened_to_is_no_silence() {
    let mut link = Link::new();
    link.pass(500_000);
    link.child.now += 2_000_000;
    link.child.pass(TICK_US);
    assert_eq!(link.lost(), 0, "this worker stood still itself");
    link.pass(500_000);
    assert_eq!(link.lost(), 0);
}

#[test]
fn a_parent_says_how_long_ago_it_heard_its_child() {
    let mut link = Link::new();
    let asked = |link: &mut Link| {
        link.parent.events.clear();
        link.parent.command(Command::LookAtRelay { relay: 1 });
        link.parent.events.iter().find_map(|e| match e {
            Event::RelayHeard { relay: 1, silent_ms } => Some(*silent_ms),
            _ => None,
        })
    };
    assert_eq!(asked(&mut link), None, "no child has come yet");
    link.pass(3_000_000);
    let alive = asked(&mut link).unwrap();
    assert!(alive <= 260, "keep-alives come four times a second, not {alive} ms ago");
    link.parent.pass(2_000_000);
    let dead = asked(&mut link).unwrap();
    assert!((2_000..=alive + 2_100).contains(&dead), "{dead}");
    link.parent.command(Command::RemoveRelay { relay: 1 });
    assert_eq!(asked(&mut link), None);
}

fn silent(parent: &Bench) -> usize {
    parent.events.iter().filter(|e| matches!(e, Event::RelayChildSilent { relay: 1 })).count()
}

#[test]
fn a_child_that_falls_silent_is_noticed_within_a_second_once_per_silence() {
    let mut link = Link::new();
    link.parent.pass(2_000_000);
    assert_eq!(silent(&link.parent), 0, "one that never came is not missed");
    for silences in 1..=2 {
        link.pass(2_000_000);
        link.parent.pass(500_000);
        assert_eq!(silent(&link.parent), silences - 1);
        link.parent.pass(400_000);
        assert_eq!(silent(&link.parent), silences);
        link.parent.pass(1_000_000);
        assert_eq!(silent(&link.parent), silences);
    }
}

#[test]
fn what_a_parent_did_not_listen_to_is_no_silence_of_its_child() {
    let mut link = Link::new();
    link.pass(500_000);
    link.parent.now += 2_000_000;
    link.parent.pass(TICK_US);
    assert_eq!(silent(&link.parent), 0, "this worker stood still itself");
    link.pass(500_000);
    assert_eq!(silent(&link.parent), 0);
}

/// What the child has of its source, in order: the last byte of each packet.
fn had(child: &Bench) -> Vec<u8> {
    let ring = &child.worker.sources.get(300).expect("the source").ring;
    ring.since(ring.oldest()).map(|p| *p.payload.last().unwrap()).collect()
}

fn picture(parent: &mut Bench, number: u8, kind: &[u8]) {
    parent.push(100, number.into(), u32::from(number) * 3_000, &[kind, &[number]].concat());
}

#[test]
fn pictures_go_on_without_a_keyframe_when_their_publisher_has_moved_to_another_parent() {
    let mut link = Link::new();
    picture(&mut link.parent, 1, KEYFRAME);
    for number in 2..6 {
        picture(&mut link.parent, number, DELTA);
    }
    link.pass(50_000);
    assert_eq!(had(&link.child), [1, 2, 3, 4, 5]);
    let mut next = Link::new();
    std::mem::swap(&mut link.child, &mut next.child);
    // The publisher is there, and no child yet.
    for number in 6..9 {
        picture(&mut next.parent, number, DELTA);
    }
    next.child.command(Command::AddRelaySource(Box::new(feed(next.up))));
    next.pass(50_000);
    picture(&mut next.parent, 9, DELTA);
    next.pass(50_000);
    assert_eq!(had(&next.child), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let ring = &next.child.worker.sources.get(300).unwrap().ring;
    assert_eq!(ring.highest().unwrap() - ring.oldest(), 8, "nobody misses a number");
}

#[test]
fn a_parent_that_has_forgotten_the_beginning_and_has_no_keyframe_begins_with_what_comes() {
    let mut link = Link::new();
    for number in 1..4 {
        picture(&mut link.parent, number, DELTA);
        link.parent.pass(3_000_000);
    }
    link.pass(50_000);
    assert_eq!(had(&link.child), Vec::<u8>::new());
    picture(&mut link.parent, 4, DELTA);
    link.pass(50_000);
    assert_eq!(had(&link.child), [4]);
}

fn told(child: &Bench) -> (usize, usize) {
    let count = |is: fn(&Event) -> bool| child.events.iter().filter(|e| is(e)).count();
    (
        count(|e| matches!(e, Event::SourceSilent { source: 300, .. })),
        count(|e| matches!(e, Event::SourceStarted { source: 300 })),
    )
}

#[test]
fn a_video_that_comes_no_more_is_told_once_per_silence_and_so_is_its_return() {
    let mut link = Link::new();
    link.pass(2_000_000);
    assert_eq!(told(&link.child), (0, 0), "one that never came is not missed");
    for silences in 1..=2u8 {
        picture(&mut link.parent, 10 * silences, KEYFRAME);
        link.pass(450_000);
        assert_eq!(told(&link.child), (usize::from(silences) - 1, usize::from(silences)));
        link.pass(100_000);
        link.pass(3_000_000);
        assert_eq!(told(&link.child), (silences.into(), silences.into()));
    }
    assert_eq!(link.lost(), 0, "its parent lives");
}

/// A parent has nine seconds of 5 Mbit/s since its keyframe. Somebody watches at the child before the child has any of it.
#[test]
fn a_child_that_begins_does_not_flood_its_first_viewer() {
    let mut link = Link::new();
    let (mut seq, mut frame) = (0u16, 0u32);
    let mut show = |link: &mut Link| {
        for part in 0..20 {
            let head = [DELTA, KEYFRAME][usize::from(frame == 0)];
            let mut payload = if part == 0 { head.to_vec() } else { vec![0, 0] };
            payload.resize(1_050, 0);
            link.parent.push(100, seq, frame * 3_000, &payload);
            seq = seq.wrapping_add(1);
        }
        frame += 1;
    };
    // The child is not there yet.
    for _ in 0..270 {
        show(&mut link);
        link.parent.pass(30_000);
        link.parent.now += 3_333;
    }
    link.child.now = link.parent.now;
    let mut viewer = link.child.viewer(2, 1002, 300);
    let (mut first_ms, mut most) = (0, 0);
    for tick in 0..1_000u64 {
        if tick % 7 == 0 {
            show(&mut link);
        }
        link.pass(TICK_US);
        let bytes: usize = viewer.received(&mut link.child).0.iter().map(|(_, p)| p.len()).sum();
        if bytes > 0 && first_ms == 0 {
            first_ms = tick * 5;
        }
        most = most.max(bytes);
    }
    assert!(first_ms <= 300, "{first_ms} ms");
    assert!(first_ms > 0);
    assert!(most < 60_000, "{most} bytes in 5 ms");
}

#[test]
fn with_a_silence_it_is_told_how_far_apart_the_pictures_are_also_to_who_has_just_come() {
    for (ms, expected) in [(33u64, 33..50), (1_000, 1_000..1_001), (2_500, 2_500..2_501)] {
        let mut link = Link::new();
        for number in 0..(8_000 / ms).min(30) {
            let payload = if number == 0 { KEYFRAME } else { DELTA };
            link.parent.push(100, number as u16, (number * ms * 90) as u32, payload);
            link.parent.pass(ms * 1_000 / TICK_US * TICK_US);
        }
        link.pass(700_000);
        let told = link.child.events.iter().find_map(|e| match e {
            Event::SourceSilent { source: 300, frame_interval_ms } => Some(*frame_interval_ms),
            _ => None,
        });
        assert!(told.is_some_and(|t| expected.contains(&t)), "{ms} ms apart: {told:?}");
    }
}

#[test]
fn a_parent_learns_the_round_trip_to_its_child_once_per_report() {
    let mut link = Link::new();
    picture(&mut link.parent, 1, KEYFRAME);
    link.pass(3_000_000);
    let told = |event: &Event| if let Event::RelayMeasured { relay: 1, rtt_us } = event { Some(*rtt_us) } else { None };
    let trips: Vec<u64> = link.parent.events.iter().filter_map(told).collect();
    assert!((2..=13).contains(&trips.len()), "{trips:?}");
    assert!(trips.iter().all(|rtt_us| *rtt_us <= 2 * TICK_US), "{trips:?}");
}
