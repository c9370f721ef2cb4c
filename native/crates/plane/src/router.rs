//! From a command to the worker that has its object, or shall have it. No I/O: the driver owns the threads.

use crate::config::{check_send, relay_key, AdoptedFeed, Command};
use crate::events::Event;
use crate::mailbox::Mail;
use crate::refusal::{Impossible, Refusal};
use crate::registry::{Elsewhere, Object};
use crate::worker::Shared;

/// Called by Python's thread alone, once per command.
pub struct Router {
    shared: Shared,
}

impl Router {
    /// For the plane whose workers share this.
    pub fn new(shared: Shared) -> Self {
        Router { shared }
    }

    /// Hands a command (JSON) to its worker. One for a session or relay that the plane has ended by itself does nothing.
    pub fn execute(&self, json: &[u8]) -> Result<(), Refusal> {
        self.command(serde_json::from_slice(json).map_err(|e| Impossible::NotACommand(e.to_string()))?)
    }

    /// Carries out a command that has been read, like `execute`.
    pub fn command(&self, command: Command) -> Result<(), Refusal> {
        self.check(&command)?;
        let Some(worker) = self.worker_for(&command)? else {
            self.answer_for_nobody(&command);
            return Ok(());
        };
        let made = command.makes();
        self.shared.registry.place(&made, worker).map_err(|e| Impossible::elsewhere(e, worker))?;
        let posted = self.post(worker, Mail::Command(Box::new(command)));
        if posted.is_err() {
            self.shared.registry.withdraw(&made);
        }
        posted
    }

    /// Feeds a push source with whole RTP packets.
    pub fn push(&self, source: u64, packets: Vec<Vec<u8>>) -> Result<(), Refusal> {
        self.post(self.source(source)?, Mail::Push { source, packets })
    }

    fn check(&self, command: &Command) -> Result<(), Impossible> {
        match command {
            Command::AddSession(c) => c.check(),
            Command::ContinueSession { srtp, .. } => srtp.check(),
            Command::RestartDtls { send, .. } => check_send(send),
            Command::AddRelaySource(c) => {
                relay_key("srtp_key", &c.srtp_key)?;
                relay_key("srtcp_key", &c.srtcp_key).map(drop)
            }
            Command::AddRelay(c) => {
                relay_key("srtp_key", &c.srtp_key)?;
                relay_key("srtcp_key", &c.srtcp_key).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// None: there is nothing to do, since the plane ended the object before Python could know.
    fn worker_for(&self, command: &Command) -> Result<Option<usize>, Impossible> {
        let registry = &self.shared.registry;
        match command {
            Command::AddSession(c) => self.asked(c.worker).map(Some),
            Command::AddPushSource(c) => self.asked(c.worker).map(Some),
            Command::AddRelaySource(c) => self.asked(c.spec.worker).map(Some),
            Command::AddRelay(c) => self.source(c.source).map(Some),
            Command::AdoptFeeds { feeds } => self.one_worker(feeds),
            Command::RemoveSession { session, .. } => Ok(registry.leave(Object::Session(*session))),
            Command::RemoveSource { source } => Ok(registry.leave(Object::Source(*source))),
            Command::RemoveRelay { relay } => Ok(registry.leave(Object::Relay(*relay))),
            Command::LookAtRelay { relay } => Ok(registry.worker_of(Object::Relay(*relay))),
            Command::RestartIce { session, .. }
            | Command::ExportSession { session, .. }
            | Command::ContinueSession { session, .. }
            | Command::RestartDtls { session, .. }
            | Command::SwitchSource { session, .. }
            | Command::LimitLayers { session, .. }
            | Command::Pace { session, .. }
            | Command::Probe { session, .. } => Ok(registry.worker_of(Object::Session(*session))),
            Command::RequestKeyframe { source } | Command::Tap { source, .. } | Command::SetClock { source, .. } => {
                self.source(*source).map(Some)
            }
        }
    }

    /// An export is answered even if there is nothing to export.
    fn answer_for_nobody(&self, command: &Command) {
        if let Command::ExportSession { session, .. } = command {
            self.shared.events.push(Event::SessionExported { session: *session, srtp: None });
        }
    }

    /// All sources of an adoption are on one worker; None where nothing is adopted.
    fn one_worker(&self, feeds: &[AdoptedFeed]) -> Result<Option<usize>, Impossible> {
        let Some(first) = feeds.first() else { return Ok(None) };
        let asked = self.source(first.source)?;
        for id in feeds.iter().flat_map(|f| [f.source, f.from]) {
            let worker = self.source(id)?;
            if worker != asked {
                return Err(Impossible::elsewhere(Elsewhere { object: Object::Source(id), worker }, asked));
            }
        }
        Ok(Some(asked))
    }

    fn asked(&self, worker: usize) -> Result<usize, Impossible> {
        let workers = self.shared.mailboxes.len();
        if worker < workers {
            Ok(worker)
        } else {
            Err(Impossible::NoSuchWorker { worker, workers })
        }
    }

    fn source(&self, id: u64) -> Result<usize, Impossible> {
        self.shared.registry.worker_of(Object::Source(id)).ok_or(Impossible::UnknownSource(id))
    }

    fn post(&self, worker: usize, mail: Mail) -> Result<(), Refusal> {
        self.shared.mailboxes[worker].post(mail).map_err(|_| Refusal::Busy { worker })
    }
}
