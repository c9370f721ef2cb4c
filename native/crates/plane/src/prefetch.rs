//! Hints to the CPU. A thousand viewers' state is larger than the caches next to it, and each viewer's is reached through
//! a chain of pointers: asked for some viewers ahead it is there when it is needed.

/// Asks for all cache lines of `value`, which may begin inside one.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..(std::ptr::from_ref(value).addr() % 64 + size_of::<T>()).div_ceil(64) {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: inside or just past `value`, and a prefetch touches nothing: any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast::<i8>().wrapping_add(line * 64)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
