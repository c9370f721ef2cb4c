//! What the real edge code costs, next to the bound and to the obvious way, in one run.
//!
//! To be run by `tests/bench/fanout.py` inside a network namespace whose default route ends in a null device: then the
//! figures are the cost of sending, not of receivers on the same machine. One JSON object per line and measurement.
//!
//! ```text
//! fanout-bench packet ROUNDS VIEWERS STREAMS VARIANT,…   CPU per packet, flat out, the variants in turns
//! fanout-bench workers ROUNDS VIEWERS [raw]              packets per second of one worker thread and of two, in turns
//! fanout-bench paced SECONDS VIEWERS [edge|edge_raw|bound]  CPU per viewer and delays in real time, with keyframes
//! fanout-bench keyframe ROUNDS VIEWERS                   CPU of a keyframe of 60 packets for everybody, without sending
//! fanout-bench hostile ROUNDS                            CPU of a datagram that asks for as much as fits in it
//! fanout-bench memory VIEWERS                            resident memory with one, and with so many half a minute later
//! ```
//!
//! * `edge`: a worker with N connected viewers and everything a real viewer has: AES-128-GCM, RTX and abs-send-time
//!   negotiated, sender reports, statistics, consent, GSO.
//!   Flat out means busy: audio rides behind video (`worker/audio_piggyback.rs`).
//! * `edge_calm`: the same without that, as a worker sends that is less than 30 % busy.
//! * `edge_raw`, `edge_raw_calm`: as these two, past the socket (decision 0230). They need CAP_NET_RAW.
//! * `edge_no_gso`: as `edge` with GSO off.
//! * `bound`: no crypto, one GSO message per burst, `sendmmsg`: nothing that sends these packets costs less.
//! * `naive`: AES-CM + HMAC-SHA1-80, one system call per packet.

mod edge;
mod hostile;
mod keyframe;
mod paced;
mod plain;
mod scale;
mod sinks;

use serde::Serialize;

use crate::edge::{Audience, Edge};
use crate::plain::Plain;

/// One viewer-second: 105 video packets in 30 frames and 50 audio packets.
pub const FRAMES: usize = 30;
pub const AUDIO: usize = 50;
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
    variant: String,
    viewers: usize,
    streams: usize,
    ns_per_packet: f64,
    user_ns: f64,
    system_ns: f64,
    /// Wall time at most 1.10 × CPU time: nothing else was running here.
    quiet: bool,
}

type Second = Box<dyn FnMut() -> u64>;

/// One second of stream to every viewer, in one of the ways.
fn variant(name: &str, viewers: usize, streams: usize) -> Option<Second> {
    let audience =
        |gso, raw, busy| Audience { viewers: 0..viewers, streams, gso, raw, busy, trace: None, silent: false };
    Some(match name {
        "edge" | "edge_calm" | "edge_no_gso" | "edge_raw" | "edge_raw_calm" => {
            let busy = if name.ends_with("calm") { 0.0 } else { 1.0 };
            let mut edge = Edge::new(audience(name != "edge_no_gso", name.starts_with("edge_raw"), busy));
            Box::new(move || edge.second())
        }
        "bound" => {
            let mut bound = Plain::bound(viewers);
            Box::new(move || bound.second())
        }
        "naive" => {
            let mut naive = Plain::naive(viewers);
            Box::new(move || naive.second())
        }
        _ => return None,
    })
}

fn measure(variant: &str, viewers: usize, streams: usize, second: &mut Second) -> Sample {
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
        variant: variant.into(),
        viewers,
        streams,
        ns_per_packet: per(user + system),
        user_ns: per(user),
        system_ns: per(system),
        quiet: wall <= 1.10 * (user + system),
    }
}

fn print(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(json) => println!("{json}"),
        Err(e) => eprintln!("{e}"),
    }
}

fn packet(rounds: usize, viewers: usize, streams: usize, names: &str) -> Option<()> {
    let mut variants: Vec<(&str, Second)> =
        names.split(',').map(|n| Some((n, variant(n, viewers, streams)?))).collect::<Option<_>>()?;
    rillcast_plane_driver::thread::pin(0);
    for _ in 0..rounds {
        for (name, second) in &mut variants {
            print(&measure(name, viewers, streams, second));
        }
    }
    Some(())
}

#[derive(Serialize)]
struct Memory {
    viewers: usize,
    resident_before: u64,
    resident: u64,
}

/// Resident memory of the process, bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// A crowd that joins at once, after half a minute of its stream.
fn memory(viewers: usize) -> Memory {
    let watched = |viewers| {
        let mut edge = Edge::new(Audience {
            viewers: 0..viewers,
            streams: 1,
            gso: true,
            raw: false,
            busy: 0.0,
            trace: None,
            silent: false,
        });
        for _ in 0..30 {
            edge.second();
        }
        (resident(), edge)
    };
    let (resident_before, _alone) = watched(1);
    let (resident, _crowd) = watched(viewers);
    Memory { viewers, resident_before, resident }
}

fn run(args: &[&str]) -> Option<()> {
    let number = |i: usize| args.get(i)?.parse::<usize>().ok().filter(|n| *n > 0);
    match *args.first()? {
        "packet" => packet(number(1)?, number(2)?, number(3)?, args.get(4)?)?,
        "workers" => {
            let (rounds, viewers) = (number(1)?, number(2)?);
            for _ in 0..rounds {
                for raw in if args.get(3) == Some(&"raw") { &[false, true][..] } else { &[false] } {
                    print(&scale::measure(1, viewers, *raw));
                    print(&scale::measure(2, viewers, *raw));
                }
            }
        }
        "paced" => {
            let way = args.get(3).map_or(Some(paced::Way::Edge), |name| paced::Way::named(name))?;
            print(&paced::measure(number(2)?, number(1)?, way));
        }
        "keyframe" => keyframe::measure(number(1)?, number(2)?).iter().for_each(print),
        "hostile" => hostile::measure(number(1)?).iter().for_each(print),
        "memory" => print(&memory(number(1)?)),
        _ => return None,
    }
    Some(())
}

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if run(&args).is_some() {
        return std::process::ExitCode::SUCCESS;
    }
    eprintln!(
        "fanout-bench packet ROUNDS VIEWERS STREAMS bound,edge,… | workers ROUNDS VIEWERS [raw] | paced SECONDS VIEWERS [edge|edge_raw|bound] | keyframe ROUNDS VIEWERS | hostile ROUNDS | memory VIEWERS"
    );
    std::process::ExitCode::from(2)
}
