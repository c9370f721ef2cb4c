//! Which descriptors are ready.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What is wanted of a descriptor, and what it is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What it was added under.
    pub token: u64,
    /// There is something to read, which may be the end.
    pub readable: bool,
    /// More can be written.
    pub writable: bool,
}

/// An epoll instance, which is a descriptor itself.
pub struct Epoll(OwnedFd);

impl Epoll {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made, is open and owned by nobody else.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Says when it can be read, under this token.
    pub fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, libc::EPOLLIN)
    }

    /// From now on says also, or no longer, when it can be written.
    pub fn watch_writing(&self, fd: RawFd, token: u64, writing: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, libc::EPOLLIN | if writing { libc::EPOLLOUT } else { 0 })
    }

    /// Says nothing more of it. A descriptor that is closed needs no such call.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, token: u64, events: libc::c_int) -> io::Result<()> {
        let mut e = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: both descriptors are open; `e` outlives the call.
        let r = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut e) };
        if r == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Up to `N` that are ready now, or become so within the time.
    pub fn wait<const N: usize>(&self, timeout_ms: i32) -> Vec<Ready> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; N];
        // SAFETY: the buffer holds N events and outlives the call.
        let n = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), N as i32, timeout_ms) };
        let ready = |e: &libc::epoll_event| {
            let set = |flags: libc::c_int| e.events & flags as u32 != 0;
            Ready {
                token: e.u64,
                readable: set(libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR),
                writable: set(libc::EPOLLOUT),
            }
        };
        events.iter().take(usize::try_from(n).unwrap_or(0)).map(ready).collect()
    }
}

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
