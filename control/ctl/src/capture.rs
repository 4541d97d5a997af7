//! `anchorctl capture`: frames into a pcapng file.
//!
//! ```text
//!   section | interface: one per port, as they come up
//!           | packet: as it came (inbound) | the same packet as it went (outbound) | ...
//!           | statistics: what was lost
//! ```
//!
//! The file is written here, with the rights of whoever asks, and not by the gateway. It is in network
//! byte order: a statistics block's time is two words, the upper first, and only so does a 64-bit
//! number have that order.

use crate::client::{Client, Failure};
use crate::trace;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use control::rpc::types::{Captured, WatchEnded};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::{DataLink, Endianness, PcapError};
use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

/// Timestamps are in units of 10^-9 s.
const NANOSECONDS: u8 = 9;

/// The direction bits of a packet's flags.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// A capture file that is being written.
pub struct File<W: Write> {
    writer: PcapNgWriter<W>,
    ports: Vec<String>,
    last_ns: u64,
    frames: u64,
}

fn failed(error: PcapError) -> Failure {
    Failure::Output(match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

impl<W: Write> File<W> {
    /// A file without packets.
    pub fn new(out: W) -> Result<Self, Failure> {
        Ok(Self {
            writer: PcapNgWriter::with_endianness(out, Endianness::Big).map_err(failed)?,
            ports: Vec::new(),
            last_ns: 0,
            frames: 0,
        })
    }

    /// Adds a frame.
    pub fn put(&mut self, frame: &Captured) -> Result<(), Failure> {
        let data = STANDARD.decode(&frame.data);
        let data = data.map_err(|error| Failure::NotUnderstood(error.to_string()))?;
        let interface_id = self.interface(&frame.port)?;
        let comment = format!(
            "worker {}, packet {}, {}: {}",
            frame.worker,
            frame.number,
            match frame.received {
                true => "as it came",
                false => "as it went",
            },
            frame.verdict.replacen('_', " ", 1),
        );
        let direction = match frame.received {
            true => INBOUND,
            false => OUTBOUND,
        };
        let block = EnhancedPacketBlock {
            interface_id,
            timestamp: Duration::from_nanos(frame.time_ns),
            original_len: u32::try_from(frame.length).unwrap_or(u32::MAX),
            data: Cow::Owned(data),
            options: vec![
                EnhancedPacketOption::Comment(Cow::Owned(comment)),
                EnhancedPacketOption::Flags(direction),
            ],
        };
        self.writer.write_pcapng_block(block).map_err(failed)?;
        self.last_ns = frame.time_ns;
        self.frames += 1;
        Ok(())
    }

    /// Lets go of what is held back for a larger write.
    fn flush(&mut self) -> Result<(), Failure> {
        self.writer.get_mut().flush().map_err(Failure::Output)
    }

    /// The number of a port's interface, which is described when it first comes up.
    fn interface(&mut self, port: &str) -> Result<u32, Failure> {
        let known = self.ports.iter().position(|known| known == port);
        let at = match known {
            Some(at) => at,
            None => {
                let block = InterfaceDescriptionBlock {
                    linktype: DataLink::ETHERNET,
                    snaplen: 0,
                    options: vec![
                        InterfaceDescriptionOption::IfName(Cow::Owned(port.to_owned())),
                        InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                    ],
                };
                self.writer.write_pcapng_block(block).map_err(failed)?;
                self.ports.push(port.to_owned());
                self.ports.len() - 1
            }
        };
        Ok(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Writes down what was lost, and gives the output back. Losses are the session's and not an
    /// interface's: they stand with the first.
    pub fn end(mut self, ended: &WatchEnded) -> Result<(W, u64), Failure> {
        if !self.ports.is_empty() {
            let lost = ended.lost.saturating_add(ended.left_out);
            let comment = format!("all interfaces: {}", trace::ended(ended).trim_end());
            let block = InterfaceStatisticsBlock {
                interface_id: 0,
                timestamp: self.last_ns,
                options: vec![
                    InterfaceStatisticsOption::Comment(Cow::Owned(comment)),
                    InterfaceStatisticsOption::IsbOsDrop(lost),
                ],
            };
            self.writer.write_pcapng_block(block).map_err(failed)?;
        }
        let mut out = self.writer.into_inner();
        out.flush().map_err(Failure::Output)?;
        Ok((out, self.frames))
    }
}

/// Writes frames into `out` until the capture has ended; how, and how many frames there were.
pub fn run(client: &mut Client, out: impl Write) -> Result<(WatchEnded, u64), Failure> {
    let mut file = File::new(out)?;
    loop {
        // Who watches the file, or reads us by a pipe, sees a packet that nothing follows.
        if client.is_drained() {
            file.flush()?;
        }
        let (_, method, params) = trace::next(client)?;
        match method.as_str() {
            "captured" => file.put(&trace::read(params)?)?,
            "ended" => {
                let ended = trace::read(params)?;
                let (_, frames) = file.end(&ended)?;
                return Ok((ended, frames));
            }
            _ => {}
        }
    }
}
