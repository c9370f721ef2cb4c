//! Python bindings of the media plane: JSON in, JSON out, one file descriptor to wait on. No logic here.

use pyo3::exceptions::{PyException, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rillcast_plane::config::PlaneConfig;
use rillcast_plane::refusal::Refusal;
use rillcast_plane_driver::plane;
use rillcast_raw::privilege::{self, ClaimError};

pyo3::create_exception!(
    rillcast_native,
    PlaneBusy,
    PyException,
    "The worker's mailbox is full: nothing was done, and later it may do."
);

fn refused(refusal: Refusal) -> PyErr {
    match refusal {
        Refusal::Busy { .. } => PlaneBusy::new_err(refusal.to_string()),
        Refusal::Impossible(_) => PyValueError::new_err(refusal.to_string()),
    }
}

/// Serialised events, and (source, packet) of tapped sources.
type Polled<'py> = (Vec<Bound<'py, PyBytes>>, Vec<(u64, Bound<'py, PyBytes>)>);

/// Sockets that send past the UDP sockets, or why there are none.
#[pyclass(module = "rillcast_native", frozen)]
struct RawSockets {
    inner: std::sync::Mutex<Option<Result<privilege::RawSockets, String>>>,
}

#[pymethods]
impl RawSockets {
    /// Why there are none.
    #[getter]
    fn problem(&self) -> Option<String> {
        match &*self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(Err(problem)) => Some(problem.clone()),
            _ => None,
        }
    }
}

/// Opens what a plane with so many workers needs to send past its sockets, and gives CAP_NET_RAW away for ever, whether it
/// was there or not. To be called before anything is read from the network and while the process has one thread. OSError:
/// the capability can't be given away.
#[pyfunction]
fn claim_raw(workers: usize) -> PyResult<RawSockets> {
    let claimed = match privilege::claim(workers) {
        Err(ClaimError::Kept(why)) => return Err(PyOSError::new_err(ClaimError::Kept(why).to_string())),
        other => other.map_err(|e| e.to_string()),
    };
    Ok(RawSockets { inner: std::sync::Mutex::new(Some(claimed)) })
}

/// The media plane of one node.
#[pyclass(module = "rillcast_native", frozen)]
struct Plane {
    inner: std::sync::Mutex<plane::Plane>,
}

impl Plane {
    fn with<T>(&self, f: impl FnOnce(&mut plane::Plane) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[pymethods]
impl Plane {
    /// Binds the sockets and starts the threads. ValueError: bad configuration; OSError: an address can't be had.
    /// `raw`: from `claim_raw`; it serves one plane.
    #[new]
    #[pyo3(signature = (config, raw = None))]
    fn new(config: &[u8], raw: Option<&RawSockets>) -> PyResult<Self> {
        let config: PlaneConfig = serde_json::from_slice(config).map_err(|e| PyValueError::new_err(e.to_string()))?;
        let raw = raw.and_then(|r| r.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        let raw = raw.unwrap_or_else(|| Err("no packet sockets were opened".into()));
        let inner = plane::Plane::start(&config, raw).map_err(|e| PyOSError::new_err(e.to_string()))?;
        Ok(Plane { inner: std::sync::Mutex::new(inner) })
    }

    /// SHA-256 of the DTLS certificate, upper-case hex with colons.
    fn fingerprint(&self) -> String {
        self.with(|p| p.fingerprint().to_owned())
    }

    /// (media port, relay port) of each worker.
    fn ports(&self) -> Vec<(u16, u16)> {
        self.with(|p| p.ports().to_vec())
    }

    /// Whether media goes past the socket, and otherwise why not: nothing if that was not wanted.
    fn egress(&self) -> (bool, Option<String>) {
        self.with(|p| match p.egress() {
            plane::Egress::Raw => (true, None),
            plane::Egress::Socket(why) => (false, why.clone()),
        })
    }

    /// Readable when `poll` has something.
    fn fileno(&self) -> i32 {
        self.with(|p| p.fd())
    }

    /// Hands a command over. ValueError: impossible; PlaneBusy: the worker is too far behind. Removals are always taken.
    fn execute(&self, command: &[u8]) -> PyResult<()> {
        self.with(|p| p.execute(command)).map_err(refused)
    }

    /// Feeds a push source. ValueError: unknown source; PlaneBusy: the worker is too far behind.
    fn push_rtp(&self, source: u64, packets: Vec<Vec<u8>>) -> PyResult<()> {
        self.with(|p| p.push(source, packets)).map_err(refused)
    }

    /// What happened first since the last call, `limit` events and packets at most. The descriptor stays readable while
    /// there is more.
    fn poll<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Polled<'py>> {
        let (events, tapped) = self.with(|p| p.events().take(limit));
        let mut out = Vec::with_capacity(events.len());
        for e in &events {
            let json = serde_json::to_vec(e).map_err(|e| PyRuntimeError::new_err(e.to_string()))?;
            out.push(PyBytes::new(py, &json));
        }
        let packets = tapped.iter().map(|(source, p)| (*source, PyBytes::new(py, p))).collect();
        Ok((out, packets))
    }

    /// Ends every session and stops the threads; waits some seconds for them. How many hang and did not end.
    fn close(&self, py: Python<'_>) -> usize {
        py.detach(|| self.with(plane::Plane::stop))
    }
}

#[pymodule]
fn rillcast_native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("PlaneBusy", m.py().get_type::<PlaneBusy>())?;
    m.add_function(wrap_pyfunction!(claim_raw, m)?)?;
    m.add_class::<RawSockets>()?;
    m.add_class::<Plane>()
}
