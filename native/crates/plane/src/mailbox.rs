//! Mail to a worker thread: commands from Python, packets of sources that live on other workers.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::config::{Command, Kind};
use crate::driver::wake::EventFd;
use crate::packet::{Clock, PacketRef};
use rillcast_wire::codec::Codec;

#[derive(Debug)]
pub enum Mail {
    Command(Box<Command>),
    Push {
        source: u64,
        packets: Vec<Vec<u8>>,
    },
    /// Worker `worker` wants the packets of `source`, which lives here.
    Subscribe {
        source: u64,
        worker: usize,
    },
    Unsubscribe {
        source: u64,
        worker: usize,
    },
    /// The beginning of a mirror: format, clock and everything since the newest keyframe.
    Mirror {
        source: u64,
        kind: Kind,
        codec: Codec,
        clock_rate: u32,
        clock: Option<Clock>,
        packets: Vec<PacketRef>,
    },
    Mirrored {
        source: u64,
        packets: Vec<PacketRef>,
    },
    MirrorClock {
        source: u64,
        clock: Clock,
    },
    MirrorEnded {
        source: u64,
    },
    /// A mirror's viewers want a keyframe.
    Keyframe {
        source: u64,
    },
    Stop,
}

/// Bounded; many writers, one reader. One wake-up until the reader has looked.
pub struct Mailbox {
    queue: ArrayQueue<Mail>,
    wake: EventFd,
    armed: AtomicBool,
}

impl Mailbox {
    pub fn new() -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Mailbox { queue: ArrayQueue::new(16_384), wake: EventFd::new()?, armed: AtomicBool::new(true) }))
    }

    pub fn fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// False when the worker is so far behind that its mailbox is full.
    pub fn post(&self, mail: Mail) -> bool {
        let ok = self.queue.push(mail).is_ok();
        if self.armed.swap(false, Ordering::SeqCst) {
            self.wake.notify();
        }
        ok
    }

    /// To be called before `take`, so that nothing posted meanwhile is missed.
    pub fn rearm(&self) {
        self.wake.clear();
        self.armed.store(true, Ordering::SeqCst);
    }

    pub fn take(&self) -> Option<Mail> {
        self.queue.pop()
    }
}
