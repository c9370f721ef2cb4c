//! One stream for as many viewers on one worker thread and on two: what sharding is worth.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rillcast_plane_driver::thread::pin;
use serde::Serialize;

use crate::edge::{shared, Audience, Edge};

#[derive(Serialize)]
pub struct Scale {
    workers: usize,
    viewers: usize,
    raw: bool,
    packets_per_s: f64,
}

/// Seconds of stream in one measurement.
const SECONDS: u64 = 3;

/// `viewers` spread over `workers` pinned threads; worker 0 has the source and mails its packets to the others.
pub fn measure(workers: usize, viewers: usize, raw: bool) -> Scale {
    let shared = shared(workers);
    let each = viewers / workers;
    let sent = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let audience = |w: usize| Audience {
        viewers: w * each..(w + 1) * each,
        streams: 1,
        gso: true,
        raw,
        busy: 1.0,
        trace: None,
        silent: false,
    };
    let mut edges: Vec<Edge> = (0..workers).map(|w| Edge::one_of(&shared, w, audience(w))).collect();
    // Let the mirrors be made, and a keyframe through.
    for _ in 0..3 {
        for e in &mut edges {
            e.deliver();
        }
    }
    edges[0].second();
    for e in &mut edges[1..] {
        e.follow();
    }
    let started = Instant::now();
    std::thread::scope(|scope| {
        let mut edges = edges.into_iter().enumerate();
        let Some((_, mut first)) = edges.next() else { return };
        for (w, mut edge) in edges {
            let (sent, done) = (&sent, &done);
            scope.spawn(move || {
                pin(w);
                loop {
                    let last = done.load(Ordering::SeqCst);
                    let n = edge.follow();
                    sent.fetch_add(n, Ordering::Relaxed);
                    if last && n == 0 {
                        return;
                    }
                }
            });
        }
        let (sent, done) = (&sent, &done);
        scope.spawn(move || {
            pin(0);
            for _ in 0..SECONDS {
                sent.fetch_add(first.second(), Ordering::Relaxed);
            }
            done.store(true, Ordering::SeqCst);
        });
    });
    let wall = started.elapsed().as_secs_f64();
    Scale { workers, viewers, raw, packets_per_s: sent.load(Ordering::Relaxed) as f64 / wall }
}
