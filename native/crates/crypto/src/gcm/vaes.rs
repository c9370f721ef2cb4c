//! AES-128-GCM sealing with VAES and VPCLMULQDQ: 16 blocks at a time, one reduction for all of them.
//!
//! After V. Gueron and M. Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM
//! Mode": blocks are hashed byte-reversed, and the powers of H are kept multiplied by x, so that the bit order of GCM
//! costs nothing. No branch and no address depends on key or data, only on lengths.
//!
//! All `unsafe` of the own GCM is here. A function that needs CPU features can be reached only through a value of
//! `Vaes512` or `Vaes256`, and those are only made where the CPU has them.

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

    /// Encrypts `payload`, `pad - 1` zeros and a byte `pad` into `out`, which takes the tag as well and must have
    /// exactly that size.
    pub fn seal(&self, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], payload: &[u8], pad: u8, out: &mut [u8]) {
        assert_eq!(out.len(), payload.len() + usize::from(pad) + GCM_TAG_LEN);
        // SAFETY: `self` exists, so the CPU has the features; `out` has the size asked for.
        unsafe { wide::seal(&self.0, nonce, aad, payload, pad, out) }
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

    /// As `Vaes512::seal`; padding costs a copy of the payload.
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

/// FIPS 197 §5.2.
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
    for round in &rounds[1..10] {
        state = _mm_aesenc_si128(state, *round);
    }
    _mm_aesenclast_si128(state, rounds[10])
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

/// Four blocks per vector; byte masks read and write exactly the bytes there are.
mod wide {
    use super::*;

    const VECTOR: usize = 4 * BLOCK;

    /// A sum of products, 256 bits in three overlapping parts, four lanes of it.
    #[derive(Clone, Copy)]
    struct Sum {
        low: __m512i,
        middle: __m512i,
        high: __m512i,
    }

    /// # Safety
    /// `out` must have `payload.len() + pad + 16` bytes.
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    pub unsafe fn seal(
        key: &Schedule,
        nonce: &[u8; GCM_NONCE_LEN],
        aad: &[u8],
        payload: &[u8],
        pad: u8,
        out: &mut [u8],
    ) {
        let first = first_counter(nonce);
        let mask = encrypt(&key.rounds, _mm_shuffle_epi8(first, counter_order()));
        let lanes = _mm512_set_epi32(4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0);
        let mut counter = _mm512_add_epi32(_mm512_broadcast_i32x4(first), lanes);
        let mut hash = hash_aad(key, aad);
        let (mut readable, mut left) = (payload.len(), payload.len() + usize::from(pad));
        let lengths = lengths(aad.len(), left);
        let (mut from, mut to) = (payload.as_ptr(), out.as_mut_ptr());
        while left > CHUNK {
            let mut blocks = key_stream::<4>(key, &mut counter);
            for (i, b) in blocks.iter_mut().enumerate() {
                // SAFETY: a chunk is left of the output, and the input is read as far as it goes.
                unsafe {
                    if readable >= CHUNK {
                        *b = _mm512_xor_si512(*b, _mm512_loadu_si512(from.add(i * VECTOR).cast()));
                    } else {
                        *b = _mm512_xor_si512(*b, load(from, i * VECTOR, readable));
                    }
                    _mm512_storeu_si512(to.add(i * VECTOR).cast(), *b);
                }
            }
            hash = reduce(absorb(key, 1, hash, &blocks));
            let read = readable.min(CHUNK);
            // SAFETY: stays inside the payload, or at its end, and inside the output.
            unsafe {
                from = from.add(read);
                to = to.add(CHUNK);
            }
            readable -= read;
            left -= CHUNK;
        }
        let rest = Rest { from, readable, to, left, pad, hash, lengths };
        // SAFETY: `left` bytes are left of the output before the tag, `readable` of the payload; 64 · N holds them.
        let hash = unsafe {
            match left.div_ceil(VECTOR) {
                0 => rest.seal::<0>(key, counter),
                1 => rest.seal::<1>(key, counter),
                2 => rest.seal::<2>(key, counter),
                3 => rest.seal::<3>(key, counter),
                _ => rest.seal::<4>(key, counter),
            }
        };
        let tag = _mm_xor_si128(_mm_shuffle_epi8(hash, hash_order()), mask);
        // SAFETY: the tag's 16 bytes stand behind what was left.
        unsafe { _mm_storeu_si128(to.add(left).cast(), tag) };
    }

    /// The last chunk: 0 to 256 bytes, then the block of lengths.
    struct Rest {
        from: *const u8,
        readable: usize,
        to: *mut u8,
        left: usize,
        pad: u8,
        hash: __m128i,
        lengths: __m128i,
    }

    impl Rest {
        /// # Safety
        /// `from` has `readable`, `to` has `left` bytes, `readable` ≤ `left` ≤ 64 · N.
        #[inline]
        #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
        unsafe fn seal<const N: usize>(self, key: &Schedule, mut counter: __m512i) -> __m128i {
            let mut blocks = key_stream::<N>(key, &mut counter);
            for (i, b) in blocks.iter_mut().enumerate() {
                let written = mask(self.left.saturating_sub(i * VECTOR));
                // SAFETY: the masks keep to what is there.
                unsafe {
                    let mut clear = load(self.from, i * VECTOR, self.readable);
                    if self.pad > 0 {
                        let before_last = mask((self.left - 1).saturating_sub(i * VECTOR));
                        clear = _mm512_mask_set1_epi8(clear, written & !before_last, self.pad as i8);
                    }
                    *b = _mm512_maskz_mov_epi8(written, _mm512_xor_si512(*b, clear));
                    _mm512_mask_storeu_epi8(self.to.add(i * VECTOR).cast(), written, *b);
                }
            }
            let last = if N == 0 { _mm_xor_si128(self.lengths, self.hash) } else { self.lengths };
            let mut sum = product(_mm512_zextsi128_si512(last), _mm512_zextsi128_si512(key.powers[POWERS - 1]));
            if N > 0 {
                let first = POWERS - 1 - self.left.div_ceil(BLOCK);
                sum = add(sum, absorb(key, first, self.hash, &blocks));
            }
            reduce(sum)
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn hash_aad(key: &Schedule, aad: &[u8]) -> __m128i {
        let mut hash = _mm_setzero_si128();
        for part in aad.chunks(VECTOR) {
            // SAFETY: reads what the slice has.
            let block = unsafe { load(part.as_ptr(), 0, part.len()) };
            hash = reduce(absorb(key, POWERS - part.len().div_ceil(BLOCK), hash, &[block]));
        }
        hash
    }

    /// N vectors of key stream; `counter` moves on.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn key_stream<const N: usize>(key: &Schedule, counter: &mut __m512i) -> [__m512i; N] {
        let order = _mm512_broadcast_i32x4(counter_order());
        let four = _mm512_set_epi32(4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0);
        let mut state = [_mm512_setzero_si512(); N];
        let whitening = _mm512_broadcast_i32x4(key.rounds[0]);
        for s in &mut state {
            *s = _mm512_xor_si512(_mm512_shuffle_epi8(*counter, order), whitening);
            *counter = _mm512_add_epi32(*counter, four);
        }
        for round in &key.rounds[1..10] {
            let round = _mm512_broadcast_i32x4(*round);
            for s in &mut state {
                *s = _mm512_aesenc_epi128(*s, round);
            }
        }
        let last = _mm512_broadcast_i32x4(key.rounds[10]);
        for s in &mut state {
            *s = _mm512_aesenclast_epi128(*s, last);
        }
        state
    }

    /// Products of `hash` + `blocks` with the powers from `first` on, summed but not reduced. Blocks whose power would
    /// be past H must be zero.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn absorb<const N: usize>(key: &Schedule, first: usize, hash: __m128i, blocks: &[__m512i; N]) -> Sum {
        assert!(first + 4 * N <= BLOCKS);
        let order = _mm512_broadcast_i32x4(hash_order());
        let powers = ptr::from_ref(key).cast::<__m128i>();
        let zero = _mm512_setzero_si512();
        let mut sum = Sum { low: zero, middle: zero, high: zero };
        let mut carried = _mm512_zextsi128_si512(hash);
        for (i, b) in blocks.iter().enumerate() {
            let reversed = _mm512_xor_si512(_mm512_shuffle_epi8(*b, order), carried);
            carried = zero;
            // SAFETY: four blocks inside `Schedule`, as asserted.
            let power = unsafe { _mm512_loadu_si512(powers.add(first + 4 * i).cast()) };
            sum = add(sum, product(reversed, power));
        }
        sum
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn product(a: __m512i, b: __m512i) -> Sum {
        let halves = _mm512_clmulepi64_epi128::<0x00>(sum_of_halves(a), sum_of_halves(b));
        Sum {
            low: _mm512_clmulepi64_epi128::<0x00>(a, b),
            middle: halves,
            high: _mm512_clmulepi64_epi128::<0x11>(a, b),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn sum_of_halves(a: __m512i) -> __m512i {
        _mm512_xor_si512(a, _mm512_shuffle_epi32::<0x4e>(a))
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn add(a: Sum, b: Sum) -> Sum {
        Sum {
            low: _mm512_xor_si512(a.low, b.low),
            middle: _mm512_xor_si512(a.middle, b.middle),
            high: _mm512_xor_si512(a.high, b.high),
        }
    }

    /// Modulo the polynomial, then all lanes into one.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn reduce(sum: Sum) -> __m128i {
        let crosses = _mm512_xor_si512(sum.middle, _mm512_xor_si512(sum.low, sum.high));
        let middle = _mm512_xor_si512(crosses, fold(sum.low));
        let lanes = _mm512_xor_si512(sum.high, fold(middle));
        let pair = _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
        _mm_xor_si128(_mm256_castsi256_si128(pair), _mm256_extracti128_si256::<1>(pair))
    }

    /// The lowest 64 bits' share in the 128 above them.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    fn fold(a: __m512i) -> __m512i {
        let share = _mm512_clmulepi64_epi128::<0x00>(a, _mm512_set1_epi64(POLYNOMIAL));
        _mm512_xor_si512(share, _mm512_shuffle_epi32::<0x4e>(a))
    }

    /// The 64 bytes at `at` of `len` bytes at `start`; zeros where those end.
    ///
    /// # Safety
    /// `start` must be readable for `len` bytes.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    unsafe fn load(start: *const u8, at: usize, len: usize) -> __m512i {
        // SAFETY: masked bytes are not accessed, so that the address past the end does not matter.
        unsafe { _mm512_maskz_loadu_epi8(mask(len.saturating_sub(at)), start.wrapping_add(at).cast()) }
    }

    /// One bit for each of the first `bytes` bytes of a vector.
    #[inline]
    #[target_feature(enable = "bmi2")]
    fn mask(bytes: usize) -> u64 {
        _bzhi_u64(u64::MAX, bytes.min(VECTOR) as u32)
    }
}

/// Two blocks per vector, for CPUs without AVX-512; a last incomplete vector goes through a buffer.
mod narrow {
    use super::*;

    const VECTOR: usize = 2 * BLOCK;

    /// A sum of products, 256 bits in three overlapping parts, two lanes of it.
    #[derive(Clone, Copy)]
    struct Sum {
        low: __m256i,
        middle: __m256i,
        high: __m256i,
    }

    /// What moves along the packet.
    struct Run<'a> {
        key: &'a Schedule,
        from: *const u8,
        to: *mut u8,
        counter: __m256i,
        /// Of the next block.
        power: usize,
        /// Goes into the next block.
        hash: __m128i,
        sum: Sum,
    }

    /// # Safety
    /// `from` must be null, for data that stands in `out`, or have as many bytes as `out` before the tag's 16.
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    pub unsafe fn seal(key: &Schedule, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], from: *const u8, out: &mut [u8]) {
        let first = first_counter(nonce);
        let mask = encrypt(&key.rounds, _mm_shuffle_epi8(first, counter_order()));
        let mut left = out.len() - GCM_TAG_LEN;
        let lengths = lengths(aad.len(), left);
        let to = out.as_mut_ptr();
        let mut run = Run {
            key,
            from: if from.is_null() { to } else { from },
            to,
            counter: _mm256_add_epi32(_mm256_broadcastsi128_si256(first), _mm256_set_epi32(2, 0, 0, 0, 1, 0, 0, 0)),
            power: 1,
            hash: hash_aad(key, aad),
            sum: nothing(),
        };
        // SAFETY: the groups are as long as what `left` counts, which is what is left of input and output; the tag's
        // 16 bytes stand behind them.
        unsafe {
            while left > CHUNK {
                run.group::<4>();
                run.group::<4>();
                run.hash = reduce(run.sum);
                (run.sum, run.power) = (nothing(), 1);
                left -= CHUNK;
            }
            run.power = POWERS - 1 - left.div_ceil(BLOCK);
            while left >= 4 * VECTOR {
                run.group::<4>();
                left -= 4 * VECTOR;
            }
            if left >= 2 * VECTOR {
                run.group::<2>();
                left -= 2 * VECTOR;
            }
            if left >= VECTOR {
                run.group::<1>();
                left -= VECTOR;
            }
            run.partial(left);
            let last = _mm256_zextsi128_si256(_mm_xor_si128(lengths, run.hash));
            let sum = add(run.sum, product(last, _mm256_zextsi128_si256(key.powers[POWERS - 1])));
            let tag = _mm_xor_si128(_mm_shuffle_epi8(reduce(sum), hash_order()), mask);
            _mm_storeu_si128(run.to.add(left).cast(), tag);
        }
    }

    impl Run<'_> {
        /// # Safety
        /// `from` and `to` must have 32 · N bytes.
        #[inline]
        #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
        unsafe fn group<const N: usize>(&mut self) {
            let mut blocks = key_stream::<N>(self.key, &mut self.counter);
            for (i, b) in blocks.iter_mut().enumerate() {
                // SAFETY: inside the bytes that the caller promises.
                unsafe {
                    *b = _mm256_xor_si256(*b, _mm256_loadu_si256(self.from.add(i * VECTOR).cast()));
                    _mm256_storeu_si256(self.to.add(i * VECTOR).cast(), *b);
                }
            }
            self.sum = add(self.sum, absorb(self.key, self.power, self.hash, &blocks));
            self.hash = _mm_setzero_si128();
            self.power += 2 * N;
            // SAFETY: at most the end of those bytes.
            unsafe {
                self.from = self.from.add(N * VECTOR);
                self.to = self.to.add(N * VECTOR);
            }
        }

        /// # Safety
        /// `from` and `to` must have `len` bytes, less than 32.
        #[inline]
        #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
        unsafe fn partial(&mut self, len: usize) {
            if len == 0 {
                return;
            }
            let [stream] = key_stream::<1>(self.key, &mut self.counter);
            let mut buffer = [0u8; VECTOR];
            let whole = buffer.as_mut_ptr().cast();
            // SAFETY: `len` bytes as the caller promises, and fewer than the buffer's.
            let block = unsafe {
                ptr::copy_nonoverlapping(self.from, buffer.as_mut_ptr(), len);
                _mm256_storeu_si256(whole, _mm256_xor_si256(stream, _mm256_loadu_si256(whole)));
                ptr::copy_nonoverlapping(buffer.as_ptr(), self.to, len);
                buffer[len..].fill(0);
                _mm256_loadu_si256(whole)
            };
            self.sum = add(self.sum, absorb(self.key, self.power, self.hash, &[block]));
            self.hash = _mm_setzero_si128();
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn hash_aad(key: &Schedule, aad: &[u8]) -> __m128i {
        let mut hash = _mm_setzero_si128();
        for part in aad.chunks(VECTOR) {
            let mut buffer = [0; VECTOR];
            buffer[..part.len()].copy_from_slice(part);
            // SAFETY: the buffer is one vector.
            let block = unsafe { _mm256_loadu_si256(buffer.as_ptr().cast()) };
            hash = reduce(absorb(key, POWERS - part.len().div_ceil(BLOCK), hash, &[block]));
        }
        hash
    }

    /// N vectors of key stream; `counter` moves on.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn key_stream<const N: usize>(key: &Schedule, counter: &mut __m256i) -> [__m256i; N] {
        let order = _mm256_broadcastsi128_si256(counter_order());
        let two = _mm256_set_epi32(2, 0, 0, 0, 2, 0, 0, 0);
        let mut state = [_mm256_setzero_si256(); N];
        let whitening = _mm256_broadcastsi128_si256(key.rounds[0]);
        for s in &mut state {
            *s = _mm256_xor_si256(_mm256_shuffle_epi8(*counter, order), whitening);
            *counter = _mm256_add_epi32(*counter, two);
        }
        for round in &key.rounds[1..10] {
            let round = _mm256_broadcastsi128_si256(*round);
            for s in &mut state {
                *s = _mm256_aesenc_epi128(*s, round);
            }
        }
        let last = _mm256_broadcastsi128_si256(key.rounds[10]);
        for s in &mut state {
            *s = _mm256_aesenclast_epi128(*s, last);
        }
        state
    }

    /// As `wide::absorb`.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn absorb<const N: usize>(key: &Schedule, first: usize, hash: __m128i, blocks: &[__m256i; N]) -> Sum {
        assert!(first + 2 * N <= BLOCKS);
        let order = _mm256_broadcastsi128_si256(hash_order());
        let powers = ptr::from_ref(key).cast::<__m128i>();
        let mut carried = _mm256_zextsi128_si256(hash);
        let mut sum = nothing();
        for (i, b) in blocks.iter().enumerate() {
            let reversed = _mm256_xor_si256(_mm256_shuffle_epi8(*b, order), carried);
            carried = _mm256_setzero_si256();
            // SAFETY: two blocks inside `Schedule`, as asserted.
            let power = unsafe { _mm256_loadu_si256(powers.add(first + 2 * i).cast()) };
            sum = add(sum, product(reversed, power));
        }
        sum
    }

    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn nothing() -> Sum {
        let zero = _mm256_setzero_si256();
        Sum { low: zero, middle: zero, high: zero }
    }

    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn product(a: __m256i, b: __m256i) -> Sum {
        let crosses =
            _mm256_xor_si256(_mm256_clmulepi64_epi128::<0x01>(a, b), _mm256_clmulepi64_epi128::<0x10>(a, b));
        Sum {
            low: _mm256_clmulepi64_epi128::<0x00>(a, b),
            middle: crosses,
            high: _mm256_clmulepi64_epi128::<0x11>(a, b),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn add(a: Sum, b: Sum) -> Sum {
        Sum {
            low: _mm256_xor_si256(a.low, b.low),
            middle: _mm256_xor_si256(a.middle, b.middle),
            high: _mm256_xor_si256(a.high, b.high),
        }
    }

    /// Modulo the polynomial, then both lanes into one.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn reduce(sum: Sum) -> __m128i {
        let middle = _mm256_xor_si256(sum.middle, fold(sum.low));
        let lanes = _mm256_xor_si256(sum.high, fold(middle));
        _mm_xor_si128(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes))
    }

    /// The lowest 64 bits' share in the 128 above them.
    #[inline]
    #[target_feature(enable = "avx2,vaes,vpclmulqdq,aes,pclmulqdq")]
    fn fold(a: __m256i) -> __m256i {
        let share = _mm256_clmulepi64_epi128::<0x00>(a, _mm256_set1_epi64x(POLYNOMIAL));
        _mm256_xor_si256(share, _mm256_shuffle_epi32::<0x4e>(a))
    }
}
