//! Time per sealed packet of every AES-128-GCM implementation that this machine can run.
//!
//! `cargo run --release -p rillcast-crypto --example seal [rounds]`. Implementations take turns in rounds shorter than a
//! scheduler's slice; the median of the rounds is printed. A round goes over all keys in turn, from one shared payload
//! into a ring of slots, as the fan-out does.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rillcast_crypto::gcm::{Implementation, Sealer, GCM_NONCE_LEN, GCM_TAG_LEN};

const PAYLOADS: [usize; 2] = [1178, 108];
const KEYS: [usize; 3] = [1, 100, 5000];
const ROUND: Duration = Duration::from_millis(2);
const SLOTS: usize = 64;
const SLOT_LEN: usize = 1500;
const AAD: [u8; 20] = [0x90; 20];

fn keys(implementation: Implementation, n: usize) -> Vec<Sealer> {
    let key = |i: usize| std::array::from_fn::<u8, 16, _>(|k| (i.wrapping_mul(31) + k * 7) as u8);
    (0..n).map(|i| Sealer::of(implementation, &key(i)).expect("available")).collect()
}

/// Nanoseconds per packet.
fn round(keys: &[Sealer], payload: &[u8], slots: &mut [u8], count: &mut u64) -> f64 {
    let started = Instant::now();
    let mut packets = 0;
    while started.elapsed() < ROUND {
        for key in keys.iter().cycle().take(keys.len().max(500)) {
            let mut nonce = [0; GCM_NONCE_LEN];
            nonce[4..].copy_from_slice(&count.to_be_bytes());
            let at = *count as usize % SLOTS * SLOT_LEN;
            let out = &mut slots[at..at + payload.len() + GCM_TAG_LEN];
            assert!(key.seal(&nonce, &AAD, payload, 0, black_box(out)));
            *count += 1;
            packets += 1;
        }
    }
    started.elapsed().as_nanos() as f64 / f64::from(packets)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let rounds: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(151);
    let implementations: Vec<Implementation> = Implementation::available().collect();
    let (mut slots, mut count) = (vec![0; SLOTS * SLOT_LEN], 0);
    println!("chosen here: {:?}; ns per packet, median (least) of {rounds}", Implementation::chosen());
    for (payload, n) in PAYLOADS.into_iter().flat_map(|p| KEYS.map(|n| (p, n))) {
        let payload = vec![0x5a; payload];
        let keys: Vec<Vec<Sealer>> = implementations.iter().map(|i| keys(*i, n)).collect();
        let mut results = vec![vec![]; keys.len()];
        for _ in 0..rounds {
            for (keys, results) in keys.iter().zip(&mut results) {
                results.push(round(keys, &payload, &mut slots, &mut count));
            }
        }
        print!("{:5} B, {n:4} keys:", payload.len());
        for (implementation, results) in implementations.iter().zip(results) {
            let least = results.iter().copied().fold(f64::INFINITY, f64::min);
            print!("  {implementation:?} {:6.1} ({least:.1})", median(results));
        }
        println!();
    }
}
