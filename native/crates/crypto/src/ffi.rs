//! The only `unsafe` code of this crate: BoringSSL functions for which `boring` has no safe wrapper.

use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use boring::ssl::SslRef;
use boring_sys as sys;
use foreign_types_shared::ForeignTypeRef;

pub const GCM_TAG_LEN: usize = 16;
pub const GCM_NONCE_LEN: usize = 12;
const SHA1_BLOCK_LEN: usize = 64;
const SHA1_LEN: usize = 20;

/// AES-128-GCM or AES-256-GCM with one key. Boxed, so that the C state never moves.
pub struct Gcm(Box<sys::EVP_AEAD_CTX>);

// SAFETY: the context holds the expanded key and pointers to static method tables; no part of it is tied to a thread.
unsafe impl Send for Gcm {}

impl Gcm {
    /// None unless the key has 16 or 32 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        // SAFETY: these functions have no preconditions; they return static tables.
        let aead = match key.len() {
            16 => unsafe { sys::EVP_aead_aes_128_gcm() },
            32 => unsafe { sys::EVP_aead_aes_256_gcm() },
            _ => return None,
        };
        let mut ctx = Box::new(MaybeUninit::<sys::EVP_AEAD_CTX>::uninit());
        // SAFETY: `ctx` is writable memory for one context, `key` is readable for the length given. The call
        // initialises the whole context or fails, and a failed one holds nothing to clean up.
        let ok = unsafe {
            sys::EVP_AEAD_CTX_init(ctx.as_mut_ptr(), aead, key.as_ptr(), key.len(), GCM_TAG_LEN, ptr::null_mut())
        };
        // SAFETY: initialised by the successful call above.
        (ok == 1).then(|| Gcm(unsafe { ctx.assume_init() }))
    }

    /// Encrypts `plain` into `out`, which takes the tag as well and must have exactly that size.
    pub fn seal(&self, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], plain: &[u8], out: &mut [u8]) -> bool {
        assert_eq!(out.len(), plain.len() + GCM_TAG_LEN);
        let (body, tag) = out.split_at_mut(plain.len());
        // SAFETY: `body` is as long as `plain`; `&mut` guarantees that it overlaps no input.
        unsafe { self.seal_scatter(nonce, aad, plain.as_ptr(), body, tag) }
    }

    /// Encrypts `data` where it stands; its last 16 bytes receive the tag.
    pub fn seal_in_place(&self, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], data: &mut [u8]) -> bool {
        let Some(plain_len) = data.len().checked_sub(GCM_TAG_LEN) else { return false };
        let (body, tag) = data.split_at_mut(plain_len);
        let plain = body.as_mut_ptr().cast_const();
        // SAFETY: `plain` is `body` itself, which the cipher allows.
        unsafe { self.seal_scatter(nonce, aad, plain, body, tag) }
    }

    /// # Safety
    /// `plain` must be readable for `body.len()` bytes and either be `body`'s start or not overlap it.
    unsafe fn seal_scatter(
        &self,
        nonce: &[u8; GCM_NONCE_LEN],
        aad: &[u8],
        plain: *const u8,
        body: &mut [u8],
        tag: &mut [u8],
    ) -> bool {
        let mut tag_len = 0;
        // SAFETY: every pointer comes from a slice with the length passed along, `plain` as the caller promises.
        let ok = unsafe {
            sys::EVP_AEAD_CTX_seal_scatter(
                &*self.0,
                body.as_mut_ptr(),
                tag.as_mut_ptr(),
                &mut tag_len,
                tag.len(),
                nonce.as_ptr(),
                nonce.len(),
                plain,
                body.len(),
                ptr::null(),
                0,
                aad.as_ptr(),
                aad.len(),
            )
        };
        ok == 1 && tag_len == tag.len()
    }

    /// Opens ciphertext and tag where they stand. Returns the plaintext's length; None if the tag is wrong.
    pub fn open_in_place(&self, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], data: &mut [u8]) -> Option<usize> {
        let mut plain_len = 0;
        // SAFETY: output and input are the same `data.len()` bytes, which the cipher allows; it writes at most
        // `max_out_len` = `data.len()`. The other pointers come from slices with the length passed along.
        let ok = unsafe {
            let start = data.as_mut_ptr();
            sys::EVP_AEAD_CTX_open(
                &*self.0,
                start,
                &mut plain_len,
                data.len(),
                nonce.as_ptr(),
                nonce.len(),
                start,
                data.len(),
                aad.as_ptr(),
                aad.len(),
            )
        };
        if ok == 1 {
            return Some(plain_len);
        }
        clear_errors();
        None
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, cleaned up only here.
        unsafe { sys::EVP_AEAD_CTX_cleanup(&mut *self.0) }
    }
}

