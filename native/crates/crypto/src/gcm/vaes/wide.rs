//! Four blocks per vector; byte masks read and write exactly the bytes there are.

use std::arch::asm;

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
pub unsafe fn seal(key: &Schedule, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], payload: &[u8], pad: u8, out: &mut [u8]) {
    let first = _mm512_broadcast_i32x4(first_counter(nonce));
    let lanes = _mm512_set_epi32(4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0);
    let mut counter = _mm512_add_epi32(first, lanes);
    let mut hash = hash_aad(key, aad);
    let mut left = payload.len() + usize::from(pad);
    let ends = [first, _mm512_zextsi128_si512(lengths(aad.len(), left))];
    let mut readable = payload.len();
    let (mut from, mut to) = (payload.as_ptr(), out.as_mut_ptr());
    let mut pending = None;
    while left > CHUNK {
        // SAFETY: a chunk is left of the output, and the payload is read as far as it goes.
        unsafe {
            let clear = load_chunk(from, readable);
            let mut blocks = match &pending {
                None => key_stream::<4, 0>(key, &mut counter, &[], &mut hash),
                Some(pending) => key_stream::<4, 4>(key, &mut counter, pending, &mut hash),
            };
            for (i, b) in blocks.iter_mut().enumerate() {
                *b = _mm512_xor_si512(*b, clear[i]);
                _mm512_storeu_si512(to.add(i * VECTOR).cast(), *b);
            }
            pending = Some(blocks);
        }
        let read = readable.min(CHUNK);
        readable -= read;
        left -= CHUNK;
        // SAFETY: stays inside the payload, or at its end, and inside the output.
        unsafe {
            from = from.add(read);
            to = to.add(CHUNK);
        }
    }
    if let Some(pending) = &pending {
        hash = reduce(absorb_all(key, 1, hash, pending));
    }
    let rest = Rest { from, readable, to, left, pad, hash, counter, ends };
    // SAFETY: `readable` and `left` bytes are left of the payload and of the output before the tag.
    unsafe {
        match left.div_ceil(VECTOR) {
            0 => rest.finish::<0>(key),
            1 => rest.finish::<1>(key),
            2 => rest.finish::<2>(key),
            3 => rest.finish::<3>(key),
            _ => rest.finish::<4>(key),
        }
    }
}

/// The last 0 to 256 bytes.
struct Rest {
    from: *const u8,
    readable: usize,
    to: *mut u8,
    left: usize,
    pad: u8,
    hash: __m128i,
    counter: __m512i,
    /// The first counter and the block of lengths.
    ends: [__m512i; 2],
}

impl Rest {
    /// Encrypts what is left, hashes it and the lengths, and writes the tag.
    ///
    /// # Safety
    /// `from` must have `readable`, `to` `left` bytes and the tag's 16, and `readable` ≤ `left` ≤ 64 · N.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
    unsafe fn finish<const N: usize>(mut self, key: &Schedule) {
        let [mut first, lengths] = self.ends;
        let [mask_of_tag] = key_stream::<1, 0>(key, &mut first, &[], &mut self.hash);
        let mut blocks = key_stream::<N, 0>(key, &mut self.counter, &[], &mut self.hash);
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
        let h = _mm512_zextsi128_si512(key.powers[POWERS - 1]);
        let sum = if N == 0 {
            product(_mm512_xor_si512(lengths, _mm512_zextsi128_si512(self.hash)), h)
        } else {
            let power = POWERS - 1 - self.left.div_ceil(BLOCK);
            add(product(lengths, h), absorb_all(key, power, self.hash, &blocks))
        };
        let hash = _mm_shuffle_epi8(reduce(sum), hash_order());
        let tag = _mm_xor_si128(hash, _mm512_castsi512_si128(mask_of_tag));
        // SAFETY: the tag's 16 bytes stand behind what was left.
        unsafe { _mm_storeu_si128(self.to.add(self.left).cast(), tag) };
    }
}

