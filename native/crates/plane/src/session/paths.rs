//! The remote addresses of a session, and which of them have shown that somebody is there who wants what we send: a source
//! address can be forged, an answer to a check of ours can't (RFC 8445 §7.2, RFC 7675).

use std::sync::Arc;

use crate::config::IceParameters;
use crate::egress::{Path, Remote};

/// Paths remembered per session.
const MAX_PATHS: usize = 8;
/// An address that has never answered is sent at most so many bytes for each byte that came from it.
const MAX_AMPLIFICATION: usize = 3;
/// An answer is believed for so long (RFC 7675 §5.1: consent lasts 30 s).
const VALID_US: u64 = 30_000_000;
/// A check is repeated with the same transaction id for so long, that its answer may also come late.
const CHECK_LIFE_US: u64 = 5_000_000;
/// A check is repeated after this time, then after twice, four times … as long.
const CHECK_AGAIN_US: u64 = 50_000;
const MAX_DOUBLINGS: u32 = 5;

/// A check of ours that was not answered yet.
#[derive(Clone, Copy, Debug)]
struct Check {
    id: [u8; 12],
    made_us: u64,
    sent_us: u64,
    repeated: u32,
}

#[derive(Debug)]
struct Candidate {
    path: Path,
    /// The parameters of the peer's last check on this path: our checks go under the same ones.
    ice: Arc<IceParameters>,
    /// Bytes that came from the address and went to it, until it first answers.
    heard: usize,
    sent: usize,
    check: Option<Check>,
    /// When the peer last answered a check of ours; 0 stands for never.
    answered_us: u64,
}

/// A check to be sent now.
pub struct Ask {
    pub id: [u8; 12],
    pub ice: Arc<IceParameters>,
}

#[derive(Default)]
pub struct Paths(Vec<Candidate>);

impl Paths {
    /// Notes an authenticated check of the peer of so many bytes. Returns the path that made room for a new one, which is
    /// never `selected`, and rather one that has never answered.
    pub fn heard(
        &mut self,
        path: Path,
        ice: &Arc<IceParameters>,
        bytes: usize,
        selected: Option<Path>,
    ) -> Option<Path> {
        if let Some(c) = self.get_mut(path) {
            c.heard += bytes;
            if !Arc::ptr_eq(&c.ice, ice) {
                c.ice = ice.clone();
                c.check = None;
            }
            return None;
        }
        let forgotten = if self.0.len() == MAX_PATHS { self.make_room(selected) } else { None };
        let ice = ice.clone();
        self.0.push(Candidate { path, ice, heard: bytes, sent: 0, check: None, answered_us: 0 });
        forgotten
    }

    fn make_room(&mut self, selected: Option<Path>) -> Option<Path> {
        let spare = |c: &&Candidate| Some(c.path) != selected;
        let unproved = self.0.iter().position(|c| spare(&c) && c.answered_us == 0);
        let place = unproved.or_else(|| self.0.iter().position(|c| spare(&c)))?;
        Some(self.0.remove(place).path)
    }

    /// Whether so many bytes may go to the path, which counts them.
    pub fn spend(&mut self, path: Path, bytes: usize) -> bool {
        let Some(c) = self.get_mut(path) else { return false };
        let may = c.answered_us > 0 || c.sent + bytes <= MAX_AMPLIFICATION * c.heard;
        c.sent += if may { bytes } else { 0 };
        may
    }

    /// The check to be sent on this path now. None: the last one was sent a moment ago. `owner` leads back from the answer
    /// to the session, without a table of checks under way.
    pub fn ask(&mut self, now_us: u64, path: Path, owner: u32) -> Option<Ask> {
        let c = self.get_mut(path)?;
        let check = match &mut c.check {
            Some(check) if now_us < check.made_us + CHECK_LIFE_US => {
                if now_us < check.sent_us + CHECK_AGAIN_US {
                    return None;
                }
                check
            }
            none => none.insert(Check { id: transaction(owner), made_us: now_us, sent_us: 0, repeated: 0 }),
        };
        check.sent_us = now_us;
        Some(Ask { id: check.id, ice: c.ice.clone() })
    }

