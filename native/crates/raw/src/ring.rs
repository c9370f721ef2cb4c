//! The order in which the frames of a ring are filled, handed over and taken back.
//!
//! The kernel goes through the frames in their order, and only while `Frames::kick` runs. It stops at a frame that it was
//! not handed, and at one that it can't send, and begins there the next time. So all frames from the first one that it did
//! not take are ours again, and the next message has to be written there.

/// Frames that are shared with whoever sends them.
pub trait Frames {
    /// How many there are; it never changes.
    fn count(&self) -> usize;

    /// The bytes of a frame. None while it is not ours: it waits to be sent, or what sends it reads it still.
    fn room(&mut self, frame: usize) -> Option<&mut [u8]>;

    /// Whether `room` would have it.
    fn is_ours(&self, frame: usize) -> bool;

    /// Hands the frame over with its first `len` bytes. It is sent with the next `kick`.
    fn hand_over(&mut self, frame: usize, len: usize);

    /// Takes a frame back that was handed over. False: it is being sent, or was.
    fn take_back(&mut self, frame: usize) -> bool;

    /// Sends what was handed over, as far as that can be done at once.
    fn kick(&mut self);
}

/// A ring of frames, of which the next ones hold a batch of messages.
pub struct Ring<F> {
    frames: F,
    /// Where the kernel goes on.
    head: usize,
    /// Messages of the batch: their frames lie from `head` on.
    taken: usize,
}

impl<F: Frames> Ring<F> {
    /// All frames are ours, and the kernel begins with the first.
    pub fn new(frames: F) -> Self {
        Ring { frames, head: 0, taken: 0 }
    }

    /// What the frames are of.
    pub fn frames(&self) -> &F {
        &self.frames
    }

    /// The frame for the next message of the batch; the same one until `take`. None: the kernel has not sent yet what was
    /// there.
    #[inline]
    pub fn place(&self) -> Option<usize> {
        if self.taken >= self.frames.count() {
            return None;
        }
        let frame = self.at(self.taken);
        self.frames.is_ours(frame).then_some(frame)
    }

    /// The frame of `place` now holds a message of the batch.
    #[inline]
    pub fn take(&mut self) {
        self.taken += 1;
    }

    /// The bytes of a frame; none if it is not ours.
    #[inline]
    pub fn room(&mut self, frame: usize) -> &mut [u8] {
        self.frames.room(frame).unwrap_or_default()
    }

    /// Hands over the next message of the batch under way, of so many bytes. Called for each in the order of `take`, with
    /// the number of those before it.
    #[inline]
    pub fn hand_over(&mut self, nth: usize, len: usize) {
        let frame = self.at(nth);
        self.frames.hand_over(frame, len);
    }

    /// Sends the batch, and begins the next one. How many of its messages were taken. The others are still in their frames
    /// until the next `place`, and go nowhere from there.
    pub fn send(&mut self) -> usize {
        self.frames.kick();
        let batch = std::mem::take(&mut self.taken);
        // The kernel takes them in order, so that the ones to take back are the last ones.
        let back = (0..batch).rev().take_while(|n| self.frames.take_back(self.at(*n))).count();
        self.head = self.at(batch - back);
        batch - back
    }

    fn at(&self, nth: usize) -> usize {
        (self.head + nth) % self.frames.count()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Status {
        Free,
        Handed(usize),
        Sending,
    }

    /// What the kernel does with the next message when it is kicked.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Sends,
        /// The queue of the device drops it, and the frame is free at once.
        Drops,
        /// The device is down, the socket is full, or the frame is wrong: all ends here.
        Refuses,
    }

    /// Does as `tpacket_snd` of Linux: a head of its own, frames in order, pages read until the device has done with them.
    #[derive(Default)]
    struct Kernel {
        memory: Vec<Vec<u8>>,
        status: Vec<Status>,
        head: usize,
        /// Frames that the device still reads, with what they held when it got them.
        reading: VecDeque<(usize, Vec<u8>)>,
        fates: VecDeque<Fate>,
        sent: Vec<Vec<u8>>,
        dropped: usize,
    }

    impl Kernel {
        /// The device has done with some frames, and not in order.
        fn complete(&mut self, n: usize, last_first: bool) {
            for _ in 0..n.min(self.reading.len()) {
                let done = if last_first { self.reading.pop_back() } else { self.reading.pop_front() };
                let (frame, held) = done.unwrap();
                assert_eq!(self.memory[frame][..held.len()], held, "written while the device read it");
                self.status[frame] = Status::Free;
                self.sent.push(held);
            }
        }

        fn kick(&mut self) {
            while let Status::Handed(len) = self.status[self.head] {
                match self.fates.pop_front().unwrap_or(Fate::Sends) {
                    Fate::Sends => {
                        self.status[self.head] = Status::Sending;
                        self.reading.push_back((self.head, self.memory[self.head][..len].to_vec()));
                    }
                    Fate::Drops => {
                        self.status[self.head] = Status::Free;
                        self.dropped += 1;
                    }
                    Fate::Refuses => return,
                }
                self.head = (self.head + 1) % self.status.len();
            }
        }
    }

    #[derive(Clone)]
    struct Shared(Rc<RefCell<Kernel>>, Vec<u8>, usize);

    impl Shared {
        fn new(frames: usize) -> Self {
            let memory = vec![vec![0; 64]; frames];
            let status = vec![Status::Free; frames];
            Shared(Rc::new(RefCell::new(Kernel { memory, status, ..Kernel::default() })), vec![], usize::MAX)
        }

