//! Publishers whose keyframes are far apart, and who make none when they are asked: FFmpeg's and OBS's WHIP outputs, and
//! screens on which nothing moves.

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::{Command, Kind, SourceSpec};
use crate::events::Event;
use crate::worker::TICK_US;

const FRAME_US: u64 = 33_333;

struct Screen {
    b: Bench,
    /// Its length in pictures.
    gop: u64,
    /// Whether it makes a keyframe when it is asked.
    answers: bool,
    /// In packets of 1 100 bytes.
    picture: usize,
    frame: u64,
    seq: u16,
    due: u64,
    viewers: u64,
}

impl Screen {
    fn new(gop_s: u64, answers: bool) -> Self {
        let mut b = Bench::new();
        let codec = "VP8".into();
        b.command(Command::AddPushSource(SourceSpec {
            source: 100,
            worker: 0,
            kind: Kind::Video,
            codec,
            clock_rate: 90_000,
        }));
        let due = b.now;
        Screen { b, gop: gop_s * 30, answers, picture: 1, frame: 0, seq: 0, due, viewers: 0 }
    }

    fn show(&mut self, key: bool) {
        for part in 0..self.picture {
            let mut payload = if key { KEYFRAME.to_vec() } else { DELTA.to_vec() };
            if part > 0 {
                payload = vec![0, 0];
            }
            if self.picture > 1 {
                payload.resize(1_100, 0);
            }
            self.b.push(100, self.seq, (self.frame * 3_000) as u32, &payload);
            self.seq = self.seq.wrapping_add(1);
        }
        self.frame += 1;
    }

    fn pass(&mut self, us: u64) {
        for _ in 0..us / TICK_US {
            let asked = self.b.events.iter().any(|e| matches!(e, Event::KeyframeWanted { .. }));
            self.b.events.clear();
            if self.b.now >= self.due {
                self.due += FRAME_US;
                self.show(self.frame.is_multiple_of(self.gop) || (asked && self.answers));
            } else if asked && self.answers {
                self.show(true);
            }
            self.b.pass(TICK_US);
        }
    }

    fn joins(&mut self) -> Peer {
        self.viewers += 1;
        self.b.viewer(10 + self.viewers, 2_000 + self.viewers as u16, 100)
    }

    /// A viewer who comes now: after how many µs it has a keyframe, and of which frame.
    fn first_picture(&mut self) -> (u64, u64) {
        let (mut viewer, began) = (self.joins(), self.b.now);
        let first = self.frame;
        for _ in 0..20_000_000 / TICK_US {
            let (media, _) = viewer.received(&mut self.b);
            if media.iter().any(|(_, p)| p.starts_with(KEYFRAME)) {
                let keyframe = self.b.worker.sources.get(100).unwrap().ring.keyframe().unwrap();
                return (self.b.now - began, keyframe.frame.saturating_sub(first));
            }
            self.pass(TICK_US);
        }
        panic!("no picture within 20 s");
    }
}

#[test]
fn the_first_picture_comes_within_300_ms_however_far_apart_keyframes_are() {
    for gop_s in [2, 4, 8, 10, 30] {
        let (mut worst_first_us, mut worst_next_us) = (0, 0);
        for age_s in [0, gop_s / 4, gop_s / 2, gop_s - 1] {
            let mut screen = Screen::new(gop_s, false);
            screen.pass((gop_s + age_s) * 1_000_000 + 500_000);
            let (first_us, _) = screen.first_picture();
            assert!(first_us <= 300_000, "keyframes each {gop_s} s, {age_s} s after one: {first_us} µs");
            // By now it is known that nobody answers.
            screen.pass(2 * gop_s * 1_000_000);
            let (next_us, _) = screen.first_picture();
            assert!(next_us <= 50_000, "keyframes each {gop_s} s, {age_s} s after one: {next_us} µs");
            (worst_first_us, worst_next_us) = (worst_first_us.max(first_us), worst_next_us.max(next_us));
        }
        let (first, next) = (worst_first_us / 1_000, worst_next_us / 1_000);
        println!(
            "keyframes each {gop_s} s: the first viewer sees a picture after {first} ms, later ones after {next} ms"
        );
    }
}

#[test]
fn who_answers_is_waited_for_and_nobody_gets_old_pictures() {
    let mut screen = Screen::new(10, true);
    screen.pass(9_500_000);
    let (first_us, newer) = screen.first_picture();
    assert!(first_us <= 50_000, "{first_us} µs");
    assert!(newer > 0, "the keyframe that was asked for");
}

