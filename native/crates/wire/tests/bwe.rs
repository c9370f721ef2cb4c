//! The estimate in virtual time: a sender that obeys it, through a queue of a given rate.

use rillcast_wire::bwe::Estimator;

const SECOND_US: u64 = 1_000_000;
const PACKET_BYTES: usize = 1_200;

/// abs-send-time of an instant, 6.18 fixed point.
fn abs_send_time(us: u64) -> u32 {
    ((us << 18) / SECOND_US) as u32 & 0xFF_FFFF
}

/// Numbers that look random and are the same each time (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }
}

/// A publisher at 30 frames/s that sends what the estimate allows, up to `wants_bps`; frames are paced over 10 ms.
struct Path {
    estimator: Estimator,
    wants_bps: u64,
    /// What gets through; the queue in front holds half a second and drops the rest.
    rate_bps: u64,
    jitter_us: u64,
    stamped: bool,
    reports_loss: bool,
    noise: Noise,
    now_us: u64,
    free_at_us: u64,
    last_arrival_us: u64,
    /// Sent and lost since the last report.
    sent: u32,
    lost: u32,
}

impl Path {
    fn new(start_bps: u64, wants_bps: u64, rate_bps: u64) -> Self {
        Self {
            estimator: Estimator::new(start_bps, 50_000, 20_000_000),
            wants_bps,
            rate_bps,
            jitter_us: 0,
            stamped: true,
            reports_loss: true,
            noise: Noise(0x9E37_79B9_7F4A_7C15),
            // Close to the wrap of abs-send-time, so that every run crosses it.
            now_us: 63 * SECOND_US,
            free_at_us: 0,
            last_arrival_us: 0,
            sent: 0,
            lost: 0,
        }
    }

    /// Runs for `seconds`, asking for the estimate each frame; `seen` gets time since the call began and the estimate.
    fn run(&mut self, seconds: f64, mut seen: impl FnMut(f64, u64)) {
        let begin_us = self.now_us;
        while self.now_us < begin_us + (seconds * 1e6) as u64 {
            let bps = self.estimator.estimate_bps(self.now_us.max(self.last_arrival_us));
            seen((self.now_us - begin_us) as f64 / 1e6, bps);
            self.frame(bps.min(self.wants_bps));
            self.now_us += SECOND_US / 30;
        }
    }

    fn frame(&mut self, bps: u64) {
        let packets = (bps / 30 / 8).div_ceil(PACKET_BYTES as u64).max(1);
        let size = (bps / 30 / 8 / packets) as usize;
        for i in 0..packets {
            self.send(self.now_us + i * 10_000 / packets, size);
        }
        if self.sent >= 100 && self.reports_loss {
            self.estimator.on_loss(self.last_arrival_us, self.lost as f32 / self.sent as f32);
            (self.sent, self.lost) = (0, 0);
        }
    }

    fn send(&mut self, at_us: u64, size: usize) {
        self.sent += 1;
        let start_us = self.free_at_us.max(at_us);
        if start_us - at_us > SECOND_US / 2 {
            self.lost += 1;
            return;
        }
        self.free_at_us = start_us + size as u64 * 8 * SECOND_US / self.rate_bps;
        let arrival_us = self.free_at_us + 20_000 + self.noise.below(self.jitter_us);
        self.last_arrival_us = self.last_arrival_us.max(arrival_us);
        self.estimator.on_packet(self.last_arrival_us, self.stamped.then(|| abs_send_time(at_us)), size);
    }

    fn end_bps(&mut self) -> u64 {
        self.estimator.estimate_bps(self.last_arrival_us)
    }
}

#[test]
fn a_720p_publisher_reaches_its_rate_within_three_seconds() {
    for start_bps in [300_000, 1_000_000] {
        let mut path = Path::new(start_bps, 2_500_000, 100_000_000);
        path.run(3.0, |_, _| {});
        assert!(path.end_bps() >= 2_500_000, "{} from {start_bps}", path.end_bps());
    }
}

#[test]
fn the_estimate_runs_ahead_of_a_modest_publisher_only_so_far() {
    let mut path = Path::new(1_000_000, 800_000, 100_000_000);
    path.run(30.0, |_, bps| assert!(bps <= 800_000 * 13 / 4 + 500_000, "{bps}"));
    assert!(path.end_bps() >= 2_000_000);
}

#[test]
fn a_bottleneck_of_a_megabit_is_found_within_five_seconds_and_kept() {
    for (start_bps, reports_loss) in
        [(300_000, true), (1_000_000, true), (1_000_000, false), (2_000_000, false), (4_000_000, true)]
    {
        let mut path = Path::new(start_bps, 2_500_000, 1_000_000);
        path.reports_loss = reports_loss;
        path.run(5.0, |_, _| {});
        let mut lowest = u64::MAX;
        path.run(60.0, |t, bps| {
            assert!(bps < 1_100_000, "{bps} bit/s {t} s later, from {start_bps}");
            lowest = lowest.min(bps);
        });
        assert!(lowest > 500_000, "fell to {lowest} from {start_bps}");
        assert!(path.end_bps() > 700_000, "{} from {start_bps}", path.end_bps());
    }
}