    /// The paths that have not answered in time; each is to be asked again. While a handshake waits for one.
    pub fn unanswered(&mut self, now_us: u64) -> Vec<Path> {
        let due = |c: &mut Candidate| {
            let check = c.check.as_mut()?;
            let due = now_us >= check.sent_us + (CHECK_AGAIN_US << check.repeated.min(MAX_DOUBLINGS));
            check.repeated += u32::from(due);
            due.then_some(c.path)
        };
        self.0.iter_mut().filter_map(due).collect()
    }

    /// The password under which an answer with this transaction id has to be. None: nothing like that was asked there.
    pub fn answer_key(&self, path: Path, id: &[u8; 12]) -> Option<&str> {
        let c = self.get(path)?;
        (c.check?.id == *id).then_some(c.ice.remote_pwd.as_str())
    }

    /// The parameters under which checks go on this path.
    pub fn credentials(&self, path: Path) -> Option<&IceParameters> {
        self.get(path).map(|c| &*c.ice)
    }

    /// The check on this path was answered: the address is the peer's.
    pub fn answered(&mut self, now_us: u64, path: Path) {
        if let Some(c) = self.get_mut(path) {
            c.check = None;
            c.answered_us = now_us.max(1);
        }
    }

    /// Whether an answer came on this path not long ago.
    pub fn is_valid(&self, now_us: u64, path: Path) -> bool {
        self.get(path).is_some_and(|c| c.answered_us > 0 && now_us < c.answered_us + VALID_US)
    }

    /// Whether this end has ever answered.
    pub fn has_proved(&self, remote: Remote) -> bool {
        self.0.iter().any(|c| c.path.remote() == remote && c.answered_us > 0)
    }

    /// This end is somebody else's, or no more.
    pub fn forget(&mut self, remote: Remote) {
        self.0.retain(|c| c.path.remote() != remote);
    }

    /// The ends of all paths.
    pub fn remotes(&self) -> impl Iterator<Item = Remote> + '_ {
        self.0.iter().map(|c| c.path.remote())
    }

    fn get(&self, path: Path) -> Option<&Candidate> {
        self.0.iter().find(|c| c.path == path)
    }

    fn get_mut(&mut self, path: Path) -> Option<&mut Candidate> {
        self.0.iter_mut().find(|c| c.path == path)
    }
}

/// A transaction id: the session's slot, and 64 bits that nobody but the receiver of the check can know.
pub(super) fn transaction(owner: u32) -> [u8; 12] {
    let mut id = [0; 12];
    id[..4].copy_from_slice(&owner.to_be_bytes());
    rillcast_crypto::random::fill(&mut id[4..]);
    id
}

