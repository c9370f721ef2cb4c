//! Opens the sockets that need CAP_NET_RAW, and gives the capability away, before anything is read from the network.

use std::fmt;
use std::io;

use caps::errors::CapsError;
use caps::{CapSet, Capability};

use crate::packet_socket::{no_new_privileges, PacketSocket};

/// UDP segmentation of frames came with this version (`VIRTIO_NET_HDR_GSO_UDP_L4`).
const LEAST_KERNEL: (u32, u32) = (6, 2);
/// The devices that a worker can send through at one time.
pub const DEVICES: usize = 2;

/// The sockets of all workers, each with as many as there may be devices.
pub struct RawSockets(pub Vec<Vec<PacketSocket>>);

/// Why there are no such sockets.
#[derive(Debug)]
pub enum ClaimError {
    /// CAP_NET_RAW is missing.
    Capability,
    /// The kernel is too old: its release.
    Kernel(String),
    /// A socket that the system did not give.
    Socket(io::Error),
    /// The capability could not be given away.
    Kept(String),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = LEAST_KERNEL;
        match self {
            ClaimError::Capability => f.write_str("the process does not have CAP_NET_RAW"),
            ClaimError::Kernel(release) => write!(f, "it needs Linux {major}.{minor} or newer, and this is {release}"),
            ClaimError::Socket(error) => write!(f, "no packet socket: {error}"),
            ClaimError::Kept(why) => write!(f, "CAP_NET_RAW could not be given away: {why}"),
        }
    }
}

impl std::error::Error for ClaimError {}

impl From<CapsError> for ClaimError {
    fn from(error: CapsError) -> Self {
        ClaimError::Kept(error.to_string())
    }
}

/// Opens sockets for so many workers and gives the capability away, also when they can't be had. To be called while the
/// process has one thread, or others that don't have the capability: each thread has its own.
pub fn claim(workers: usize) -> Result<RawSockets, ClaimError> {
    let opened = open(workers);
    relinquish()?;
    opened
}

fn open(workers: usize) -> Result<RawSockets, ClaimError> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if version(&release).is_some_and(|v| v < LEAST_KERNEL) {
        return Err(ClaimError::Kernel(release.trim().to_owned()));
    }
    let opened = |_| PacketSocket::open();
    let all = (0..workers).map(|_| (0..DEVICES).map(opened).collect()).collect::<io::Result<_>>();
    all.map(RawSockets).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => ClaimError::Capability,
        _ => ClaimError::Socket(error),
    })
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

const NET_RAW: Capability = Capability::CAP_NET_RAW;
const OWN_SETS: [CapSet; 4] = [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted];

/// Takes CAP_NET_RAW out of all sets of this thread. Out of the bounding set as well if CAP_SETPCAP allows it; otherwise no
/// program that is started can get it back, whoever owns its file.
fn relinquish() -> Result<(), ClaimError> {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::drop(None, CapSet::Bounding, NET_RAW)?;
    }
    for set in OWN_SETS {
        if caps::has_cap(None, set, NET_RAW)? {
            caps::drop(None, set, NET_RAW)?;
        }
    }
    if caps::has_cap(None, CapSet::Bounding, NET_RAW)? {
        no_new_privileges().map_err(|e| ClaimError::Kept(e.to_string()))?;
    }
    let threads = std::fs::read_dir("/proc/self/task").map_err(|e| ClaimError::Kept(e.to_string()))?;
    for thread in threads.flatten() {
        let Some(id) = thread.file_name().to_str().and_then(|id| id.parse::<i32>().ok()) else { continue };
        // A thread that has ended meanwhile has nothing.
        if caps::has_cap(Some(id), CapSet::Permitted, NET_RAW).unwrap_or(false) {
            return Err(ClaimError::Kept(format!("thread {id} of the process has it as well")));
        }
    }
    match PacketSocket::open() {
        Err(_) => Ok(()),
        Ok(_) => Err(ClaimError::Kept("packet sockets can still be opened".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_releases() {
        assert_eq!(version("6.18.44-fc-v1045\n"), Some((6, 18)));
        assert_eq!(version("6.1.0-13-amd64"), Some((6, 1)));
        assert!(version("6.1.0").unwrap() < LEAST_KERNEL && version("7.0").unwrap() > LEAST_KERNEL);
        assert_eq!(version("unknown"), None);
    }
}
