//! How a reader that sleeps learns that something waits for it. The plane does no I/O: the driver brings an eventfd, tests
//! bring nothing.

/// A doorbell. Called by any thread, at most once until the reader has looked.
pub trait Waker: Send + Sync {
    /// Rings for the reader, because something waits for it.
    fn wake(&self);
    /// The reader is about to look: the bell is silent again.
    fn clear(&self);
}

/// For readers that never sleep.
impl Waker for () {
    fn wake(&self) {}
    fn clear(&self) {}
}
