//! A packet socket (packet(7)) with a ring of frames that the kernel sends from (`PACKET_TX_RING`, TPACKET_V2).
//!
//! All `unsafe` code of this crate is here. What makes it sound:
//!
//! * A frame begins with a status word, which both sides access as an atomic. The bytes behind the frame's header are given
//!   out by [`Memory::room`] only while the word says that the frame is ours, and only under `&mut self`. The kernel never
//!   writes them. It reads them after `hand_over`, which stores the word with release ordering, until it stores the word
//!   itself, which `room` loads with acquire ordering.
//! * A frame is taken back only when it still waits for a `kick`. The kernel looks at such frames in no other place, and
//!   `kick` needs `&mut self`, too, so that none is under way.
//! * The mapping lives as long as the value, and a frame's number is checked each time.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ring::Frames;

/// A frame has room for sixteen datagrams of 1600 bytes, and for all headers before them.
pub const FRAME: usize = 32 * 1024;
/// Four batches of messages. The memory is locked: 8 MiB for each ring.
pub const FRAMES: usize = 256;

/// `tpacket2_hdr`, where the status stands first and the length second. What is sent follows behind it.
const DATA: usize = size_of::<libc::tpacket2_hdr>();
const LEN: usize = 4;
const AVAILABLE: u32 = libc::TP_STATUS_AVAILABLE;
const SEND_REQUEST: u32 = libc::TP_STATUS_SEND_REQUEST;
const WRONG_FORMAT: u32 = libc::TP_STATUS_WRONG_FORMAT;
/// What may lie in the queue of the device, if the system's limits allow for it.
const SOCKET_BUFFER: libc::c_int = 8 << 20;

/// A packet socket that hears nothing and is bound to no device. To open it needs CAP_NET_RAW, to use it nothing.
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// An error of kind `PermissionDenied` says that the capability is missing.
    pub fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: socket takes no pointers; the result is checked. Protocol 0 receives nothing.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made, is open and owned by nobody else.
        Ok(PacketSocket(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn set<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
        let (fd, at, len) = (self.0.as_raw_fd(), std::ptr::from_ref(value).cast(), size_of_val(value) as u32);
        // SAFETY: `at` points to `len` bytes that outlive the call.
        checked(unsafe { libc::setsockopt(fd, level, name, at, len) })
    }

    /// Makes the ring, and maps it.
    pub fn into_ring(self) -> io::Result<PacketRing> {
        self.set(libc::SOL_PACKET, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as libc::c_int))?;
        self.set(libc::SOL_PACKET, libc::PACKET_VNET_HDR, &1i32)?;
        // The FORCE variant needs CAP_NET_ADMIN; without it the limit of the system applies.
        if self.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &SOCKET_BUFFER).is_err() {
            self.set(libc::SOL_SOCKET, libc::SO_SNDBUF, &SOCKET_BUFFER)?;
        }
        let request = libc::tpacket_req {
            tp_block_size: FRAME as u32,
            tp_block_nr: FRAMES as u32,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: FRAMES as u32,
        };
        self.set(libc::SOL_PACKET, libc::PACKET_TX_RING, &request)?;
        let (len, rights) = (FRAME * FRAMES, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a new mapping of the socket's whole ring, wherever the kernel wants it; the result is checked.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), len, rights, libc::MAP_SHARED, self.0.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(at.cast::<u8>()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        // SAFETY: the whole of the mapping just made. A child of a fork, which would share it, doesn't get it.
        unsafe { libc::madvise(at, len, libc::MADV_DONTFORK) };
        // SAFETY: FRAMES frames of FRAME bytes each, page-aligned, mapped until the drop of the ring, and used by nobody
        // else of this process.
        let memory = unsafe { Memory::new(base, FRAMES) };
        Ok(PacketRing { socket: self, memory })
    }
}

/// A socket with its ring.
pub struct PacketRing {
    socket: PacketSocket,
    memory: Memory,
}

impl PacketRing {
    /// What is sent goes out through this device from now on.
    pub fn bind(&self, device: u32) -> io::Result<()> {
        let Ok(index) = libc::c_int::try_from(device) else { return Err(io::ErrorKind::InvalidInput.into()) };
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let (fd, len) = (self.socket.0.as_raw_fd(), size_of_val(&address) as u32);
        // SAFETY: `address` is a valid sockaddr of `len` bytes that outlives the call.
        checked(unsafe { libc::bind(fd, (&raw const address).cast(), len) })
    }
}