#[test]
fn the_estimate_follows_a_path_that_narrows_and_widens() {
    let mut path = Path::new(1_000_000, 2_500_000, 10_000_000);
    path.run(5.0, |_, _| {});
    path.rate_bps = 1_000_000;
    path.run(20.0, |t, bps| assert!(t < 8.0 || bps < 1_100_000, "{bps} bit/s {t} s after the path narrowed"));
    path.rate_bps = 10_000_000;
    path.run(40.0, |_, _| {});
    assert!(path.end_bps() > 2_000_000, "{} after the path widened", path.end_bps());
}

#[test]
fn jitter_alone_does_not_collapse_it() {
    for jitter_us in [5_000, 15_000, 30_000] {
        let mut path = Path::new(1_000_000, 2_500_000, 100_000_000);
        path.jitter_us = jitter_us;
        path.run(5.0, |_, _| {});
        let mut lowest = u64::MAX;
        path.run(60.0, |_, bps| lowest = lowest.min(bps));
        assert!(lowest > 1_500_000, "fell to {lowest} under {jitter_us} us");
    }
}

#[test]
fn without_abs_send_time_only_loss_counts() {
    let mut path = Path::new(1_000_000, 2_500_000, 1_000_000);
    path.stamped = false;
    path.run(30.0, |_, _| {});
    let mut highest = 0;
    path.run(30.0, |_, bps| highest = highest.max(bps));
    assert!(highest < 1_600_000, "rose to {highest}");
    assert!(path.end_bps() > 600_000, "{}", path.end_bps());

    let mut free = Path::new(1_000_000, 2_500_000, 100_000_000);
    free.stamped = false;
    free.run(3.0, |_, _| {});
    assert!(free.end_bps() >= 2_500_000);
}

#[test]
fn loss_above_ten_percent_cuts_and_above_two_holds() {
    let mut path = Path::new(1_000_000, 1_000_000, 100_000_000);
    path.run(1.0, |_, _| {});
    let (at_us, before) = (path.last_arrival_us, path.end_bps());
    path.estimator.on_loss(at_us, 0.05);
    assert_eq!(path.estimator.estimate_bps(at_us + 500_000), before, "held");
    path.estimator.on_loss(at_us + 500_000, 0.2);
    let cut = path.estimator.estimate_bps(at_us + 500_000);
    assert!((cut as f64 - before as f64 * 0.9).abs() < 2.0, "{cut} of {before}");
    path.estimator.on_loss(at_us + 600_000, 0.2);
    assert_eq!(path.estimator.estimate_bps(at_us + 600_000), cut, "one reaction per report interval");
}

#[test]
fn it_never_leaves_its_bounds() {
    let mut e = Estimator::new(10, 100_000, 300_000);
    assert_eq!(e.estimate_bps(0), 100_000);
    for i in 0..2_000u64 {
        e.on_packet(i * 2_000, Some(abs_send_time(i * 2_000)), PACKET_BYTES);
    }
    assert_eq!(e.estimate_bps(4_000_000), 300_000);
    for i in 0..100u64 {
        e.on_loss(4_000_000 + i * 400_000, if i == 50 { f32::NAN } else { 7.0 });
    }
    assert_eq!(e.estimate_bps(50_000_000), 100_000);
    assert_eq!(Estimator::new(5, 10, 1).estimate_bps(0), 10, "bounds the wrong way round");
}

#[test]
fn silence_longer_than_the_send_clock_neither_counts_as_congestion_nor_hides_it() {
    let mut path = Path::new(1_000_000, 2_500_000, 100_000_000);
    path.reports_loss = false;
    path.run(4.0, |_, _| {});
    let before = path.end_bps();
    // More than half a turn of the 24 bits: later looks earlier.
    path.now_us += 40 * SECOND_US;
    path.run(2.0, |_, bps| assert!(bps >= before, "{bps} after {before}"));
    path.rate_bps = 1_000_000;
    path.run(10.0, |t, bps| assert!(t < 5.0 || bps < 1_100_000, "{bps} bit/s {t} s after the path narrowed"));
}

#[test]
fn times_that_make_no_sense_do_not_panic() {
    let mut noise = Noise(7);
    let mut e = Estimator::new(1_000_000, 50_000, 5_000_000);
    let mut now_us = 0;
    for _ in 0..100_000 {
        now_us += noise.below(30_000);
        e.on_packet(
            now_us - noise.below(now_us.min(1_000) + 1),
            Some(noise.below(1 << 32) as u32),
            noise.below(1 << 16) as usize,
        );
        e.on_loss(now_us, noise.below(100) as f32 / 1_000.0);
        assert!((50_000..=5_000_000).contains(&e.estimate_bps(now_us)));
    }
}
