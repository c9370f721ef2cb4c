//! Which worker has which session, source and relay, or will have it once the command on its way has arrived.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A thing that a command makes and another one ends, by the id that Python chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    Session(u64),
    Source(u64),
    Relay(u64),
}

/// An object's entry. It exists as long as the object, or a command under way that makes it.
#[derive(Debug)]
struct Place {
    worker: usize,
    /// Commands accepted for the object's making and not carried out yet.
    coming: usize,
    /// Whether the worker has the object.
    lives: bool,
    /// Whether its removal is on its way since the last of those commands.
    leaving: bool,
}

/// Shared by all workers. Locked by commands and by objects that end, never by packets.
#[derive(Default)]
pub struct Registry {
    places: Mutex<HashMap<Object, Place>>,
}

/// The object lives on another worker than the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub object: Object,
    pub worker: usize,
}

impl Registry {
    /// The worker of an object that lives or is coming.
    pub fn worker_of(&self, object: Object) -> Option<usize> {
        self.lock().get(&object).map(|p| p.worker)
    }

    /// Notes that a command that makes `objects` is on its way to `worker`: all of them, or none if one is elsewhere.
    /// Every success is to be followed by `withdraw` of all or `settle` of each.
    pub fn place(&self, objects: &[Object], worker: usize) -> Result<(), Elsewhere> {
        let mut places = self.lock();
        let other = |o: &&Object| places.get(o).is_some_and(|p| p.worker != worker);
        if let Some(object) = objects.iter().find(other) {
            return Err(Elsewhere { object: *object, worker: places[object].worker });
        }
        for object in objects {
            let place = places.entry(*object).or_insert(Place { worker, coming: 0, lives: false, leaving: false });
            place.coming += 1;
            place.leaving = false;
        }
        Ok(())
    }

    /// The command that makes `objects` did not reach its worker after all.
    pub fn withdraw(&self, objects: &[Object]) {
        for object in objects {
            self.change(*object, |p| p.coming -= 1);
        }
    }

    /// A command that makes `object` has been carried out, or has failed. `lives`: whether the worker has it now.
    pub fn settle(&self, object: Object, lives: bool) {
        self.change(object, |p| {
            p.coming -= 1;
            p.lives = lives;
        });
    }

    /// The object has ended.
    pub fn forget(&self, object: Object) {
        self.change(object, |p| p.lives = false);
    }

    /// The worker to which the object's removal is to be sent; None if it is gone or going already. So there is at most
    /// one removal on its way for each making, which is what bounds the mail that must arrive.
    pub fn leave(&self, object: Object) -> Option<usize> {
        let mut places = self.lock();
        let place = places.get_mut(&object).filter(|p| !p.leaving)?;
        place.leaving = true;
        Some(place.worker)
    }

    /// Whether nothing lives or is coming on any worker.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn change(&self, object: Object, f: impl FnOnce(&mut Place)) {
        let mut places = self.lock();
        let Some(place) = places.get_mut(&object) else { return };
        f(place);
        if !place.lives && place.coming == 0 {
            places.remove(&object);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Object, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Object = Object::Source(1);
    const B: Object = Object::Source(2);

    #[test]
    fn an_object_is_known_from_its_command_to_its_end() {
        let r = Registry::default();
        r.place(&[A], 1).unwrap();
        assert_eq!(r.worker_of(A), Some(1));
        r.settle(A, true);
        assert_eq!(r.worker_of(A), Some(1));
        r.forget(A);
        assert!(r.is_empty());
    }

    #[test]
    fn a_command_that_fails_or_does_not_arrive_leaves_nothing() {
        let r = Registry::default();
        r.place(&[A], 0).unwrap();
        r.settle(A, false);
        r.place(&[A, B], 0).unwrap();
        r.withdraw(&[A, B]);
        assert!(r.is_empty());
    }

    #[test]
    fn one_of_several_that_lives_elsewhere_refuses_them_all() {
        let r = Registry::default();
        r.place(&[B], 1).unwrap();
        assert_eq!(r.place(&[A, B], 0), Err(Elsewhere { object: B, worker: 1 }));
        assert_eq!(r.worker_of(A), None);
    }

    #[test]
    fn a_second_command_under_way_outlives_the_end_of_the_first_ones_object() {
        let r = Registry::default();
        r.place(&[A], 0).unwrap();
        assert_eq!(r.leave(A), Some(0));
        r.place(&[A], 0).unwrap();
        r.settle(A, true);
        r.forget(A);
        assert_eq!(r.worker_of(A), Some(0), "it is coming again");
        r.settle(A, true);
        r.forget(A);
        assert!(r.is_empty());
    }

    #[test]
    fn a_removal_is_sent_once_for_each_making() {
        let r = Registry::default();
        r.place(&[A], 0).unwrap();
        assert_eq!((r.leave(A), r.leave(A), r.leave(B)), (Some(0), None, None));
        r.place(&[A], 0).unwrap();
        assert_eq!((r.leave(A), r.leave(A)), (Some(0), None));
    }
}