#[test]
fn a_picture_that_stands_still_is_shown_to_whoever_comes() {
    let mut screen = Screen::new(100, false);
    (0..10).for_each(|n| screen.show(n == 0));
    screen.due = u64::MAX;
    for wait_s in [1, 3, 8, 60, 600] {
        screen.pass(wait_s * 1_000_000);
        let mut viewer = screen.joins();
        screen.pass(2 * TICK_US);
        let pictures = viewer.received(&mut screen.b).0;
        assert_eq!(pictures.len(), 10, "after {wait_s} s more");
        assert!(pictures[0].1.starts_with(KEYFRAME));
    }
}

#[test]
fn somebody_who_comes_just_before_the_last_picture_sees_it() {
    let mut screen = Screen::new(100, false);
    screen.pass(6_000_000);
    screen.due = u64::MAX;
    let mut viewer = screen.joins();
    screen.pass(300_000);
    assert!(viewer.received(&mut screen.b).0.iter().any(|(_, p)| p.starts_with(KEYFRAME)));
}

#[test]
fn nine_seconds_of_pictures_are_caught_up_with_at_a_bounded_rate() {
    let mut screen = Screen::new(60, false);
    screen.picture = 10;
    screen.pass(9_000_000);
    let mut viewer = screen.joins();
    screen.pass(300_000);
    viewer.received(&mut screen.b);
    let media_bps = 10 * 1_100 * 8 * 30;
    let (mut most, mut live_us) = (0, 0);
    while screen.b.worker.starts.len() > 0 {
        screen.pass(100_000);
        live_us += 100_000;
        let bytes: usize = viewer.received(&mut screen.b).0.iter().map(|(_, p)| p.len()).sum();
        most = most.max(bytes * 80);
        assert!(live_us < 15_000_000);
    }
    assert!(most < media_bps * 5 / 2, "{most} of {media_bps} bit/s");
    assert!(live_us > 1_000_000, "{live_us}");
}

/// Lets time pass until the viewers are live, at most so long.
fn until_live(screen: &mut Screen, most_s: u64) -> u64 {
    let began = screen.b.now;
    while screen.b.worker.starts.len() > 0 {
        screen.pass(100_000);
        assert!(screen.b.now < began + most_s * 1_000_000, "not live after {most_s} s");
    }
    screen.b.now - began
}

#[test]
fn who_comes_after_a_still_picture_began_to_move_catches_up() {
    for late_us in [0, 60_000] {
        let mut screen = Screen::new(1_000, false);
        screen.show(true);
        (screen.b.now, screen.due) = (screen.b.now + late_us, u64::MAX);
        screen.pass(25_000_000);
        (screen.picture, screen.due, screen.frame) = (16, screen.b.now, 750);
        screen.pass(3_000_000);
        screen.joins();
        screen.pass(300_000);
        until_live(&mut screen, 6);
    }
}

#[test]
fn who_is_overtaken_while_catching_up_waits_for_a_keyframe_and_is_sent_nothing_broken() {
    let mut screen = Screen::new(60, false);
    screen.picture = 23;
    screen.pass(17_000_000);
    let mut viewer = screen.joins();
    let mut media = vec![];
    for _ in 0..60 {
        screen.pass(1_000_000);
        media.extend(viewer.received(&mut screen.b).0);
    }
    assert_eq!(screen.b.count("catch_up_overtaken"), 1);
    assert!(media.windows(2).all(|w| w[1].0.seq == w[0].0.seq.wrapping_add(1)), "no number is missing");
    let keyframes = media.iter().filter(|(_, p)| p.starts_with(KEYFRAME)).count();
    assert_eq!(keyframes, 2, "the one with which it began, and the next one");
    until_live(&mut screen, 1);
}

#[test]
fn timestamps_go_on_for_hours_whoever_was_caught_up() {
    let mut screen = Screen::new(2, true);
    screen.picture = 10;
    screen.pass(7_000_000);
    let mut viewer = screen.joins();
    screen.pass(300_000);
    until_live(&mut screen, 4);
    viewer.received(&mut screen.b);
    let mut before = None;
    for _ in 0..12 {
        screen.frame += 9_000 * 30;
        screen.due = u64::MAX;
        screen.show(false);
        screen.b.pass(TICK_US);
        let ts = viewer.received(&mut screen.b).0.last().expect("a picture").0.ts;
        if let Some(before) = before.replace(ts) {
            assert_eq!(ts.wrapping_sub(before), (9_000 * 30 + 1) * 3_000);
        }
    }
}