/// A forged packet must not leave an entry in the thread's error queue, where a later DTLS call would find it.
fn clear_errors() {
    // SAFETY: no preconditions; acts on the calling thread's queue.
    unsafe { sys::ERR_clear_error() }
}

/// AES in counter mode with one key.
pub struct AesCtr(sys::AES_KEY);

impl AesCtr {
    /// None unless the key has 16 or 32 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        let bits = match key.len() {
            16 => 128,
            32 => 256,
            _ => return None,
        };
        let mut schedule = sys::AES_KEY::default();
        // SAFETY: `key` is readable for `bits` bits; `schedule` is a valid place to write the expanded key.
        let failed = unsafe { sys::AES_set_encrypt_key(key.as_ptr(), bits, &mut schedule) };
        (failed == 0).then_some(AesCtr(schedule))
    }

    /// Writes `input` XOR the key stream that starts at `iv` to `out`, which must be as long.
    pub fn apply(&self, iv: [u8; 16], input: &[u8], out: &mut [u8]) {
        assert_eq!(input.len(), out.len());
        // SAFETY: both are `out.len()` bytes; `&mut` guarantees that they do not overlap.
        unsafe { self.run(iv, input.as_ptr(), out.as_mut_ptr(), out.len()) }
    }

    pub fn apply_in_place(&self, iv: [u8; 16], data: &mut [u8]) {
        let start = data.as_mut_ptr();
        // SAFETY: input and output are the same `data.len()` bytes, which the cipher allows.
        unsafe { self.run(iv, start, start, data.len()) }
    }

    /// # Safety
    /// `input` readable and `out` writable for `len` bytes, and either equal or not overlapping.
    unsafe fn run(&self, mut iv: [u8; 16], input: *const u8, out: *mut u8, len: usize) {
        let mut block = [0u8; 16];
        let mut used = 0;
        // SAFETY: `input`, `out` and `len` as the caller promises; the counter and block buffers are one block each.
        unsafe { sys::AES_ctr128_encrypt(input, out, len, &self.0, iv.as_mut_ptr(), block.as_mut_ptr(), &mut used) }
    }
}

/// HMAC-SHA1 with one key: the two hash states after the padded key are kept, so a packet costs two blocks less.
pub struct HmacSha1 {
    inner: sys::SHA_CTX,
    outer: sys::SHA_CTX,
}

impl HmacSha1 {
    /// None if the key is longer than SHA-1's block of 64 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        let state = |pad: u8| {
            let mut block = [pad; SHA1_BLOCK_LEN];
            block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
            let mut ctx = MaybeUninit::<sys::SHA_CTX>::zeroed();
            // SAFETY: `SHA1_Init` writes the state words, every other field is zero, and zero is valid for all of them.
            let mut ctx = unsafe {
                sys::SHA1_Init(ctx.as_mut_ptr());
                ctx.assume_init()
            };
            sha1_update(&mut ctx, &block);
            ctx
        };
        (key.len() <= SHA1_BLOCK_LEN).then(|| HmacSha1 { inner: state(0x36), outer: state(0x5c) })
    }

    /// The MAC of the concatenation of `parts`.
    pub fn mac(&self, parts: [&[u8]; 2]) -> [u8; SHA1_LEN] {
        let mut inner = self.inner;
        parts.iter().for_each(|part| sha1_update(&mut inner, part));
        let mut outer = self.outer;
        sha1_update(&mut outer, &sha1_final(inner));
        sha1_final(outer)
    }
}

fn sha1_update(ctx: &mut sys::SHA_CTX, data: &[u8]) {
    // SAFETY: `ctx` is an initialised state and `data` readable for its length.
    unsafe { sys::SHA1_Update(ctx, data.as_ptr().cast(), data.len()) };
}