/// The slot of the session that made a transaction id.
pub fn owner_of(id: &[u8; 12]) -> usize {
    u32::from_be_bytes([id[0], id[1], id[2], id[3]]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Sock;

    fn ice(name: &str) -> Arc<IceParameters> {
        let word = || name.repeat(22);
        Arc::new(IceParameters { local_ufrag: word(), local_pwd: word(), remote_ufrag: word(), remote_pwd: word() })
    }

    fn path(port: u16) -> Path {
        Path { sock: Sock::MediaV4, to: ([192, 0, 2, 1], port).into(), local: None }
    }

    fn heard(bytes: usize) -> Paths {
        let mut paths = Paths::default();
        paths.heard(path(1), &ice("a"), bytes, None);
        paths
    }

    #[test]
    fn an_address_that_has_not_answered_gets_three_times_what_it_sent() {
        let mut paths = heard(100);
        assert!(paths.spend(path(1), 200) && paths.spend(path(1), 100));
        assert!(!paths.spend(path(1), 1), "301 of 300");
        paths.heard(path(1), &ice("a"), 10, None);
        assert!(paths.spend(path(1), 30));
        assert!(!paths.spend(path(2), 1), "an address that was never heard");
        paths.answered(5, path(1));
        assert!(paths.spend(path(1), 1_000_000));
    }

    #[test]
    fn the_answer_has_to_bear_the_id_of_the_check_on_its_path() {
        let mut paths = heard(100);
        let asked = paths.ask(10, path(1), 7).unwrap();
        assert_eq!(owner_of(&asked.id), 7);
        assert_eq!(paths.answer_key(path(1), &asked.id), Some(&*"a".repeat(22)));
        assert_eq!(paths.answer_key(path(2), &asked.id), None, "another address");
        assert_eq!(paths.answer_key(path(1), &transaction(7)), None, "another id");
        paths.answered(20, path(1));
        assert_eq!(paths.answer_key(path(1), &asked.id), None, "an answer counts once");
    }

    #[test]
    fn a_check_keeps_its_id_while_its_answer_may_be_under_way() {
        let mut paths = heard(100);
        let first = paths.ask(1_000, path(1), 7).unwrap().id;
        assert!(paths.ask(2_000, path(1), 7).is_none(), "a moment ago");
        assert_eq!(paths.ask(1_000 + CHECK_AGAIN_US, path(1), 7).unwrap().id, first);
        assert_ne!(paths.ask(1_000 + CHECK_LIFE_US, path(1), 7).unwrap().id, first);
    }

    #[test]
    fn checks_are_repeated_ever_less_often() {
        let mut paths = heard(100);
        assert!(paths.unanswered(1 << 40).is_empty(), "nothing was asked");
        paths.ask(1_000, path(1), 7);
        let mut sent_at = vec![];
        for now_us in (1_000..=1_000_000).step_by(1_000) {
            if paths.unanswered(now_us) == [path(1)] {
                paths.ask(now_us, path(1), 7);
                sent_at.push(now_us / 1_000);
            }
        }
        assert_eq!(sent_at, [51, 151, 351, 751]);
    }

    #[test]
    fn other_credentials_void_the_check_under_way() {
        let mut paths = heard(100);
        let id = paths.ask(1_000, path(1), 7).unwrap().id;
        paths.heard(path(1), &ice("b"), 100, None);
        assert_eq!(paths.answer_key(path(1), &id), None);
        let again = paths.ask(1_001, path(1), 7).unwrap();
        assert_eq!(again.ice.remote_pwd, "b".repeat(22));
    }

    #[test]
    fn an_answer_is_believed_for_half_a_minute() {
        let mut paths = heard(100);
        assert!(!paths.is_valid(0, path(1)) && !paths.has_proved(path(1).remote()));
        paths.answered(1_000, path(1));
        assert!(paths.is_valid(VALID_US, path(1)));
        assert!(!paths.is_valid(1_000 + VALID_US, path(1)) && paths.has_proved(path(1).remote()));
    }

    #[test]
    fn a_new_path_pushes_out_one_that_never_answered_and_never_the_selected() {
        let mut paths = Paths::default();
        for port in 0..MAX_PATHS as u16 {
            assert_eq!(paths.heard(path(port), &ice("a"), 1, Some(path(0))), None);
        }
        paths.answered(1, path(1));
        assert_eq!(paths.heard(path(20), &ice("a"), 1, Some(path(0))), Some(path(2)));
        (3..MAX_PATHS as u16).chain([20]).for_each(|port| paths.answered(1, path(port)));
        assert_eq!(paths.heard(path(21), &ice("a"), 1, Some(path(0))), Some(path(1)));
        assert_eq!(paths.remotes().count(), MAX_PATHS);
        let remembered = |port| paths.remotes().any(|r| r == path(port).remote());
        assert!(remembered(0) && !remembered(1));
    }
}
