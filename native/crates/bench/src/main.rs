//! CPU per packet of the real edge code, of the bound and of the obvious way, interleaved in one run.
//!
//! To be run by `tests/bench/fanout.py` inside a network namespace whose default route ends in a null device: then the
//! figures are the cost of sending, not of receivers on the same machine. Prints one JSON object.
//! Before that, the same viewers on one worker thread and on two: packets per second of wall time.
//!
//! * `edge`: a worker with N connected viewers and everything a real viewer has: AES-128-GCM, RTX and abs-send-time
//!   negotiated, sender reports, statistics, consent, GSO.
//! * `edge_no_gso`: the same with GSO off.
//! * `bound`: no crypto, one GSO message per burst, `sendmmsg`: nothing that sends these packets costs less.
//! * `naive`: AES-CM + HMAC-SHA1-80, one system call per packet.

mod edge;
mod plain;
mod scale;

use serde::Serialize;

/// One viewer-second: 105 video packets in 30 frames and 50 audio packets.
pub const FRAMES: usize = 30;
pub const AUDIO: usize = 50;
pub const PACKETS: usize = 155;
/// Payload bytes, so that protected packets have about 1190 and 120 bytes.
pub const VIDEO_PAYLOAD: usize = 1154;
pub const AUDIO_PAYLOAD: usize = 92;

/// Packets of frame `i`: 3 and 4 alternating.
pub fn packets_of(i: usize) -> usize {
    3 + i % 2
}

/// User and system CPU time of the process, µs.
pub fn cpu_us() -> (u64, u64) {
    // SAFETY: rusage is plain data for which zeros are a value; the pointer outlives the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let us = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
    (us(usage.ru_utime), us(usage.ru_stime))
}

#[derive(Serialize)]
struct Sample {
    variant: &'static str,
    viewers: usize,
    ns_per_packet: f64,
    user_ns: f64,
    system_ns: f64,
    /// Wall time at most 1.10 × CPU time: nothing else was running here.
    quiet: bool,
}

fn measure(variant: &'static str, viewers: usize, mut second: impl FnMut() -> u64) -> Sample {
    second();
    let (started, before) = (std::time::Instant::now(), cpu_us());
    let mut packets = 0;
    while started.elapsed().as_millis() < 300 {
        packets += second();
    }
    let (wall, after) = (started.elapsed().as_micros() as f64, cpu_us());
    let (user, system) = ((after.0 - before.0) as f64, (after.1 - before.1) as f64);
    let per = |us: f64| us * 1000.0 / packets as f64;
    Sample {
        variant,
        viewers,
        ns_per_packet: per(user + system),
        user_ns: per(user),
        system_ns: per(system),
        quiet: wall <= 1.10 * (user + system),
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let rounds: usize = args.next().and_then(|a| a.parse().ok()).unwrap_or(5);
    let mut counts: Vec<usize> = args.filter_map(|a| a.parse().ok()).collect();
    if counts.is_empty() {
        counts.push(1000);
    }
    let (mut samples, mut scales) = (vec![], vec![]);
    for viewers in counts {
        for _ in 0..rounds {
            scales.push(scale::measure(1, viewers));
            scales.push(scale::measure(2, viewers));
        }
        let mut edge = edge::Edge::new(viewers, true);
        let mut edge_no_gso = edge::Edge::new(viewers, false);
        let mut bound = plain::Plain::bound(viewers);
        let mut naive = plain::Plain::naive(viewers);
        rillcast_plane::driver::thread::pin(0);
        for _ in 0..rounds {
            samples.push(measure("bound", viewers, || bound.second()));
            samples.push(measure("edge", viewers, || edge.second()));
            samples.push(measure("edge_no_gso", viewers, || edge_no_gso.second()));
            samples.push(measure("naive", viewers, || naive.second()));
        }
    }
    match serde_json::to_string(&serde_json::json!({ "fanout": samples, "workers": scales })) {
        Ok(json) => println!("{json}"),
        Err(e) => eprintln!("{e}"),
    }
}