fn sha1_final(mut ctx: sys::SHA_CTX) -> [u8; SHA1_LEN] {
    let mut digest = [0; SHA1_LEN];
    // SAFETY: `ctx` is an initialised state and `digest` takes the 20 bytes written.
    unsafe { sys::SHA1_Final(digest.as_mut_ptr(), &mut ctx) };
    digest
}

/// How long a flight waits for its answer before it is sent again; doubles with every repetition.
pub fn set_initial_timeout(ssl: &mut SslRef, duration: Duration) {
    let ms = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: `ssl` is a live object, borrowed exclusively.
    unsafe { sys::DTLSv1_set_initial_timeout_duration(ssl.as_ptr(), ms) }
}

/// Time until the retransmission or acknowledgement timer fires; None if neither runs.
pub fn timeout(ssl: &SslRef) -> Option<Duration> {
    let mut left = sys::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: reads a live object, writes the one `timeval` given.
    let running = unsafe { sys::DTLSv1_get_timeout(ssl.as_ptr(), &mut left) };
    let (sec, usec) = (u64::try_from(left.tv_sec).ok()?, u64::try_from(left.tv_usec).ok()?);
    (running == 1).then(|| Duration::from_secs(sec) + Duration::from_micros(usec))
}

/// What `handle_timeout` found.
#[derive(Debug, PartialEq, Eq)]
pub enum Timer {
    NotExpired,
    Sent,
    Failed,
}

/// Sends again what an expired timer asks for. The stream behind `ssl` receives the datagrams.
pub fn handle_timeout(ssl: &mut SslRef) -> Timer {
    // SAFETY: `ssl` is a live object, borrowed exclusively; its BIO is the one `SslStream` gave it.
    match unsafe { sys::DTLSv1_handle_timeout(ssl.as_ptr()) } {
        0 => Timer::NotExpired,
        1 => Timer::Sent,
        _ => {
            clear_errors();
            Timer::Failed
        }
    }
}

/// Decides which side of the handshake `ssl` plays; nothing is sent yet.
pub fn set_client(ssl: &mut SslRef, client: bool) {
    // SAFETY: `ssl` is a live object, borrowed exclusively, whose handshake has not begun.
    unsafe {
        if client {
            sys::SSL_set_connect_state(ssl.as_ptr());
        } else {
            sys::SSL_set_accept_state(ssl.as_ptr());
        }
    }
}

/// Ends a finished association with a fatal alert, `internal_error`. Nothing can be done about a failure.
pub fn send_fatal_alert(ssl: &mut SslRef) {
    // SAFETY: `ssl` is a live object, borrowed exclusively; its BIO is the one `SslStream` gave it.
    unsafe { sys::SSL_send_fatal_alert(ssl.as_ptr(), sys::SSL_AD_INTERNAL_ERROR as u8) };
    clear_errors();
}

/// Frees the handshake's configuration (several kB) as soon as the handshake is over.
pub fn shed_handshake_config(ssl: &mut SslRef) {
    // SAFETY: `ssl` is a live object, borrowed exclusively.
    unsafe { sys::SSL_set_shed_handshake_config(ssl.as_ptr(), 1) }
}

#[cfg(test)]
pub mod test_clock {
    //! A clock that stands still until told otherwise, one per thread.

    use std::cell::Cell;
    use std::time::Duration;

    use boring::ssl::SslContextBuilder;
    use boring_sys as sys;

    thread_local! {
        static NOW: Cell<Duration> = const { Cell::new(Duration::from_secs(1_700_000_000)) };
    }

    pub fn advance(by: Duration) {
        NOW.set(NOW.get() + by);
    }

    pub fn install(builder: &mut SslContextBuilder) {
        // SAFETY: the builder's context is live and `read` has the signature asked for.
        unsafe { sys::SSL_CTX_set_current_time_cb(builder.as_ptr(), Some(read)) }
    }

    unsafe extern "C" fn read(_: *const sys::SSL, out: *mut sys::timeval) {
        let now = NOW.get();
        // SAFETY: BoringSSL passes a valid pointer to write the time to.
        unsafe { *out = sys::timeval { tv_sec: now.as_secs() as _, tv_usec: now.subsec_micros() as _ } }
    }
}