impl Drop for PacketRing {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made with this value, which nobody uses any more. The kernel keeps pages that a
        // device still reads.
        unsafe { libc::munmap(self.memory.base.as_ptr().cast(), FRAME * FRAMES) };
    }
}

impl Frames for PacketRing {
    fn count(&self) -> usize {
        self.memory.frames
    }
    #[inline]
    fn room(&mut self, frame: usize) -> Option<&mut [u8]> {
        self.memory.room(frame)
    }
    #[inline]
    fn is_ours(&self, frame: usize) -> bool {
        self.memory.is_ours(frame)
    }
    #[inline]
    fn hand_over(&mut self, frame: usize, len: usize) {
        self.memory.hand_over(frame, len);
    }
    #[inline]
    fn take_back(&mut self, frame: usize) -> bool {
        self.memory.take_back(frame)
    }
    fn kick(&mut self) {
        // SAFETY: no pointers; the frames to be sent are found by the kernel in its own ring. What it could not send is
        // seen by the frames' status, so the result says nothing new.
        unsafe {
            libc::sendto(
                self.socket.0.as_raw_fd(),
                std::ptr::null(),
                0,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                std::ptr::null(),
                0,
            )
        };
    }
}

/// The frames, as both sides see them.
struct Memory {
    base: NonNull<u8>,
    frames: usize,
}

// SAFETY: the memory belongs to this value and to the kernel, whatever thread has the value.
unsafe impl Send for Memory {}

impl Memory {
    /// # Safety
    /// `base` points to `frames` frames of `FRAME` bytes, aligned to 16 at least, which live as long as the value. Whoever
    /// else uses them keeps to the protocol: it reads a frame's data only between a SEND_REQUEST that it has seen and the
    /// status that it stores then, and writes nothing but the status.
    unsafe fn new(base: NonNull<u8>, frames: usize) -> Self {
        Memory { base, frames }
    }

    #[inline]
    fn word(&self, frame: usize, offset: usize) -> &AtomicU32 {
        assert!(frame < self.frames, "no such frame");
        // SAFETY: inside the frame, which is inside the memory; the offsets used are multiples of 4, and frames are aligned
        // to more. The header of a frame is accessed in no other way.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(frame * FRAME + offset).cast()) }
    }

    #[inline]
    fn is_ours(&self, frame: usize) -> bool {
        self.word(frame, 0).load(Ordering::Acquire) == AVAILABLE
    }

    #[inline]
    fn room(&mut self, frame: usize) -> Option<&mut [u8]> {
        if !self.is_ours(frame) {
            return None;
        }
        // SAFETY: inside the memory, since `is_ours` has checked the number; behind the words of the header. The frame is
        // ours, so nobody else accesses these bytes until `hand_over`, which needs `&mut self` and so ends this borrow.
        Some(unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(frame * FRAME + DATA), FRAME - DATA) })
    }

    #[inline]
    fn hand_over(&mut self, frame: usize, len: usize) {
        if self.is_ours(frame) && len <= FRAME - DATA {
            self.word(frame, LEN).store(len as u32, Ordering::Relaxed);
            self.word(frame, 0).store(SEND_REQUEST, Ordering::Release);
        }
    }

    #[inline]
    fn take_back(&mut self, frame: usize) -> bool {
        let back = matches!(self.word(frame, 0).load(Ordering::Acquire), SEND_REQUEST | WRONG_FORMAT);
        if back {
            self.word(frame, 0).store(AVAILABLE, Ordering::Release);
        }
        back
    }
}

/// From now on, no program that this process starts gets more rights than it has itself.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

