//! The transport BoringSSL reads from and writes to: one call, one datagram.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

/// Datagrams waiting to be sent; more are dropped, as a full link would. The longest flight has about five.
const MAX_OUTPUT: usize = 64;

#[derive(Default)]
pub struct Datagrams {
    input: Vec<u8>,
    output: VecDeque<Vec<u8>>,
}

impl Datagrams {
    pub fn arrived(&mut self, datagram: &[u8]) {
        self.input.extend_from_slice(datagram);
    }

    /// Forgets a datagram that was not read, and its buffer.
    pub fn drop_input(&mut self) {
        self.input = Vec::new();
    }

    /// The next datagram to send. The queue's own memory goes with the last one.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        let datagram = self.output.pop_front();
        if self.output.is_empty() {
            self.output = VecDeque::new();
        }
        datagram
    }
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = self.input.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.input[..len]);
        self.input.clear();
        Ok(len)
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        if self.output.len() < MAX_OUTPUT {
            self.output.push_back(datagram.to_vec());
        }
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
