//! The bandwidth estimate: whatever arrives and whenever, it stays within its bounds.

use arbitrary::{Arbitrary, Unstructured};
use rillcast_wire::bwe::Estimator;

#[derive(Arbitrary, Debug)]
enum Step {
    Packet { after_us: u16, sent: u32, size: u16 },
    Unstamped { after_us: u16, size: u16 },
    Burst { count: u8, apart_us: u16, sent_apart: u16, size: u16 },
    Loss { of_256: u8 },
    NoNumber,
    Pause { ms: u16 },
    LongPause { s: u32 },
}

#[derive(Arbitrary, Debug)]
struct Bounds {
    start_bps: u32,
    min_bps: u32,
    more_bps: u32,
}

pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(b) = Bounds::arbitrary(&mut u) else { return };
    let (min, max) = (u64::from(b.min_bps), u64::from(b.min_bps) + u64::from(b.more_bps));
    let mut estimator = Estimator::new(u64::from(b.start_bps), min, max);
    let mut now = 1_000_000;
    while let (false, Ok(step)) = (u.is_empty(), Step::arbitrary(&mut u)) {
        take(&mut estimator, &mut now, &step);
        let bps = estimator.estimate_bps(now);
        assert!((min..=max).contains(&bps), "{bps} is not within {min}..={max} after {step:?}");
    }
}

fn take(e: &mut Estimator, now: &mut u64, step: &Step) {
    match *step {
        Step::Packet { after_us, sent, size } => {
            *now += u64::from(after_us);
            e.on_packet(*now, Some(sent & 0xff_ffff), usize::from(size));
        }
        Step::Unstamped { after_us, size } => {
            *now += u64::from(after_us);
            e.on_packet(*now, None, usize::from(size));
        }
        Step::Burst { count, apart_us, sent_apart, size } => {
            for i in 0..u32::from(count) {
                *now += u64::from(apart_us);
                e.on_packet(*now, Some((i * u32::from(sent_apart)) & 0xff_ffff), usize::from(size));
            }
        }
        Step::Loss { of_256 } => e.on_loss(*now, f32::from(of_256) / 256.0),
        Step::NoNumber => e.on_loss(*now, f32::NAN),
        Step::Pause { ms } => *now += u64::from(ms) * 1_000,
        Step::LongPause { s } => *now += u64::from(s) * 1_000_000,
    }
}
