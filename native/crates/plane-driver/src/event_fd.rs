//! An eventfd as a doorbell (`Waker`), whose descriptor epoll or Python's event loop watches.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use rillcast_plane::waker::Waker;

pub struct EventFd(File);

impl EventFd {
    pub fn new() -> std::io::Result<Self> {
        // SAFETY: eventfd takes no pointers; the result is checked before use.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made, is open and owned by nobody else.
        Ok(EventFd(unsafe { File::from_raw_fd(fd) }))
    }
}

impl Waker for EventFd {
    /// Fails only when the counter is full, and then the bell is ringing already.
    fn wake(&self) {
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    fn clear(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
