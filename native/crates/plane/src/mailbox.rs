//! Mail to a worker thread: commands from Python, packets of sources that live on other workers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use crossbeam_queue::SegQueue;

use crate::config::{Command, Kind};
use crate::packet::{Clock, PacketRef};
use crate::waker::Waker;
use rillcast_wire::codec::Codec;

/// What one worker is told by Python's thread or by another worker.
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

impl Mail {
    fn rank(&self) -> Rank {
        match self {
            Mail::Command(c) if c.is_removal() => Rank::Owed,
            Mail::Command(c) if matches!(**c, Command::AddSession(_)) => Rank::New,
            Mail::Command(_) => Rank::Steering,
            Mail::Push { .. } | Mail::Mirrored { .. } | Mail::MirrorClock { .. } | Mail::Keyframe { .. } => Rank::New,
            Mail::Subscribe { .. }
            | Mail::Unsubscribe { .. }
            | Mail::Mirror { .. }
            | Mail::MirrorEnded { .. }
            | Mail::Stop => Rank::Owed,
        }
    }
}

/// What a mailbox with much in it does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// Media and sessions: refused while the mailbox is full.
    New,
    /// What is told of living objects, mostly in answer to what the worker says of them: it stops with the worker's
    /// events, so this much room does for a node that can be saved.
    Steering,
    /// What ends something, or keeps two workers of one mind: never refused. There is at most one such piece for each
    /// living session, source, relay and mirror.
    Owed,
}

/// Several seconds of the mail that a busy worker gets; one that is further behind has missed its media's time anyway.
const MAX_WAITING: usize = 16_384;
/// So many times the limit is the room for `Rank::Steering`.
const STEERING_ROOM: usize = 4;

/// The worker is so far behind that its mailbox is full; the mail was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Bounded; many writers, one reader, in the order of posting. One wake-up until the reader has looked.
pub struct Mailbox {
    queue: SegQueue<Mail>,
    waiting: AtomicUsize,
    limit: usize,
    waker: Arc<dyn Waker>,
    armed: AtomicBool,
}

impl Mailbox {
    /// `waker` wakes the worker's thread.
    pub fn new(waker: Arc<dyn Waker>) -> Arc<Self> {
        Self::with_limit(waker, MAX_WAITING)
    }

    /// Takes no media and no sessions while `limit` pieces wait.
    pub fn with_limit(waker: Arc<dyn Waker>, limit: usize) -> Arc<Self> {
        Arc::new(Mailbox {
            queue: SegQueue::new(),
            waiting: AtomicUsize::new(0),
            limit,
            waker,
            armed: AtomicBool::new(true),
        })
    }

    /// Never fails for what is owed: see `Rank`.
    pub fn post(&self, mail: Mail) -> Result<(), Full> {
        let limit = match mail.rank() {
            Rank::New => self.limit,
            Rank::Steering => self.limit * STEERING_ROOM,
            Rank::Owed => usize::MAX,
        };
        if self.waiting.load(Ordering::Relaxed) >= limit {
            return Err(Full);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.push(mail);
        if self.armed.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
        Ok(())
    }

    /// Posts what a full mailbox takes as well.
    pub fn deliver(&self, mail: Mail) {
        debug_assert!(mail.rank() == Rank::Owed, "{mail:?}");
        let taken = self.post(mail);
        debug_assert!(taken.is_ok());
    }

    /// To be called before `take`, so that nothing posted meanwhile is missed.
    pub fn rearm(&self) {
        self.waker.clear();
        self.armed.store(true, Ordering::SeqCst);
    }

    /// The oldest piece, if any. Called by the worker's thread until there is none.
    pub fn take(&self) -> Option<Mail> {
        let mail = self.queue.pop()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(mail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mailbox_refuses_media_and_new_work_but_nothing_that_ends() {
        let m = Mailbox::with_limit(Arc::new(()), 2);
        let push = || Mail::Push { source: 1, packets: vec![] };
        assert_eq!([m.post(push()), m.post(push()), m.post(push())], [Ok(()), Ok(()), Err(Full)]);
        let keyframe = || Mail::Command(Box::new(Command::RequestKeyframe { source: 1 }));
        assert_eq!(std::iter::repeat_with(|| m.post(keyframe())).take_while(|r| r.is_ok()).count(), 2 * 4 - 2);
        let removal =
            |session| Mail::Command(Box::new(Command::RemoveSession { session, keep_sources: false, silent: false }));
        assert_eq!(m.post(removal(7)), Ok(()));
        assert_eq!(m.post(Mail::Unsubscribe { source: 1, worker: 0 }), Ok(()));
        let order = std::iter::from_fn(|| m.take()).map(|mail| matches!(mail, Mail::Push { .. }));
        assert_eq!(order.collect::<Vec<_>>()[..4], [true, true, false, false], "the order of posting is kept");
        assert_eq!(m.post(push()), Ok(()), "there is room again");
    }
}
