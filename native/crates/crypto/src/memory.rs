//! Where BoringSSL's objects live: in memory of their own, apart from what lives as long as a session.
//!
//! A crowd that joins makes a dozen of them each, between sessions, and gives them up soon after the handshake. In one
//! heap with everything else they leave holes that nobody can use; apart, whole pages become free. BoringSSL looks for
//! these three functions by name (`crypto/mem.cc`); they replace its use of `malloc`, including its habit of wiping what
//! is freed.

use std::ffi::c_void;

use libmimalloc_sys::{mi_collect, mi_free, mi_malloc, mi_usable_size};

/// Gives whole free pages of the calling thread's DTLS objects back to the system. Worth calling some time after many
/// were dropped; takes about a millisecond then.
pub fn release() {
    // SAFETY: no preconditions.
    unsafe { mi_collect(true) }
}

/// # Safety
/// As for `malloc`; null if there is no memory.
#[no_mangle]
pub unsafe extern "C" fn OPENSSL_memory_alloc(size: usize) -> *mut c_void {
    // SAFETY: no preconditions.
    unsafe { mi_malloc(size) }
}

/// # Safety
/// `ptr` comes from `OPENSSL_memory_alloc` and is not used afterwards, or is null.
#[no_mangle]
pub unsafe extern "C" fn OPENSSL_memory_free(ptr: *mut c_void) {
    if ptr.is_null() {
        return;
    }
    // SAFETY: all of the block's usable bytes are ours until it is freed, and nobody else looks at it any more. Writes
    // through a volatile pointer are not left out, although nothing reads them.
    unsafe {
        let bytes = ptr.cast::<u64>();
        for i in 0..mi_usable_size(ptr) / 8 {
            bytes.add(i).write_volatile(0);
        }
        mi_free(ptr);
    }
}

/// # Safety
/// `ptr` comes from `OPENSSL_memory_alloc`, or is null.
#[no_mangle]
pub unsafe extern "C" fn OPENSSL_memory_get_size(ptr: *mut c_void) -> usize {
    // SAFETY: as the caller promises; null gives 0.
    unsafe { mi_usable_size(ptr) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn boringssl_gets_its_memory_here() {
        // SAFETY: a fresh block of 100 bytes, freed once; mimalloc can tell its own blocks from others.
        unsafe {
            let block = boring_sys::OPENSSL_malloc(100);
            assert!(libmimalloc_sys::mi_is_in_heap_region(block));
            boring_sys::OPENSSL_free(block);
        }
    }
}
