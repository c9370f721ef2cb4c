//! Two blocks per vector, for CPUs without AVX-512; a last incomplete vector goes through a buffer.

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
    /// The index of the power for the next block.
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
    for round in &key.rounds[1..ROUNDS - 1] {
        let round = _mm256_broadcastsi128_si256(*round);
        for s in &mut state {
            *s = _mm256_aesenc_epi128(*s, round);
        }
    }
    let last = _mm256_broadcastsi128_si256(key.rounds[ROUNDS - 1]);
    for s in &mut state {
        *s = _mm256_aesenclast_epi128(*s, last);
    }
    state
}

/// Takes several vectors into the hash, like `wide::absorb_all`.
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
    let crosses = _mm256_xor_si256(_mm256_clmulepi64_epi128::<0x01>(a, b), _mm256_clmulepi64_epi128::<0x10>(a, b));
    Sum { low: _mm256_clmulepi64_epi128::<0x00>(a, b), middle: crosses, high: _mm256_clmulepi64_epi128::<0x11>(a, b) }
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
