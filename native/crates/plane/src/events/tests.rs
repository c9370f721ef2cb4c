use std::sync::atomic::AtomicUsize;

use super::*;

#[derive(Default)]
struct Bell {
    rings: AtomicUsize,
}

impl Waker for Bell {
    fn wake(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
    }

    fn clear(&self) {
        self.rings.store(0, Ordering::SeqCst);
    }
}

fn queue(events: u64, packets: u64) -> (EventQueue, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    let queue = EventQueue::new(bell.clone());
    (0..events).for_each(|source| queue.push(Event::SourceStarted { source }));
    (0..packets).for_each(|source| queue.tap(source, vec![]));
    (queue, bell)
}

fn numbers(taken: &(Vec<Event>, Vec<Tapped>)) -> (Vec<u64>, Vec<u64>) {
    let events = taken.0.iter().map(|e| match e {
        Event::SourceStarted { source } => *source,
        other => panic!("{other:?}"),
    });
    (events.collect(), taken.1.iter().map(|(source, _)| *source).collect())
}

#[test]
fn a_reader_takes_as_much_as_it_wants_in_order_and_is_woken_for_the_rest() {
    let (queue, bell) = queue(5, 0);
    let rings = || bell.rings.load(Ordering::SeqCst);
    assert_eq!(rings(), 1, "one for all of them");
    assert_eq!((numbers(&queue.take(3)).0, rings()), (vec![0, 1, 2], 1));
    queue.push(Event::SourceStarted { source: 9 });
    assert_eq!((numbers(&queue.take(3)).0, rings()), (vec![3, 4, 9], 0));
    assert!(queue.take(3).0.is_empty());
    queue.push(Event::SourceStarted { source: 1 });
    assert_eq!(rings(), 1, "an empty queue rings again");
}

#[test]
fn neither_events_nor_packets_keep_the_others_waiting() {
    let cases = [(9, 9, 4, (2, 2)), (9, 1, 4, (3, 1)), (1, 9, 4, (1, 3)), (9, 9, 5, (3, 2)), (1, 1, 4, (1, 1))];
    for (events, packets, limit, taken) in cases {
        let (queue, _) = queue(events, packets);
        let (e, p) = queue.take(limit);
        assert_eq!((e.len(), p.len()), taken, "of {events} and {packets}");
    }
    let (queue, _) = queue(9, 9);
    assert_eq!(queue.take(usize::MAX).0.len(), 9, "no limit takes all");
}

#[test]
fn a_single_place_serves_both_in_the_end() {
    let (queue, bell) = queue(2, 2);
    let all: Vec<_> = (0..4).map(|_| numbers(&queue.take(1))).collect();
    assert_eq!(all.iter().flat_map(|t| &t.0).count() + all.iter().flat_map(|t| &t.1).count(), 4);
    assert_eq!(bell.rings.load(Ordering::SeqCst), 0);
}

#[test]
fn a_reader_that_is_behind_still_learns_that_workers_live() {
    let (queue, _) = queue(MAX_EVENTS as u64 / 4, 0);
    queue.push(Event::SessionStats(SessionStats::default()));
    queue.push(Event::SourceStats(SourceStats::default()));
    assert_eq!(queue.dropped.load(Ordering::Relaxed), 2);
    queue.push(Event::WorkerStats(WorkerStats::default()));
    assert!(matches!(queue.take(usize::MAX).0.last(), Some(Event::WorkerStats(_))));
}

#[test]
fn a_long_queue_gives_its_memory_back() {
    let (queue, _) = queue(2 * KEPT_ROOM as u64, 0);
    queue.take(2 * KEPT_ROOM - 1);
    assert!(queue.lock().events.capacity() > KEPT_ROOM);
    queue.take(1);
    assert_eq!(queue.lock().events.capacity(), 0);
}
