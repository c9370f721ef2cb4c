//! Every implementation that the CPU has, against BoringSSL's.

use super::{pad_behind, Implementation, Sealer, GCM_NONCE_LEN, GCM_TAG_LEN};
use crate::ffi::Gcm;

const MAX_PAYLOAD: usize = 1500;
const BEHIND: u8 = 0x55;

/// xorshift64*: keys, nonces and data that differ from case to case, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| (self.next() >> 56) as u8)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }
}

/// Buffers that are reused, since a case is shorter than an allocation.
struct Bench {
    noise: Noise,
    payload: Vec<u8>,
    aad: Vec<u8>,
    expected: Vec<u8>,
    sealed: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        let payload = (0..MAX_PAYLOAD + 64).map(|_| noise.next() as u8).collect();
        let aad = (0..512).map(|_| noise.next() as u8).collect();
        Bench { noise, payload, aad, expected: vec![0; 2048], sealed: vec![0; 2048] }
    }

    /// A payload, AAD and slot that stand anywhere.
    fn check(&mut self, keys: &[(Implementation, Sealer)], oracle: &Gcm, len: usize, aad: usize, pad: u8) {
        let (at, aad_at, slot_at) = (self.noise.below(64), self.noise.below(64), self.noise.below(64));
        let nonce: [u8; GCM_NONCE_LEN] = self.noise.bytes();
        let (payload, aad) = (&self.payload[at..at + len], &self.aad[aad_at..aad_at + aad]);
        let end = len + usize::from(pad) + GCM_TAG_LEN;
        let expected = &mut self.expected[..end];
        if pad == 0 {
            expected[..len].copy_from_slice(payload);
        } else {
            pad_behind(payload, pad, expected);
        }
        assert!(oracle.seal_in_place(&nonce, aad, expected));
        for (implementation, key) in keys {
            self.sealed[..slot_at + end + 64].fill(BEHIND);
            assert!(key.seal(&nonce, aad, payload, pad, &mut self.sealed[slot_at..slot_at + end]));
            let (before, rest) = self.sealed.split_at(slot_at);
            let case = || format!("{implementation:?}: {len} bytes, {} of AAD, {pad} of padding", aad.len());
            assert!(rest[..end] == *expected, "{}", case());
            let around = before.iter().chain(&rest[end..end + 64]);
            assert!(around.copied().all(|b| b == BEHIND), "{} written around it", case());
        }
    }

    fn keys(&mut self) -> (Vec<(Implementation, Sealer)>, Gcm) {
        let key: [u8; 16] = self.noise.bytes();
        let all = Implementation::available().map(|i| (i, Sealer::of(i, &key).expect("an available implementation")));
        (all.collect(), Gcm::new(&key).unwrap())
    }
}

#[test]
fn every_length_with_every_header() {
    let mut bench = Bench::new();
    for len in 0..=MAX_PAYLOAD {
        let (keys, oracle) = bench.keys();
        (12..=40).step_by(4).for_each(|aad| bench.check(&keys, &oracle, len, aad, 0));
    }
}

#[test]
fn every_length_with_padding() {
    let mut bench = Bench::new();
    for len in 0..=MAX_PAYLOAD {
        let (keys, oracle) = bench.keys();
        for pad in [1, 2, 15, 16, 17, 48, 63, 64, 255, bench.noise.below(255) as u8 + 1] {
            bench.check(&keys, &oracle, len, 20, pad);
        }
    }
}

#[test]
fn every_padding_around_the_chunks() {
    let mut bench = Bench::new();
    for len in [0, 1, 15, 16, 63, 64, 191, 192, 240, 241, 255, 256, 257, 511, 512, 1178] {
        let (keys, oracle) = bench.keys();
        (1..=255).for_each(|pad| bench.check(&keys, &oracle, len, 12, pad));
    }
}

#[test]
fn every_length_of_aad() {
    let mut bench = Bench::new();
    for aad in 0..=400 {
        let (keys, oracle) = bench.keys();
        [0, 1, 16, 108, 256, 1178].iter().for_each(|&len| bench.check(&keys, &oracle, len, aad, 0));
    }
}

#[test]
fn an_implementation_is_refused_a_key_it_cannot_have() {
    for implementation in Implementation::available() {
        for len in (0..40).filter(|len| ![16, 32].contains(len)) {
            assert!(Sealer::of(implementation, &vec![0; len]).is_none(), "{implementation:?}, {len} bytes");
        }
    }
    assert!(Sealer::new(&[0; 32]).is_some(), "AES-256 is BoringSSL's");
}

#[test]
#[should_panic(expected = "left == right")]
fn a_slot_of_the_wrong_size_is_not_written() {
    let sealer = Sealer::new(&[0; 16]).unwrap();
    sealer.seal(&[0; GCM_NONCE_LEN], &[0; 12], &[0; 100], 0, &mut [0; 115]);
}
