//! Where sessions, sources and relays live.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which worker has which object. Locked by commands only, never by packets.
#[derive(Default)]
pub struct Registry {
    sessions: Mutex<HashMap<u64, usize>>,
    sources: Mutex<HashMap<u64, usize>>,
    relays: Mutex<HashMap<u64, usize>>,
}

fn lock(m: &Mutex<HashMap<u64, usize>>) -> MutexGuard<'_, HashMap<u64, usize>> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub fn worker_of_source(&self, id: u64) -> Option<usize> {
        lock(&self.sources).get(&id).copied()
    }

    pub fn worker_of_session(&self, id: u64) -> Option<usize> {
        lock(&self.sessions).get(&id).copied()
    }

    pub fn worker_of_relay(&self, id: u64) -> Option<usize> {
        lock(&self.relays).get(&id).copied()
    }

    pub fn place_session(&self, id: u64, worker: usize) {
        lock(&self.sessions).insert(id, worker);
    }

    pub fn place_relay(&self, id: u64, worker: usize) {
        lock(&self.relays).insert(id, worker);
    }

    pub fn knows_source(&self, id: u64) -> bool {
        self.worker_of_source(id).is_some()
    }

    pub fn forget_session(&self, id: u64) {
        lock(&self.sessions).remove(&id);
    }

    pub fn forget_source(&self, id: u64) {
        lock(&self.sources).remove(&id);
    }

    pub fn forget_relay(&self, id: u64) {
        lock(&self.relays).remove(&id);
    }

    /// Notes that `worker` has source `id`, unless another one has it.
    pub fn place_source(&self, id: u64, worker: usize) -> Result<(), String> {
        match *lock(&self.sources).entry(id).or_insert(worker) {
            w if w == worker => Ok(()),
            w => Err(format!("source {id} lives on worker {w}, not {worker}")),
        }
    }
}
