//! The stream in real time, with keyframes: what a viewer costs at the pace of life, and how long a frame takes to the
//! first and to the last viewer.
//!
//! The bound likewise: the same packets at the same times, no crypto, a keyframe at once.
//!
//! Frames reach the worker when they are due, by mail instead of a relay's socket; timers run as the driver runs them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rillcast_plane::worker::TICK_US;
use rillcast_plane_driver::thread::pin;
use serde::Serialize;

use crate::edge::{Audience, Edge, Trace};
use crate::plain::Plain;
use crate::{cpu_us, packets_of, AUDIO, AUDIO_PAYLOAD, FRAMES, VIDEO_PAYLOAD};

/// A keyframe of 40 kB every two seconds.
const KEYFRAME_PACKETS: usize = 34;
const KEYFRAME_EVERY: usize = 2 * FRAMES;

/// Who sends the stream: the edge in one of its ways, or the bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Edge,
    /// The edge, past the socket.
    Raw,
    Bound,
}

impl Way {
    /// From the command line.
    pub fn named(name: &str) -> Option<Way> {
        [Way::Edge, Way::Raw, Way::Bound].into_iter().find(|w| w.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Way::Edge => "edge",
            Way::Raw => "edge_raw",
            Way::Bound => "bound",
        }
    }
}

#[derive(Serialize)]
pub struct Paced {
    variant: &'static str,
    viewers: usize,
    seconds: usize,
    packets: u64,
    cpu_us_per_viewer_second: f64,
    /// Share of one core that was used; at 1 the pace can't be kept.
    busy: f64,
    /// From the time a frame is due to the kernel having its first and its last packet.
    first_copy: Quantiles,
    last_copy: Quantiles,
    /// The figures of `last_copy` for keyframes only, which are sent in bursts a tick apart.
    keyframe_last_copy: Quantiles,
}

#[derive(Serialize)]
struct Quantiles {
    count: usize,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

fn quantiles(mut values: Vec<u64>) -> Quantiles {
    values.sort_unstable();
    let at = |q: f64| values.get(((values.len() as f64 * q).ceil() as usize).saturating_sub(1)).copied().unwrap_or(0);
    Quantiles { count: values.len(), p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) }
}

/// What comes next, µs since the run's start.
struct Schedule {
    frame: usize,
    audio: usize,
    tick: u64,
}

impl Schedule {
    fn frame_due(&self) -> u64 {
        self.frame as u64 * 1_000_000 / FRAMES as u64
    }

    fn audio_due(&self) -> u64 {
        self.audio as u64 * 1_000_000 / AUDIO as u64
    }

    fn next(&self) -> u64 {
        self.frame_due().min(self.audio_due()).min(self.tick)
    }
}

#[derive(Default)]
struct Delays {
    first: Vec<u64>,
    last: Vec<u64>,
    keyframe_last: Vec<u64>,
}

impl Delays {
    /// What was sent for `frame`.
    fn settle(&mut self, trace: &Trace, frame: usize) {
        let due = frame as u64 * 1_000_000 / FRAMES as u64;
        let Some((first, last)) = trace.take() else { return };
        self.first.push(first.saturating_sub(due));
        self.last.push(last.saturating_sub(due));
        if frame.is_multiple_of(KEYFRAME_EVERY) {
            self.keyframe_last.push(last.saturating_sub(due));
        }
    }
}

enum Subject {
    Edge(Box<Edge>),
    Bound(Box<Plain>),
}

impl Subject {
    fn packets(&self) -> u64 {
        match self {
            Subject::Edge(e) => e.packets(),
            Subject::Bound(b) => b.packets(),
        }
    }

    fn frame(&mut self, frame: usize) {
        let key = frame.is_multiple_of(KEYFRAME_EVERY);
        let n = if key { KEYFRAME_PACKETS } else { packets_of(frame) };
        match self {
            Subject::Edge(e) => e.frame(0, n, key),
            Subject::Bound(b) => b.burst(n, VIDEO_PAYLOAD),
        }
    }

