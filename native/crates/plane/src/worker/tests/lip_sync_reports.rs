//! Sound and picture of publishers whose sender reports can't be relied on: for one track only, ended, jumping, or each track
//! by a clock of its own.

use super::lip_sync::{Chain, Player, Track, AUDIO, VIDEO};
use crate::worker::TICK_US;

/// By whose clock, in seconds ahead of the publisher's first one, a track is reported in this second; None: not at all.
type Reported = fn(Track, u64) -> Option<f64>;

/// What the viewer sees for so many seconds: how far apart sound and picture are at the end of each. Pictures come so much
/// later than sound. Video is reported each second, and audio each five.
fn apart(seconds: u64, picture_late_s: f64, reported: Reported) -> Vec<f64> {
    let (mut chain, mut player) = (Chain::new(), Player::default());
    let mut seen = vec![];
    for tick in 0..seconds * 1_000_000 / TICK_US {
        let second = tick * TICK_US / 1_000_000;
        if tick % 7 == 0 {
            chain.send_late(VIDEO, picture_late_s);
        }
        if tick % 4 == 0 {
            chain.send(AUDIO);
        }
        for (track, every, at) in [(VIDEO, 200, 10), (AUDIO, 1_000, 530)] {
            if let (true, Some(ahead_s)) = (tick % every == at, reported(track, second)) {
                chain.report_by(track, ahead_s);
            }
        }
        chain.tick();
        player.take(&mut chain, second > 3);
        if tick % 200 == 199 {
            seen.push(player.apart_s().unwrap_or_default());
        }
    }
    seen
}

/// Nobody notices less (ITU-R BT.1359-1: 45 ms).
fn in_sync(seen: &[f64]) -> bool {
    seen.iter().all(|s| s.abs() <= 0.03)
}

#[test]
fn whatever_is_reported_of_one_track_only_or_ends_or_jumps_the_two_stay_together() {
    let cases: [(&str, Reported); 8] = [
        ("sound only", |t, _| (t == AUDIO).then_some(900.0)),
        ("picture only", |t, _| (t == VIDEO).then_some(-900.0)),
        ("both end", |_, s| (s < 12).then_some(5.0)),
        ("the picture's end, and the sound's are set", |t, s| match (t == VIDEO, s) {
            (true, 12..) => None,
            (false, 12..) => Some(2.0),
            _ => Some(0.0),
        }),
        ("the machine's clock is set between two", |_, s| Some(if s < 14 { 0.0 } else { 1.5 })),
        ("the machine's clock is set far", |_, s| Some(if s < 14 { 0.0 } else { -86_400.0 })),
        ("each by its own clock", |t, _| Some(if t == VIDEO { 0.0 } else { 3_600.0 })),
        ("one is wrong", |t, s| Some(if t == VIDEO && (14..16).contains(&s) { 2.5 } else { 0.0 })),
    ];
    for (what, reported) in cases {
        let seen = apart(50, 0.0, reported);
        assert!(in_sync(&seen[3..]), "{what}: {seen:.3?}");
    }
}

#[test]
fn reports_say_what_arrival_does_not_and_when_they_end_nothing_jumps() {
    let seen = apart(70, 0.3, |_, s| (s < 20).then_some(7.0));
    assert!(in_sync(&seen[8..20]), "the picture is late by 0.3 s, of which reports tell: {seen:.3?}");
    assert!(seen[3..].windows(2).skip(6).all(|w| (w[1] - w[0]).abs() < 0.07), "by and by: {seen:.3?}");
    assert!((seen[69].abs() - 0.3).abs() < 0.03, "in the end as packets arrive: {seen:.3?}");
}

#[test]
fn a_track_that_contradicts_is_believed_again_once_all_agree() {
    let seen = apart(70, 0.3, |t, s| Some(if t == AUDIO && (20..30).contains(&s) { 500.0 } else { 0.0 }));
    assert!(in_sync(&seen[8..20]), "{seen:.3?}");
    assert!(in_sync(&seen[50..]), "{seen:.3?}");
    assert!(seen[8..].windows(2).all(|w| (w[1] - w[0]).abs() < 0.07), "by and by: {seen:.3?}");
}

#[test]
fn timestamps_that_jump_are_told_by_arrival_until_they_are_reported() {
    let (mut chain, mut player) = (Chain::new(), Player::default());
    for tick in 0..40_000_000 / TICK_US {
        // The timestamps of pictures go back by an hour, and nobody reports it.
        let back_s = if tick < 3_000 { 0.0 } else { 3_600.0 };
        if tick % 7 == 0 {
            chain.send_moved(VIDEO, -back_s);
        }
        if tick % 4 == 0 {
            chain.send(AUDIO);
        }
        if tick < 2_900 && tick % 200 == 10 {
            chain.report_by(VIDEO, 0.0);
            chain.report_by(AUDIO, 0.0);
        }
        chain.tick();
        player.take(&mut chain, tick > 4_000);
    }
    assert!(player.compared > 1_000);
    assert!(player.worst_s <= 0.04, "sound and picture are {:.2} ms apart", player.worst_s * 1e3);
}
