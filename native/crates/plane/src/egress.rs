//! Datagrams on their way out: one buffer, packets of one receiver next to each other so that UDP GSO can take them. Media
//! may also be written where the kernel sends it from, if the sink has a place for it.

use std::net::{IpAddr, SocketAddr};

mod tally;

pub use tally::{Bulk, Fallback, Tally};

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
    /// Where it lies, if not in the buffer: then `start` is 0.
    pub place: Option<Place>,
    closed: bool,
}

/// A place of a sink's own for one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of its rings, which frame there, and where the datagrams begin in that.
    pub ring: u8,
    pub start: u8,
    pub frame: u32,
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

    /// Whether it has places of its own at all. Otherwise nothing below is called.
    fn is_raw(&self) -> bool {
        false
    }
    /// The place for the next message; the same one until `take`. It has room for `MAX_SEGMENTS` datagrams.
    fn place(&mut self, _path: &Path, _owner: u32) -> Result<Place, Fallback> {
        Err(Fallback::TooMany)
    }
    /// What is to be sent from a place of the batch under way.
    fn room(&mut self, _place: Place) -> &mut [u8] {
        &mut []
    }
    /// The place that was given last holds a message with datagrams of at most `segment` bytes. False: the way to `owner`
    /// takes none so long, and the place is free again.
    fn take(&mut self, _place: Place, _owner: u32, _segment: usize) -> bool {
        false
    }
    /// How many of the messages of the last batch went by the socket in the end, although they had a place.
    fn refused(&self) -> u64 {
        0
    }
    /// What it watches besides has changed.
    fn heed(&mut self) {}
}

/// One worker's datagrams on their way out. They are sent when a batch is full, and at `flush`.
pub struct Egress {
    buffer: Box<[u8]>,
    used: usize,
    messages: Vec<Message>,
    /// So many go out together next.
    batch: usize,
    sink: Box<dyn Sink>,
    raw: bool,
    /// Messages in the buffer so far.
    begun: u64,
    /// Owners of messages that could not be sent, since last taken.
    pub failed: Vec<u32>,
    pub packets: u64,
    pub bytes: u64,
    /// Messages of media by the way they went.
    pub tally: Tally,
}

/// A packet on its way to another place than it was written in.
struct Spare {
    bytes: [u8; MAX_DATAGRAM],
    len: usize,
}

impl Spare {
    fn of(written: &[u8], len: usize) -> Option<Self> {
        let mut bytes = [0; MAX_DATAGRAM];
        bytes.get_mut(..len)?.copy_from_slice(written.get(..len)?);
        Some(Spare { bytes, len })
    }

    fn write(&self, slot: &mut [u8]) -> Option<usize> {
        slot.get_mut(..self.len)?.copy_from_slice(&self.bytes[..self.len]);
        Some(self.len)
    }
}

impl Egress {
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Egress {
            buffer: vec![0; CAPACITY].into_boxed_slice(),
            used: 0,
            messages: Vec::with_capacity(MAX_MESSAGES),
            batch: FIRST_MESSAGES,
            raw: sink.is_raw(),
            begun: 0,
            sink,
            failed: Vec::new(),
            packets: 0,
            bytes: 0,
            tally: Tally::default(),
        }
    }

    /// A packet of media that many get, as `packet`. It need not go by the socket.
    #[inline]
    pub fn bulk(
        &mut self,
        path: &Path,
        owner: u32,
        bulk: Bulk,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        if !self.raw {
            let before = self.begun;
            let sent = self.packet(path, owner, write);
            self.tally.socket += self.begun - before;
            return sent;
        }
        match bulk {
            Bulk::MayBeRaw => self.write_in_place(path, owner, write),
            Bulk::BySocket(why) => self.by_socket(path, owner, why, write),
        }
    }

    fn by_socket(
        &mut self,
        path: &Path,
        owner: u32,
        why: Fallback,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let before = self.begun;
        let sent = self.packet(path, owner, write);
        self.tally.fell_back(why, self.begun - before);
        sent
    }

    /// Writes a packet behind the last one of its receiver, or where the next message goes.
    #[inline]
    fn write_in_place(&mut self, path: &Path, owner: u32, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        let Egress { messages, sink, .. } = self;
        let last = messages.last_mut().filter(|last| {
            last.owner == owner && !last.closed && last.segments < MAX_SEGMENTS && last.path == *path && sink.gso()
        });
        let Some((last, place)) = last.and_then(|last| last.place.map(|place| (last, place))) else {
            return self.begin_in_place(path, owner, write);
        };
        let Some(slot) = sink.room(place).get_mut(last.len..last.len + MAX_DATAGRAM) else { return false };
        let Some(len) = write(slot) else { return false };
        if len <= last.segment {
            last.len += len;
            last.segments += 1;
            last.closed = len < last.segment;
            self.count(len);
            return true;
        }
        // Longer than the others of its message: it begins another one.
        let Some(packet) = Spare::of(slot, len) else { return false };
        self.begin_in_place(path, owner, |slot| packet.write(slot))
    }

    fn begin_in_place(&mut self, path: &Path, owner: u32, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        if self.messages.len() >= self.batch {
            self.send();
            self.messages.clear();
            self.batch = MAX_MESSAGES;
        }
        let place = match self.sink.place(path, owner) {
            Ok(place) => place,
            Err(why) => return self.by_socket(path, owner, why, write),
        };
        let Some(slot) = self.sink.room(place).get_mut(..MAX_DATAGRAM) else { return false };
        let Some(len) = write(slot) else { return false };
        if !self.sink.take(place, owner, len) {
            let Some(packet) = Spare::of(self.sink.room(place), len) else { return false };
            return self.by_socket(path, owner, Fallback::TooLong, |slot| packet.write(slot));
        }
        let place = Some(place);
        self.messages.push(Message {
            path: *path,
            start: 0,
            len,
            segment: len,
            segments: 1,
            owner,
            place,
            closed: false,
        });
        self.tally.raw += 1;
        self.count(len);
        true
    }

    #[inline]
    fn count(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }

    /// What the sink watches besides has changed.
    pub fn heed(&mut self) {
        self.sink.heed();
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
        self.count(len);
        if let Some(last) = self.messages.last_mut() {
            let fits = !last.closed
                && last.place.is_none()
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
        let place = None;
        self.messages.push(Message { path: *path, start, len, segment: len, segments: 1, owner, place, closed: false });
        self.begun += 1;
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
        if self.raw {
            let refused = self.sink.refused();
            self.tally.raw -= refused;
            self.tally.fell_back(Fallback::Refused, refused);
        }
        while failed != 0 {
            let i = failed.trailing_zeros() as usize;
            failed &= failed - 1;
            self.failed.push(self.messages[i].owner);
        }
    }
}

#[cfg(test)]
mod tests;
