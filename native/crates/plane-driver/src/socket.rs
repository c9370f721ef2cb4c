//! UDP sockets, and writing them in batches: `sendmmsg` with GSO. What goes by TCP is passed on.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::{Arc, Mutex};

use rillcast_plane::egress::{Connection, Message, Sink, Sock, MAX_MESSAGES};

use crate::socket_options::{set, set_up, to_sockaddr};
use crate::tcp::{lock, Links};

const SOCKET_BUFFER: libc::c_int = 8 << 20;
/// Room for one IPV6_PKTINFO (20 bytes) and one UDP_SEGMENT (2 bytes) or UDP_GRO (4 bytes) control message, aligned.
pub(super) const CONTROL: usize = 96;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control(pub(super) [u8; CONTROL]);

/// Binds a non-blocking UDP socket with large buffers, no path-MTU caching and the destination address reported.
pub fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let (domain, v6) = match addr {
        SocketAddr::V4(_) => (libc::AF_INET, false),
        SocketAddr::V6(_) => (libc::AF_INET6, true),
    };
    // SAFETY: socket takes no pointers; the result is checked.
    let fd = unsafe { libc::socket(domain, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just made, is open and owned by nobody else.
    let socket = unsafe { UdpSocket::from_raw_fd(fd) };
    if v6 {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
    } else {
        set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        set(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
    }
    // The FORCE variants need CAP_NET_ADMIN; without it the limits of the system apply.
    for (force, plain) in [(libc::SO_SNDBUFFORCE, libc::SO_SNDBUF), (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)] {
        if set(fd, libc::SOL_SOCKET, force, SOCKET_BUFFER).is_err() {
            set(fd, libc::SOL_SOCKET, plain, SOCKET_BUFFER)?;
        }
    }
    set_up(fd, addr)?;
    Ok(socket)
}

/// Lets the kernel hand over datagrams that came together as one (UDP_GRO); read such a socket with `Receiver::merged`.
pub fn merge_received(socket: &UdpSocket) -> io::Result<()> {
    set(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// A worker's sockets as an egress sink.
pub struct Sockets {
    fds: [Option<RawFd>; 3],
    tcp: Option<Arc<Mutex<Links>>>,
    gso: bool,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers inside point only into vectors of the same value or are set anew before each use.
unsafe impl Send for Sockets {}

impl Sockets {
    /// The descriptors stay owned by the thread that drives this sink and outlive it.
    pub fn new(media_v4: Option<RawFd>, media_v6: Option<RawFd>, relay: RawFd, gso: bool) -> Self {
        // SAFETY: plain data for which zeros are a value.
        unsafe {
            Sockets {
                fds: [media_v4, media_v6, Some(relay)],
                tcp: None,
                gso,
                names: vec![zeroed(); MAX_MESSAGES],
                controls: vec![Control([0; CONTROL]); MAX_MESSAGES],
                iovecs: vec![zeroed(); MAX_MESSAGES],
                headers: vec![zeroed(); MAX_MESSAGES],
            }
        }
    }

    /// Writes to these TCP connections as well.
    pub fn with_tcp(self, links: Option<Arc<Mutex<Links>>>) -> Self {
        Sockets { tcp: links, ..self }
    }

    fn prepare(&mut self, i: usize, buffer: &[u8], m: &Message) {
        let (name, len) = to_sockaddr(&m.path.to);
        self.names[i] = name;
        self.iovecs[i] =
            libc::iovec { iov_base: buffer[m.start..m.start + m.len].as_ptr().cast_mut().cast(), iov_len: m.len };
        let h = &mut self.headers[i].msg_hdr;
        h.msg_name = (&raw mut self.names[i]).cast();
        h.msg_namelen = len;
        h.msg_iov = &raw mut self.iovecs[i];
        h.msg_iovlen = 1;
        h.msg_control = self.controls[i].0.as_mut_ptr().cast();
        h.msg_controllen = CONTROL;
        h.msg_flags = 0;
        h.msg_controllen = control(h, m);
        if h.msg_controllen == 0 {
            h.msg_control = std::ptr::null_mut();
        }
    }

    /// Sends messages on one socket. Returns a bit per message that failed.
    pub fn send_run(&mut self, fd: RawFd, buffer: &[u8], messages: &[Message]) -> u64 {
        for (i, m) in messages.iter().enumerate() {
            self.prepare(i, buffer, m);
        }
        let mut failed = 0u64;
        let mut done = 0;
        while done < messages.len() {
            let rest = (messages.len() - done) as u32;
            // SAFETY: the headers from `done` on point to live buffers of `self` and `buffer`; nothing is written to them
            // but msg_len.
            let n = unsafe { libc::sendmmsg(fd, self.headers[done..].as_mut_ptr(), rest, 0) };
            if n > 0 {
                done += n as usize;
                continue;
            }
            let e = io::Error::last_os_error();
            match e.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::EAGAIN) | Some(libc::ENOBUFS) => {
                    // The socket is full: what is left is dropped, and counted by whoever owns it.
                    return failed | (!0u64 << done) & mask(messages.len());
                }
                Some(libc::EIO) | Some(libc::EINVAL) if messages[done].segments > 1 => {
                    self.gso = false;
                    if !self.send_apart(fd, buffer, &messages[done]) {
                        failed |= 1 << done;
                    }
                }
                _ => failed |= 1 << done,
            }
            done += 1;
        }
        failed
    }

    fn send_tcp(&mut self, connection: Connection, buffer: &[u8], messages: &[Message]) -> u64 {
        let Some(links) = &self.tcp else { return mask(messages.len()) };
        let mut links = lock(links);
        let failed = messages.iter().enumerate().filter(|(_, m)| !links.send(connection, buffer, m));
        failed.fold(0, |bits, (i, _)| bits | 1 << i)
    }

    /// A burst without GSO.
    fn send_apart(&mut self, fd: RawFd, buffer: &[u8], m: &Message) -> bool {
        let mut ok = true;
        for offset in (0..m.len).step_by(m.segment) {
            let mut single = *m;
            single.start = m.start + offset;
            single.len = m.segment.min(m.len - offset);
            single.segments = 1;
            self.prepare(0, buffer, &single);
            // SAFETY: as in `send_run`.
            ok &= unsafe { libc::sendmmsg(fd, self.headers.as_mut_ptr(), 1, 0) } == 1;
        }
        ok
    }
}

fn mask(n: usize) -> u64 {
    if n >= 64 {
        !0
    } else {
        (1 << n) - 1
    }
}

/// Writes the control messages of `m` into the header's control buffer; returns their length.
fn control(h: &mut libc::msghdr, m: &Message) -> usize {
    let mut used = 0;
    // SAFETY: msg_control points to CONTROL zero-initialised, 8-aligned bytes; both messages together take at most
    // CMSG_SPACE(20) + CMSG_SPACE(2) = 64 of them.
    unsafe {
        let mut c = libc::CMSG_FIRSTHDR(h);
        match m.path.local {
            Some(IpAddr::V4(ip)) => {
                let mut info: libc::in_pktinfo = zeroed();
                info.ipi_spec_dst.s_addr = u32::from_ne_bytes(ip.octets());
                put(c, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
                used += libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) as usize;
            }
            Some(IpAddr::V6(ip)) => {
                let mut info: libc::in6_pktinfo = zeroed();
                info.ipi6_addr.s6_addr = ip.octets();
                put(c, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
                used += libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as u32) as usize;
            }
            None => {}
        }
        if m.segments > 1 {
            if used > 0 {
                c = h.msg_control.cast::<u8>().add(used).cast();
            }
            put(c, libc::SOL_UDP, libc::UDP_SEGMENT, &(m.segment as u16));
            used += libc::CMSG_SPACE(size_of::<u16>() as u32) as usize;
        }
    }
    used
}

/// # Safety
/// `c` must point to at least `CMSG_SPACE(size_of::<T>())` writable bytes.
unsafe fn put<T: Copy>(c: *mut libc::cmsghdr, level: libc::c_int, kind: libc::c_int, value: &T) {
    (*c).cmsg_level = level;
    (*c).cmsg_type = kind;
    (*c).cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as usize;
    libc::CMSG_DATA(c).cast::<T>().write_unaligned(*value);
}

impl Sink for Sockets {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        let mut failed = 0;
        let mut start = 0;
        while start < messages.len() {
            let sock = messages[start].path.sock;
            let n = messages[start..].iter().take_while(|m| m.path.sock == sock).count();
            let run = &messages[start..start + n];
            let fd = match sock {
                Sock::MediaV4 => self.fds[0],
                Sock::MediaV6 => self.fds[1],
                Sock::Relay => self.fds[2],
                Sock::Tcp(_) => None,
            };
            let bits = match (fd, sock) {
                (Some(fd), _) => self.send_run(fd, buffer, run),
                (None, Sock::Tcp(connection)) => self.send_tcp(connection, buffer, run),
                (None, _) => mask(n),
            };
            failed |= bits << start;
            start += n;
        }
        failed
    }

    fn gso(&self) -> bool {
        self.gso
    }
}

#[cfg(test)]
mod tests {
    use super::super::receiver::Receiver;
    use super::*;
    use rillcast_plane::egress::Egress;
    use rillcast_plane::egress::{Path, Sock};

    /// Sends five datagrams of 700 bytes and a shorter one as a burst to `b`; what arrives.
    fn burst_to(b: &UdpSocket, mut r: Receiver) -> Vec<(IpAddr, Option<IpAddr>, usize, u8)> {
        let a = bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let sink = Sockets::new(Some(a.as_raw_fd()), None, a.as_raw_fd(), true);
        let mut out = Egress::new(Box::new(sink));
        let path = Path { sock: Sock::MediaV4, to: b.local_addr().unwrap(), local: Some("127.0.0.3".parse().unwrap()) };
        for i in 0..6u8 {
            out.datagram(&path, 0, &[i; 700][..if i < 5 { 700 } else { 120 }]);
        }
        out.flush();
        assert!(out.failed.is_empty());
        let mut got = vec![];
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while got.len() < 6 && std::time::Instant::now() < until {
            r.receive(b, Sock::MediaV4, |p, d| got.push((p.to.ip(), p.local, d.len(), d[0])));
        }
        got
    }

    fn expected() -> Vec<(IpAddr, Option<IpAddr>, usize, u8)> {
        (0..6u8)
            .map(|i| {
                let len = if i < 5 { 700 } else { 120 };
                ("127.0.0.3".parse().unwrap(), Some("127.0.0.2".parse().unwrap()), len, i)
            })
            .collect()
    }

    #[test]
    fn a_burst_arrives_as_single_datagrams_from_the_asked_address() {
        let b = bind("127.0.0.2:0".parse().unwrap()).unwrap();
        assert_eq!(burst_to(&b, Receiver::default()), expected());
    }

    #[test]
    fn merged_datagrams_are_taken_apart_again() {
        let b = bind("127.0.0.2:0".parse().unwrap()).unwrap();
        merge_received(&b).unwrap();
        assert_eq!(burst_to(&b, Receiver::merged()), expected());
    }
}
