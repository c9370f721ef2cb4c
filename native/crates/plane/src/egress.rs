//! Datagrams on their way out: one buffer, packets of one receiver next to each other so that UDP GSO can take them.

use std::net::{IpAddr, SocketAddr};

/// The number of a client's TCP connection. A worker gives no number to two that are open.
pub type Connection = u32;

/// Which of a worker's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sock {
    MediaV4,
    MediaV6,
    Relay,
    /// ICE over TCP (RFC 6544), with a socket for each client.
    Tcp(Connection),
}

/// Who is at the other end of a path. Two connections are never the same one, whatever their address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    Address(SocketAddr),
    Connection(Connection),
}

/// Where a datagram goes, and from which local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    pub sock: Sock,
    pub to: SocketAddr,
    /// The local address the peer knows us by; None lets the kernel choose.
    pub local: Option<IpAddr>,
}

impl Path {
    /// Whose datagrams come on this path.
    #[inline]
    pub fn remote(&self) -> Remote {
        match self.sock {
            Sock::Tcp(connection) => Remote::Connection(connection),
            _ => Remote::Address(self.to),
        }
    }
}

/// One `sendmsg`: `segments` datagrams of `segment` bytes (the last may be shorter).
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub path: Path,
    pub start: usize,
    pub len: usize,
    pub segment: usize,
    pub segments: usize,
    /// Whom a failure is charged to (session slot), `NOBODY` for none.
    pub owner: u32,
    closed: bool,
}

/// The owner of what no session is charged for.
pub const NOBODY: u32 = u32::MAX;
/// The largest datagram: 1500-byte MTU plus room for the tag.
pub const MAX_DATAGRAM: usize = 1600;
/// Datagrams in one GSO message. More saves little and makes bursts that the last mile can't take.
pub const MAX_SEGMENTS: usize = 16;
/// Messages in one `sendmmsg`: one bit each in what `Sink::send` answers.
pub const MAX_MESSAGES: usize = 64;
/// The first batch after a flush is smaller, so that the first receivers need not wait until 64 messages are written.
const FIRST_MESSAGES: usize = 16;
const CAPACITY: usize = 256 * 1024;

/// Sends a batch of at most `MAX_MESSAGES`. Bit i of the result: message i was not sent.
pub trait Sink: Send {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64;
    /// Whether bursts may be sent as one message.
    fn gso(&self) -> bool;
}

/// One worker's datagrams on their way out. They are sent when a batch is full, and at `flush`.
pub struct Egress {
    buffer: Box<[u8]>,
    used: usize,
    messages: Vec<Message>,
    /// So many go out together next.
    batch: usize,
    sink: Box<dyn Sink>,
    /// Owners of messages that could not be sent, since last taken.
    pub failed: Vec<u32>,
    pub packets: u64,
    pub bytes: u64,
}

impl Egress {
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Egress {
            buffer: vec![0; CAPACITY].into_boxed_slice(),
            used: 0,
            messages: Vec::with_capacity(MAX_MESSAGES),
            batch: FIRST_MESSAGES,
            sink,
            failed: Vec::new(),
            packets: 0,
            bytes: 0,
        }
    }

    /// Gives `write` a slot of `MAX_DATAGRAM` bytes; it returns the datagram's length, or None to send nothing.
    #[inline]
    pub fn packet(&mut self, path: &Path, owner: u32, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        if self.used + MAX_DATAGRAM > CAPACITY {
            self.flush();
            self.batch = MAX_MESSAGES;
        }
        let start = self.used;
        let Some(len) = write(&mut self.buffer[start..start + MAX_DATAGRAM]) else { return false };
        self.used += len;
        self.packets += 1;
        self.bytes += len as u64;
        if let Some(last) = self.messages.last_mut() {
            let fits = !last.closed
                && last.owner == owner
                && last.segments < MAX_SEGMENTS
                && len <= last.segment
                && last.path == *path;
            if fits && self.sink.gso() {
                last.len += len;
                last.segments += 1;
                last.closed = len < last.segment;
                return true;
            }
        }
        if self.messages.len() >= self.batch {
            // The packet just written stays where it is: send the others, then begin anew with it.
            self.send();
            self.messages.clear();
            self.batch = MAX_MESSAGES;
        }
        self.messages.push(Message { path: *path, start, len, segment: len, segments: 1, owner, closed: false });
        true
    }

    /// A ready datagram.
    pub fn datagram(&mut self, path: &Path, owner: u32, data: &[u8]) -> bool {
        self.packet(path, owner, |slot| {
            slot.get_mut(..data.len())?.copy_from_slice(data);
            Some(data.len())
        })
    }

    /// Sends what has gathered. Called after every batch of datagrams, mail or timers.
    pub fn flush(&mut self) {
        if !self.messages.is_empty() {
            self.send();
            self.messages.clear();
        }
        self.used = 0;
        self.batch = FIRST_MESSAGES;
    }

    fn send(&mut self) {
        let mut failed = self.sink.send(&self.buffer[..self.used], &self.messages);
        while failed != 0 {
            let i = failed.trailing_zeros() as usize;
            failed &= failed - 1;
            self.failed.push(self.messages[i].owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    type Sent = Arc<Mutex<Vec<(usize, usize, usize)>>>;

    struct Record(Sent);

    impl Sink for Record {
        fn send(&mut self, _: &[u8], messages: &[Message]) -> u64 {
            self.0.lock().unwrap().extend(messages.iter().map(|m| (m.len, m.segment, m.segments)));
            0
        }
        fn gso(&self) -> bool {
            true
        }
    }

    fn path(port: u16) -> Path {
        Path { sock: Sock::MediaV4, to: SocketAddr::from(([127, 0, 0, 1], port)), local: None }
    }

    #[test]
    fn equal_packets_of_one_receiver_are_one_message_and_a_shorter_one_ends_it() {
        let sent = Sent::default();
        let mut e = Egress::new(Box::new(Record(sent.clone())));
        for len in [100, 100, 40, 100] {
            e.datagram(&path(1), 0, &vec![0; len]);
        }
        e.datagram(&path(2), 1, &[0; 100]);
        e.flush();
        assert_eq!(*sent.lock().unwrap(), [(240, 100, 3), (100, 100, 1), (100, 100, 1)]);
    }

    #[test]
    fn more_receivers_than_a_batch_holds_are_all_sent() {
        let sent = Sent::default();
        let mut e = Egress::new(Box::new(Record(sent.clone())));
        for port in 0..200 {
            e.datagram(&path(port), port as u32, &[0; 1500]);
        }
        e.flush();
        assert_eq!(sent.lock().unwrap().len(), 200);
    }
}
