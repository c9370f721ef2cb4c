//! AES-128-GCM sealing with VAES and VPCLMULQDQ: 16 blocks at a time, one reduction for all of them.
//!
//! After V. Gueron and M. Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM
//! Mode": blocks are hashed byte-reversed, and the powers of H are kept multiplied by x, so that the bit order of GCM
//! costs nothing. No branch and no address depends on key or data, only on lengths.
//!
//! All `unsafe` of the own GCM is in this folder. A function that needs CPU features can be reached only through a value
//! of `Vaes512` or `Vaes256`, and those are only made where the CPU has them.

mod narrow;
mod wide;

use std::arch::x86_64::*;
use std::ptr;

use crate::ffi::{GCM_NONCE_LEN, GCM_TAG_LEN};

const BLOCK: usize = 16;
/// Bytes encrypted and hashed together.
const CHUNK: usize = 16 * BLOCK;
/// A last chunk has 16 blocks of data and the block of lengths.
const POWERS: usize = 17;
const ROUNDS: usize = 11;
/// A `Schedule` in blocks.
const BLOCKS: usize = POWERS + ROUNDS;

/// x¹²⁸ + x⁷ + x² + x + 1, reflected, without its two ends.
const POLYNOMIAL: i64 = 0xc2 << 56;

/// What a key needs to seal. Vectors of powers may be read past their end, into `rounds`, where the data is zero.
#[repr(C, align(64))]
struct Schedule {
    /// H¹⁷ … H¹, each times x.
    powers: [__m128i; POWERS],
    rounds: [__m128i; ROUNDS],
}

const _: () = assert!(size_of::<Schedule>() == BLOCK * BLOCKS);

/// A key on a CPU with VAES, VPCLMULQDQ and AVX-512.
pub struct Vaes512(Box<Schedule>);

/// A key on a CPU with VAES and VPCLMULQDQ on 256 bits.
pub struct Vaes256(Box<Schedule>);

impl Vaes512 {
    pub fn detected() -> bool {
        is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi2")
            && Vaes256::detected()
    }

    /// None if the CPU lacks a feature.
    pub fn new(key: &[u8; 16]) -> Option<Self> {
        // SAFETY: `detected` includes AES, PCLMULQDQ and SSSE3.
        Self::detected().then(|| Vaes512(unsafe { Schedule::new(key) }))
    }

    #[inline]
    pub fn prefetch(&self) {
        prefetch(&self.0);
    }

    /// Encrypts `payload`, `pad - 1` zeros and a byte `pad` into `out`, which takes the tag as well and must have
    /// exactly that size.
    pub fn seal(&self, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], payload: &[u8], pad: u8, out: &mut [u8]) {
        assert_eq!(out.len(), payload.len() + usize::from(pad) + GCM_TAG_LEN);
        // SAFETY: `self` exists, so the CPU has the features; `out` has the size asked for.
        unsafe { wide::seal(&self.0, nonce, aad, payload, pad, out) }
    }
}

/// Asks for the key's cache lines.
#[inline]
fn prefetch(key: &Schedule) {
    for line in 0..size_of::<Schedule>() / 64 {
        // SAFETY: inside the schedule; a prefetch touches nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr::from_ref(key).cast::<i8>().add(line * 64)) };
    }
}

impl Vaes256 {
    pub fn detected() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("vpclmulqdq")
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq")
    }

    /// None if the CPU lacks a feature.
    pub fn new(key: &[u8; 16]) -> Option<Self> {
        // SAFETY: `detected` includes AES, PCLMULQDQ and SSSE3.
        Self::detected().then(|| Vaes256(unsafe { Schedule::new(key) }))
    }

    #[inline]
    pub fn prefetch(&self) {
        prefetch(&self.0);
    }

    /// Seals a packet like `Vaes512::seal`; padding costs a copy of the payload.
    pub fn seal(&self, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], payload: &[u8], pad: u8, out: &mut [u8]) {
        assert_eq!(out.len(), payload.len() + usize::from(pad) + GCM_TAG_LEN);
        let len = out.len() - GCM_TAG_LEN;
        let start = if pad == 0 {
            payload.as_ptr()
        } else {
            super::pad_behind(payload, pad, &mut out[..len]);
            ptr::null()
        };
        // SAFETY: `self` exists, so the CPU has the features; `start` is null or has `len` bytes.
        unsafe { narrow::seal(&self.0, nonce, aad, start, out) }
    }
}

