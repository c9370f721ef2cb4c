//! Reading sockets in batches: `recvmmsg`, with the address that each datagram was sent to.

use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use super::socket::{Control, CONTROL};
use rillcast_plane::egress::{Path, Sock};

const BATCH: usize = 64;
const RECEIVE_SIZE: usize = 2048;
const MERGED_SIZE: usize = 65_536;

/// Buffers for one `recvmmsg`, made once per thread.
pub struct Receiver {
    size: usize,
    data: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers inside point only into the vectors of the same value, and are set anew before each use.
unsafe impl Send for Receiver {}

impl Default for Receiver {
    fn default() -> Self {
        Self::with_room(RECEIVE_SIZE)
    }
}

impl Receiver {
    /// For sockets with `merge_received`, too.
    pub fn merged() -> Self {
        Self::with_room(MERGED_SIZE)
    }

    fn with_room(size: usize) -> Self {
        // SAFETY: all of these are plain data for which zeros are a value.
        unsafe {
            Receiver {
                size,
                data: vec![0; size * BATCH],
                names: vec![zeroed(); BATCH],
                controls: vec![Control([0; CONTROL]); BATCH],
                iovecs: vec![zeroed(); BATCH],
                headers: vec![zeroed(); BATCH],
            }
        }
    }

    /// Reads up to one batch and hands each datagram on. Returns whether there may be more.
    pub fn receive(&mut self, socket: &UdpSocket, sock: Sock, mut each: impl FnMut(Path, &mut [u8])) -> bool {
        for (i, room) in self.data.chunks_exact_mut(self.size).enumerate() {
            self.iovecs[i] = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            let h = &mut self.headers[i].msg_hdr;
            h.msg_name = (&raw mut self.names[i]).cast();
            h.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            h.msg_iov = &raw mut self.iovecs[i];
            h.msg_iovlen = 1;
            h.msg_control = self.controls[i].0.as_mut_ptr().cast();
            h.msg_controllen = CONTROL;
            h.msg_flags = 0;
        }
        // SAFETY: every header points to its own buffers of this value, all alive and exclusively borrowed for the call.
        let n = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), BATCH as u32, 0, std::ptr::null_mut())
        };
        let n = usize::try_from(n).unwrap_or(0);
        for (i, room) in self.data.chunks_exact_mut(self.size).take(n).enumerate() {
            let header = &self.headers[i];
            let len = (header.msg_len as usize).min(room.len());
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let Some(from) = from_sockaddr(&self.names[i]).filter(|_| !truncated && len > 0) else { continue };
            let notes = notes(&header.msg_hdr);
            let path = Path { sock, to: from, local: notes.local };
            for datagram in room[..len].chunks_mut(notes.segment.unwrap_or(len).max(1)) {
                each(path, datagram);
            }
        }
        n == BATCH
    }
}

/// What the kernel says of a received message.
#[derive(Default)]
struct Notes {
    /// Where it was sent to.
    local: Option<IpAddr>,
    /// Length of all but the last of the datagrams merged in it.
    segment: Option<usize>,
}

fn notes(h: &libc::msghdr) -> Notes {
    let mut found = Notes::default();
    // SAFETY: the kernel filled msg_control with msg_controllen bytes of well-formed control messages; CMSG_* walk
    // them within that length, and the data types are those the kernel documents for these three.
    unsafe {
        let mut c = libc::CMSG_FIRSTHDR(h);
        while !c.is_null() {
            match ((*c).cmsg_level, (*c).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = libc::CMSG_DATA(c).cast::<libc::in_pktinfo>().read_unaligned();
                    found.local = Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = libc::CMSG_DATA(c).cast::<libc::in6_pktinfo>().read_unaligned();
                    found.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size = libc::CMSG_DATA(c).cast::<libc::c_int>().read_unaligned();
                    found.segment = usize::try_from(size).ok();
                }
                _ => {}
            }
            c = libc::CMSG_NXTHDR(h, c);
        }
    }
    found
}

fn from_sockaddr(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in; storage is aligned and large enough for it.
            let sin = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            Some(SocketAddr::V4(SocketAddrV4::new(
                Ipv4Addr::from(sin.sin_addr.s_addr.to_ne_bytes()),
                u16::from_be(sin.sin_port),
            )))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is a sockaddr_in6; storage is aligned and large enough for it.
            let sin6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            Some(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(sin6.sin6_addr.s6_addr),
                u16::from_be(sin6.sin6_port),
                0,
                sin6.sin6_scope_id,
            )))
        }
        _ => None,
    }
}