/// The next 256 bytes, with zeros where the payload ends.
///
/// # Safety
/// `from` must be readable for `readable` bytes.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
unsafe fn load_chunk(from: *const u8, readable: usize) -> [__m512i; 4] {
    let mut clear = [_mm512_setzero_si512(); 4];
    for (i, c) in clear.iter_mut().enumerate() {
        // SAFETY: as the caller promises.
        unsafe {
            *c = if readable >= CHUNK {
                _mm512_loadu_si512(from.add(i * VECTOR).cast())
            } else {
                load(from, i * VECTOR, readable)
            };
        }
    }
    clear
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
fn hash_aad(key: &Schedule, aad: &[u8]) -> __m128i {
    let mut hash = _mm_setzero_si128();
    for part in aad.chunks(VECTOR) {
        // SAFETY: reads what the slice has.
        let block = unsafe { load(part.as_ptr(), 0, part.len()) };
        hash = reduce(absorb(key, POWERS - part.len().div_ceil(BLOCK), hash, block));
    }
    hash
}

/// N vectors of key stream; `counter` moves on. Meanwhile the chunk in `pending`, if any, is hashed: one waits for
/// its own results most of the time, and the two need different units of the CPU.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
fn key_stream<const N: usize, const PENDING: usize>(
    key: &Schedule,
    counter: &mut __m512i,
    pending: &[__m512i; PENDING],
    hash: &mut __m128i,
) -> [__m512i; N] {
    let order = _mm512_broadcast_i32x4(counter_order());
    let four = _mm512_set_epi32(4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0);
    let mut state = [_mm512_setzero_si512(); N];
    let whitening = _mm512_broadcast_i32x4(key.rounds[0]);
    for s in &mut state {
        *s = _mm512_xor_si512(_mm512_shuffle_epi8(*counter, order), whitening);
        *counter = _mm512_add_epi32(*counter, four);
    }
    let mut sum = nothing();
    for i in 1..ROUNDS - 1 {
        let round = _mm512_broadcast_i32x4(key.rounds[i]);
        for s in &mut state {
            *s = _mm512_aesenc_epi128(*s, round);
        }
        if i <= PENDING {
            let carried = if i == 1 { *hash } else { _mm_setzero_si128() };
            sum = add(sum, absorb(key, 4 * i - 3, carried, pending[i - 1]));
        }
        side_by_side(&mut state);
    }
    if PENDING > 0 {
        *hash = reduce(sum);
    }
    let last = _mm512_broadcast_i32x4(key.rounds[ROUNDS - 1]);
    for s in &mut state {
        *s = _mm512_aesenclast_epi128(*s, last);
    }
    state
}

/// Keeps the compiler from computing one vector after the other, where each would wait for itself.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
fn side_by_side<const N: usize>(state: &mut [__m512i; N]) {
    for i in 1..N {
        let (mut a, mut b) = (state[i - 1], state[i]);
        // SAFETY: no instruction.
        unsafe {
            asm!("/* {0} {1} */", inout(zmm_reg) a, inout(zmm_reg) b, options(nomem, nostack, preserves_flags));
        }
        (state[i - 1], state[i]) = (a, b);
    }
}

/// Products of four blocks with the powers from `first` on, not reduced. `hash` is added to the first block. Blocks
/// whose power would be past H must be zero.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
fn absorb(key: &Schedule, first: usize, hash: __m128i, blocks: __m512i) -> Sum {
    assert!(first + 4 <= BLOCKS);
    let reversed = _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(hash_order()));
    // SAFETY: four blocks inside `Schedule`, as asserted.
    let powers = unsafe { _mm512_loadu_si512(ptr::from_ref(key).cast::<__m128i>().add(first).cast()) };
    product(_mm512_xor_si512(reversed, _mm512_zextsi128_si512(hash)), powers)
}

/// Takes several vectors into the hash, each as `absorb` does.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
fn absorb_all<const N: usize>(key: &Schedule, first: usize, hash: __m128i, blocks: &[__m512i; N]) -> Sum {
    let mut sum = nothing();
    for (i, b) in blocks.iter().enumerate() {
        let carried = if i == 0 { hash } else { _mm_setzero_si128() };
        sum = add(sum, absorb(key, first + 4 * i, carried, *b));
    }
    sum
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
fn nothing() -> Sum {
    let zero = _mm512_setzero_si512();
    Sum { low: zero, middle: zero, high: zero }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,bmi2,vaes,vpclmulqdq")]
fn product(a: __m512i, b: __m512i) -> Sum {
    let crosses = _mm512_xor_si512(_mm512_clmulepi64_epi128::<0x01>(a, b), _mm512_clmulepi64_epi128::<0x10>(a, b));
    Sum { low: _mm512_clmulepi64_epi128::<0x00>(a, b), middle: crosses, high: _mm512_clmulepi64_epi128::<0x11>(a, b) }
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
    let middle = _mm512_xor_si512(sum.middle, fold(sum.low));
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