impl Schedule {
    #[target_feature(enable = "aes,pclmulqdq,ssse3")]
    fn new(key: &[u8; 16]) -> Box<Self> {
        let rounds = expand(key);
        let h = u128::from_be_bytes(bytes(encrypt(&rounds, _mm_setzero_si128())));
        let carry = (h >> 127) * (0xc2 << 120 | 1);
        let h = block(&((h << 1) ^ carry).to_le_bytes());
        let mut powers = [h; POWERS];
        for i in (0..POWERS - 1).rev() {
            powers[i] = multiply(powers[i + 1], h);
        }
        Box::new(Schedule { powers, rounds })
    }
}

/// Expands a key to the keys of all rounds (FIPS 197 §5.2).
#[target_feature(enable = "aes,ssse3")]
fn expand(key: &[u8; 16]) -> [__m128i; ROUNDS] {
    let mut rounds = [block(key); ROUNDS];
    macro_rules! derive {
        ($($i:literal: $constant:literal),*) => { $(
            let mut words = rounds[$i - 1];
            let assist = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<$constant>(words));
            words = _mm_xor_si128(words, _mm_slli_si128::<4>(words));
            words = _mm_xor_si128(words, _mm_slli_si128::<8>(words));
            rounds[$i] = _mm_xor_si128(words, assist);
        )* };
    }
    derive!(1: 0x01, 2: 0x02, 3: 0x04, 4: 0x08, 5: 0x10, 6: 0x20, 7: 0x40, 8: 0x80, 9: 0x1b, 10: 0x36);
    rounds
}

#[inline]
#[target_feature(enable = "aes")]
fn encrypt(rounds: &[__m128i; ROUNDS], input: __m128i) -> __m128i {
    let mut state = _mm_xor_si128(input, rounds[0]);
    for round in &rounds[1..ROUNDS - 1] {
        state = _mm_aesenc_si128(state, *round);
    }
    _mm_aesenclast_si128(state, rounds[ROUNDS - 1])
}

/// a · b / x in GCM's field, reflected.
#[target_feature(enable = "pclmulqdq,sse2")]
fn multiply(a: __m128i, b: __m128i) -> __m128i {
    let polynomial = _mm_set1_epi64x(POLYNOMIAL);
    let low = _mm_clmulepi64_si128::<0x00>(a, b);
    let high = _mm_clmulepi64_si128::<0x11>(a, b);
    let middle = _mm_xor_si128(_mm_clmulepi64_si128::<0x01>(a, b), _mm_clmulepi64_si128::<0x10>(a, b));
    let folded = _mm_xor_si128(_mm_clmulepi64_si128::<0x00>(low, polynomial), _mm_shuffle_epi32::<0x4e>(low));
    let middle = _mm_xor_si128(middle, folded);
    let folded = _mm_xor_si128(_mm_clmulepi64_si128::<0x00>(middle, polynomial), _mm_shuffle_epi32::<0x4e>(middle));
    _mm_xor_si128(high, folded)
}

/// Nonce and counter 1, the counter little-endian so that it can be added to.
#[target_feature(enable = "sse2")]
fn first_counter(nonce: &[u8; GCM_NONCE_LEN]) -> __m128i {
    let mut bytes = [0; BLOCK];
    bytes[..GCM_NONCE_LEN].copy_from_slice(nonce);
    bytes[GCM_NONCE_LEN] = 1;
    block(&bytes)
}

/// Makes the counter big-endian.
#[target_feature(enable = "sse2")]
fn counter_order() -> __m128i {
    _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 14, 13, 12)
}

/// Reverses a block.
#[target_feature(enable = "sse2")]
fn hash_order() -> __m128i {
    _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
}

/// The last block that is hashed, reversed: lengths in bits.
#[target_feature(enable = "sse2")]
fn lengths(aad: usize, data: usize) -> __m128i {
    _mm_set_epi64x(aad as i64 * 8, data as i64 * 8)
}

#[target_feature(enable = "sse2")]
fn block(bytes: &[u8; BLOCK]) -> __m128i {
    // SAFETY: 16 readable bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "sse2")]
fn bytes(block: __m128i) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    // SAFETY: 16 writable bytes; the store needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), block) };
    bytes
}
