//! Python bindings of the load generator: JSON in, JSON out. A module of its own, so that no node loads it. No logic here.

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rillcast_load::config::{Command, LoadConfig};
use rillcast_load::media::{Frame, Loop, Media};
use rillcast_load::thread;

/// One frame of pre-encoded media: (due in the loop µs, RTP timestamp, RTP payloads).
type FrameArgument = (u64, u32, Vec<Vec<u8>>);
/// A looped track: (frames, length µs, length in RTP ticks).
type LoopArgument = (Vec<FrameArgument>, u64, u32);

fn media_loop((frames, length_us, length_ts): LoopArgument) -> PyResult<Loop> {
    if frames.iter().any(|f| f.2.is_empty()) {
        return Err(PyValueError::new_err("media: a frame without packets"));
    }
    let frames = frames
        .into_iter()
        .map(|(at_us, ts, payloads)| Frame {
            at_us,
            ts,
            payloads: payloads.into_iter().map(Vec::into_boxed_slice).collect(),
        })
        .collect();
    Ok(Loop { frames, length_us, length_ts })
}

/// A thread of WebRTC peers that load a server.
#[pyclass(module = "rillcast_load_native", frozen)]
struct Load {
    inner: std::sync::Mutex<thread::Load>,
}

impl Load {
    fn with<T>(&self, f: impl FnOnce(&mut thread::Load) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[pymethods]
impl Load {
    /// ValueError: bad configuration; OSError: no socket. `media`: (videos, audio), for publishers.
    #[new]
    #[pyo3(signature = (config, media = None))]
    fn new(config: &[u8], media: Option<(Vec<LoopArgument>, LoopArgument)>) -> PyResult<Self> {
        let config: LoadConfig = serde_json::from_slice(config).map_err(|e| PyValueError::new_err(e.to_string()))?;
        let made = |(videos, audio): (Vec<LoopArgument>, _)| {
            let videos = videos.into_iter().map(media_loop).collect::<PyResult<Vec<_>>>()?;
            Ok::<_, PyErr>(Media { videos, audio: media_loop(audio)? })
        };
        let media = media.map(made).transpose()?;
        let inner = thread::Load::start(config, media).map_err(|e| PyOSError::new_err(e.to_string()))?;
        Ok(Load { inner: std::sync::Mutex::new(inner) })
    }

    fn fingerprint(&self) -> String {
        self.with(|l| l.fingerprint().to_owned())
    }

    /// ValueError: a command that can't be read.
    fn execute(&self, command: &[u8]) -> PyResult<()> {
        let command: Command = serde_json::from_slice(command).map_err(|e| PyValueError::new_err(e.to_string()))?;
        self.with(|l| l.execute(command));
        Ok(())
    }

    /// (what happened since the last call, the figures), both JSON.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (happened, report) = self.with(|l| l.poll());
        let json = |r: Result<Vec<u8>, serde_json::Error>| r.map_err(|e| PyRuntimeError::new_err(e.to_string()));
        let happened = json(serde_json::to_vec(&happened))?;
        let report = json(serde_json::to_vec(&report))?;
        Ok((PyBytes::new(py, &happened), PyBytes::new(py, &report)))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.with(thread::Load::stop));
    }
}

#[pymodule]
fn rillcast_load_native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Load>()
}