    fn sound(&mut self) {
        match self {
            Subject::Edge(e) => e.sound(0),
            Subject::Bound(b) => b.burst(1, AUDIO_PAYLOAD),
        }
    }
}

struct Run {
    subject: Subject,
    trace: Arc<Trace>,
    started: Instant,
    /// The edge's clock at `started`.
    base: u64,
    at: Schedule,
    delays: Delays,
    /// CPU time at the last account, and when the next is due.
    accounted: (u64, u64),
}

impl Run {
    fn new(viewers: usize, way: Way) -> Self {
        let started = Instant::now();
        let trace = Arc::new(Trace::new(started));
        let raw = way == Way::Raw;
        let (subject, base) = if way == Way::Bound {
            (Subject::Bound(Box::new(Plain::bound(viewers).traced(trace.clone()))), 0)
        } else {
            let trace = Some(trace.clone());
            let edge = Edge::new(Audience {
                viewers: 0..viewers,
                streams: 1,
                gso: true,
                raw,
                busy: 0.0,
                trace,
                silent: false,
            });
            let base = edge.now();
            (Subject::Edge(Box::new(edge)), base)
        };
        let now = started.elapsed().as_micros() as u64;
        let next = |per_s: usize| (now * per_s as u64).div_ceil(1_000_000) as usize + 1;
        let at = Schedule { frame: next(FRAMES), audio: next(AUDIO), tick: now + TICK_US };
        trace.take();
        let accounted = (used_us(), now + 1_000_000);
        Run { subject, trace, started, base, at, delays: Delays::default(), accounted }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    /// Sleeps until something is due, and does it.
    fn turn(&mut self) {
        let wait = self.at.next().saturating_sub(self.now());
        if wait > 0 {
            std::thread::sleep(Duration::from_micros(wait));
        }
        let now = self.now();
        if let Subject::Edge(edge) = &mut self.subject {
            edge.set_now(self.base + now);
        }
        if now >= self.at.frame_due() {
            self.delays.settle(&self.trace, self.at.frame - 1);
            self.subject.frame(self.at.frame);
            self.at.frame += 1;
        }
        if now >= self.at.audio_due() {
            self.subject.sound();
            self.at.audio += 1;
        }
        if now >= self.at.tick {
            if let Subject::Edge(edge) = &mut self.subject {
                edge.tick(self.base + now);
            }
            self.at.tick = now + TICK_US;
        }
        let (before, due) = self.accounted;
        if now >= due {
            self.accounted = (used_us(), now + 1_000_000);
            if let Subject::Edge(edge) = &mut self.subject {
                edge.account(((self.accounted.0 - before) as f64 / 1e6).clamp(0.0, 1.0));
            }
        }
    }
}

fn used_us() -> u64 {
    let (user, system) = cpu_us();
    user + system
}

/// `viewers` of one stream on one pinned thread for `seconds`.
pub fn measure(viewers: usize, seconds: usize, way: Way) -> Paced {
    exact_timers();
    pin(0);
    let mut run = Run::new(viewers, way);
    let (wall, used, packets) = (Instant::now(), used_us(), run.subject.packets());
    let end = run.at.frame + seconds * FRAMES;
    while run.at.frame < end {
        run.turn();
    }
    let (wall, used) = (wall.elapsed().as_micros() as f64, (used_us() - used) as f64);
    Paced {
        variant: way.name(),
        viewers,
        seconds,
        packets: run.subject.packets() - packets,
        cpu_us_per_viewer_second: used / viewers as f64 / (wall / 1e6),
        busy: used / wall,
        first_copy: quantiles(run.delays.first),
        last_copy: quantiles(run.delays.last),
        keyframe_last_copy: quantiles(run.delays.keyframe_last),
    }
}

/// A packet's arrival wakes the driver at once; here a timer does, which must not be 50 µs late by policy.
fn exact_timers() {
    // SAFETY: no pointers; only the calling thread's timer slack changes.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}
