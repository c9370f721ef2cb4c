//! Publishers whose timestamps jump inside a group of pictures: whoever comes then is sent each picture at a time of its own.

use super::rig::{Bench, DELTA, KEYFRAME};
use crate::config::{Command, Kind, SourceSpec};
use crate::worker::TICK_US;

/// What a newcomer gets of a keyframe and as many pictures before a jump by so many ticks as after it, and of the pictures
/// that are sent while it catches up: the timestamps in order.
fn seen_over_a_jump(jump: i64, pictures: u16, bytes: usize) -> Vec<u32> {
    let mut b = Bench::new();
    let codec = "VP8".into();
    b.command(Command::AddPushSource(SourceSpec {
        source: 100,
        worker: 0,
        kind: Kind::Video,
        codec,
        clock_rate: 90_000,
    }));
    let send = |b: &mut Bench, n: u16| {
        let after = if n > pictures { jump } else { 0 };
        let mut payload = if n == 0 { KEYFRAME.to_vec() } else { DELTA.to_vec() };
        payload.resize(bytes, 0);
        b.push(100, n, (i64::from(n) * 3_000 + after) as u32, &payload);
        b.pass(33_000 / TICK_US * TICK_US);
    };
    (0..=2 * pictures).for_each(|n| send(&mut b, n));
    let mut viewer = b.viewer(2, 1002, 100);
    (2 * pictures + 1..3 * pictures).for_each(|n| send(&mut b, n));
    let media = viewer.received(&mut b).0;
    assert_eq!(media.len(), usize::from(3 * pictures));
    media.into_iter().map(|(h, _)| h.ts).collect()
}

#[test]
fn pictures_before_and_after_a_jump_have_times_of_their_own_in_order() {
    let (second, hour) = (90_000, 3_600 * 90_000);
    for jump in [0, second / 2, 5 * second, 9 * second, 70 * second, hour, 10 * hour, -hour, -10 * hour] {
        for (pictures, bytes) in [(10, 20), (50, 20), (50, 1_100)] {
            let seen = seen_over_a_jump(jump, pictures, bytes);
            let steps: Vec<i32> = seen.windows(2).map(|w| w[1].wrapping_sub(w[0]) as i32).collect();
            assert!(steps.iter().all(|s| *s > 0), "{jump} ticks, {pictures} pictures of {bytes} bytes: {steps:?}");
            assert!(
                steps.iter().all(|s| *s <= 90_000),
                "{jump} ticks, {pictures} pictures of {bytes} bytes: {steps:?}"
            );
        }
    }
}