        /// What was written into the frame that is out goes into the kernel's memory.
        fn settle(&mut self) {
            if self.2 != usize::MAX {
                self.0.borrow_mut().memory[self.2] = std::mem::take(&mut self.1);
                self.2 = usize::MAX;
            }
        }
    }

    impl Frames for Shared {
        fn count(&self) -> usize {
            self.0.borrow().status.len()
        }
        fn room(&mut self, frame: usize) -> Option<&mut [u8]> {
            self.settle();
            if !self.is_ours(frame) {
                return None;
            }
            self.1 = self.0.borrow().memory[frame].clone();
            self.2 = frame;
            Some(&mut self.1)
        }
        fn is_ours(&self, frame: usize) -> bool {
            self.0.borrow().status[frame] == Status::Free
        }
        fn hand_over(&mut self, frame: usize, len: usize) {
            self.settle();
            assert!(self.is_ours(frame), "handed over twice");
            self.0.borrow_mut().status[frame] = Status::Handed(len);
        }
        fn take_back(&mut self, frame: usize) -> bool {
            let status = &mut self.0.borrow_mut().status[frame];
            let back = matches!(status, Status::Handed(_));
            if back {
                *status = Status::Free;
            }
            back
        }
        fn kick(&mut self) {
            self.settle();
            self.0.borrow_mut().kick();
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A batch of messages of these lengths, and what becomes of them.
        Batch(Vec<usize>, Vec<Fate>),
        Complete(usize, bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let fate = prop_oneof![6 => Just(Fate::Sends), 1 => Just(Fate::Drops), 1 => Just(Fate::Refuses)];
        let lengths = proptest::collection::vec(1usize..60, 1..9);
        let batch = (lengths, proptest::collection::vec(fate, 0..9)).prop_map(|(l, f)| Step::Batch(l, f));
        let complete = (0usize..9, any::<bool>()).prop_map(|(n, last_first)| Step::Complete(n, last_first));
        proptest::collection::vec(prop_oneof![2 => batch, 1 => complete], 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 16 } else { 2_000 }))]

        #[test]
        fn every_message_is_sent_whole_or_known_not_to_be(frames in 1usize..9, steps in steps()) {
            let shared = Shared::new(frames);
            let mut ring = Ring::new(shared.clone());
            let mut number = 0u64;
            let (mut taken, mut elsewhere) = (vec![], vec![]);
            for step in steps {
                let (lengths, fates) = match step {
                    Step::Complete(n, last_first) => {
                        ring.frames.settle();
                        shared.0.borrow_mut().complete(n, last_first);
                        continue;
                    }
                    Step::Batch(lengths, fates) => (lengths, fates),
                };
                shared.0.borrow_mut().fates = fates.into();
                let mut batch = vec![];
                for len in lengths {
                    number += 1;
                    let message: Vec<u8> = number.to_be_bytes().into_iter().cycle().take(len.max(8)).collect();
                    let Some(frame) = ring.place() else {
                        elsewhere.push(message);
                        continue;
                    };
                    ring.room(frame)[..message.len()].copy_from_slice(&message);
                    ring.take();
                    batch.push((frame, message));
                }
                for (nth, (_, message)) in batch.iter().enumerate() {
                    ring.hand_over(nth, message.len());
                }
                let n = ring.send();
                for (frame, message) in batch.split_off(n) {
                    prop_assert_eq!(&ring.room(frame)[..message.len()], &message[..], "it can still be sent elsewhere");
                    elsewhere.push(message);
                }
                taken.extend(batch.into_iter().map(|(_, m)| m));
            }
            ring.frames.settle();
            let mut kernel = shared.0.borrow_mut();
            kernel.complete(usize::MAX, false);
            prop_assert!(kernel.sent.iter().all(|m| taken.contains(m)), "nothing but whole messages, each once");
            let mut seen = kernel.sent.clone();
            seen.sort();
            seen.dedup();
            prop_assert_eq!(seen.len(), kernel.sent.len());
            prop_assert_eq!(taken.len() - kernel.sent.len(), kernel.dropped, "only the device's queue loses some");
            prop_assert_eq!(taken.len() + elsewhere.len(), number as usize);
            prop_assert!(kernel.status.iter().all(|s| *s == Status::Free), "every frame comes back");
        }
    }

    #[test]
    fn a_full_ring_has_no_place_until_the_device_is_done() {
        let shared = Shared::new(2);
        let mut ring = Ring::new(shared.clone());
        for n in 0..2 {
            assert_eq!(ring.place(), Some(n));
            ring.take();
        }
        assert_eq!(ring.place(), None, "the batch has all of them");
        (0..2).for_each(|n| ring.hand_over(n, 8));
        assert_eq!(ring.send(), 2);
        assert_eq!(ring.place(), None, "the device reads them");
        assert!(ring.room(0).is_empty(), "and nobody may write");
        shared.0.borrow_mut().complete(1, true);
        assert_eq!(ring.place(), None, "the first one is next");
        shared.0.borrow_mut().complete(1, false);
        assert_eq!(ring.place(), Some(0));
    }

    #[test]
    fn after_a_refusal_the_ring_goes_on_where_the_kernel_does() {
        let shared = Shared::new(4);
        let mut ring = Ring::new(shared.clone());
        shared.0.borrow_mut().fates = [Fate::Sends, Fate::Refuses].into();
        for _ in 0..3 {
            ring.place().unwrap();
            ring.take();
        }
        (0..3).for_each(|n| ring.hand_over(n, 8));
        assert_eq!(ring.send(), 1);
        assert_eq!(ring.place(), Some(1));
    }
}