fn checked(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{alloc_zeroed, dealloc, Layout};
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::ring::Ring;

    const SENDING: u32 = libc::TP_STATUS_SENDING;
    const COUNT: usize = 4;

    /// Memory of the heap, with a thread that does what the kernel and a device do. Miri checks both.
    struct Heap {
        base: NonNull<u8>,
        layout: Layout,
    }

    impl Heap {
        fn new() -> Self {
            let layout = Layout::from_size_align(COUNT * FRAME, 4096).unwrap();
            // SAFETY: the layout has a size.
            Heap { base: NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap(), layout }
        }
        fn memory(&self) -> Memory {
            // SAFETY: as large and as aligned as that; the tests end before the heap does, and `Device` keeps to the rules.
            unsafe { Memory::new(self.base, COUNT) }
        }
    }

    impl Drop for Heap {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout.
            unsafe { dealloc(self.base.as_ptr(), self.layout) };
        }
    }

    /// The other side of a ring.
    struct Device(Memory);

    impl Device {
        /// Reads the frame if it was handed over. Lets go of it afterwards.
        fn send(&mut self, frame: usize) -> Option<Vec<u8>> {
            let word = self.0.word(frame, 0);
            if word.compare_exchange(SEND_REQUEST, SENDING, Ordering::Acquire, Ordering::Relaxed).is_err() {
                return None;
            }
            let len = self.0.word(frame, LEN).load(Ordering::Relaxed) as usize;
            // SAFETY: inside the frame, and ours to read while it is SENDING.
            let data =
                unsafe { std::slice::from_raw_parts(self.0.base.as_ptr().add(frame * FRAME + DATA), len) }.to_vec();
            word.store(AVAILABLE, Ordering::Release);
            Some(data)
        }
    }

    struct Kickless(Memory);

    impl Frames for Kickless {
        fn count(&self) -> usize {
            COUNT
        }
        fn room(&mut self, frame: usize) -> Option<&mut [u8]> {
            self.0.room(frame)
        }
        fn is_ours(&self, frame: usize) -> bool {
            self.0.is_ours(frame)
        }
        fn hand_over(&mut self, frame: usize, len: usize) {
            self.0.hand_over(frame, len);
        }
        /// The device here takes what it finds at any time, so nothing comes back.
        fn take_back(&mut self, _: usize) -> bool {
            false
        }
        fn kick(&mut self) {}
    }

    #[test]
    fn what_a_device_reads_meanwhile_is_never_written() {
        let messages = if cfg!(miri) { 40u32 } else { 100_000 };
        let heap = Heap::new();
        let (mut ring, mut device) = (Ring::new(Kickless(heap.memory())), Device(heap.memory()));
        let done = AtomicBool::new(false);
        let got = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut got = vec![];
                let mut next = 0;
                loop {
                    let last = done.load(Ordering::Acquire);
                    while let Some(data) = device.send(next) {
                        got.push(data);
                        next = (next + 1) % COUNT;
                    }
                    if last {
                        return got;
                    }
                    std::thread::yield_now();
                }
            });
            let mut sent = 0;
            while sent < messages {
                let Some(frame) = ring.place() else {
                    std::thread::yield_now();
                    continue;
                };
                let len = 8 + sent as usize % 50;
                ring.room(frame)[..len].fill(sent as u8);
                ring.take();
                ring.hand_over(0, len);
                ring.send();
                sent += 1;
            }
            done.store(true, Ordering::Release);
            reader.join().unwrap()
        });
        assert_eq!(got.len(), messages as usize);
        for (i, data) in got.iter().enumerate() {
            assert_eq!(data, &vec![i as u8; 8 + i % 50], "message {i}");
        }
    }

    #[test]
    fn a_frame_that_was_handed_over_has_no_room_until_it_is_back() {
        let heap = Heap::new();
        let mut memory = heap.memory();
        assert_eq!(memory.room(1).map(|r| r.len()), Some(FRAME - DATA));
        memory.hand_over(1, 10);
        assert!(memory.room(1).is_none() && memory.room(0).is_some());
        assert!(memory.take_back(1) && !memory.take_back(1));
        memory.word(1, 0).store(SENDING, Ordering::Release);
        assert!(memory.room(1).is_none() && !memory.take_back(1), "a device reads it");
        memory.word(1, 0).store(WRONG_FORMAT, Ordering::Release);
        assert!(memory.take_back(1) && memory.room(1).is_some(), "the kernel would not have it");
    }

    #[test]
    fn more_than_a_frame_holds_is_not_handed_over() {
        let heap = Heap::new();
        let mut memory = heap.memory();
        memory.hand_over(0, FRAME);
        assert!(memory.is_ours(0));
        memory.hand_over(0, FRAME - DATA);
        assert!(!memory.is_ours(0));
    }
}
