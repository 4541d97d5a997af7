//! Whether what came out is what had to come out.
//!
//! A worker keeps the order of such packets that leave by one port, so what it sent is held against what
//! it got one by one, octet for octet. While the writer moves bindings, a packet may leave through
//! the tunnel from before the move or after it, and one that comes out of the other tunnel of its
//! binding may be refused: its source is not there (or no longer). Nothing else may be missing.

use super::packets::{outer_label, Builder, Input};
use super::world::{from_tunnel, other_tunnel, CORE_OUT};
use super::PathKind;
use anyhow::{bail, ensure, Result};
use dataplane::tables::Tables;
use dataplane::verdict::{Drop, Verdict};
use dpdk::Mbuf;
use packet::{Buf, PortId, MAX_BURST};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Outer flow labels are counted until there are so many.
const LABELS: usize = 1 << 14;

/// Of so many flows, the labels that differ are at least this share: of 2^14 flows over 2^20 labels
/// chance makes 0.8 % meet.
const DISTINCT: f64 = 0.97;

/// Holds output against input.
pub struct Verifier {
    builder: Builder,
    tables: Arc<Tables>,
    worker: usize,
    /// Whether bindings move meanwhile.
    moving: bool,
    verified: u64,
    refused: u64,
    /// Outer flow labels by flow.
    labels: HashMap<u64, u32>,
    frame: Vec<u8>,
}

impl Verifier {
    /// For what `worker` of `tables` makes of the packets of `builder`.
    pub fn new(builder: Builder, tables: Arc<Tables>, worker: usize, moving: bool) -> Self {
        Self {
            builder,
            tables,
            worker,
            moving,
            verified: 0,
            refused: 0,
            labels: HashMap::new(),
            frame: vec![0; builder.sent_len()],
        }
    }

    /// Packets that were checked.
    pub fn verified(&self) -> u64 {
        self.verified
    }

    /// Checks that nothing is missing of a load.
    ///
    /// # Errors
    /// What ended otherwise, by verdict.
    pub fn count(&mut self, inputs: &[Input], sent: &[(PortId, Mbuf)]) -> Result<()> {
        let missing = inputs.len() as u64 - (sent.len() as u64).min(inputs.len() as u64);
        self.refused += missing;
        let spoofed = Verdict::Drop(Drop::InnerSourceSpoofed);
        let counts = self.tables.verdict_counts(self.worker);
        let allowed = match (self.moving, self.builder.path) {
            (true, PathKind::Decap) => counts.of(spoofed),
            _ => 0,
        };
        if sent.len() > inputs.len() || self.refused != allowed {
            let ends = counts.iter().filter(|(_, count)| *count > 0);
            let ends: Vec<_> = ends
                .map(|(verdict, count)| format!("{} {} {count}", verdict.kind(), verdict.reason()))
                .collect();
            bail!(
                "of a load of {} packets {} came out; all that ended so far: {}",
                inputs.len(),
                sent.len(),
                ends.join(", ")
            );
        }
        Ok(())
    }

    /// Checks every packet of a load.
    ///
    /// # Errors
    /// The first that is not what it must be.
    pub fn check(&mut self, inputs: &[Input], sent: &[(PortId, Mbuf)]) -> Result<()> {
        self.count(inputs, sent)?;
        let mut rest = inputs;
        let mut late = Vec::new();
        for (port, mbuf) in sent {
            let frame = mbuf.data();
            let in_turn = rest.split_first();
            let wrong = match in_turn.map(|(next, _)| self.differs(*next, *port, frame)) {
                Some(None) => {
                    rest = in_turn.map_or(rest, |(_, behind)| behind);
                    self.verified += 1;
                    continue;
                }
                Some(Some(wrong)) => wrong,
                None => "more came out than came in".to_owned(),
            };
            ensure!(self.moving, "wrong packet for {:?}: {wrong}", rest.first());
            self.out_of_turn(&mut rest, &mut late, *port, frame)?;
            self.verified += 1;
        }
        Ok(())
    }

    /// Looks for the input of a frame that came out of turn. While bindings move, inputs before it were
    /// refused; or one of the last that were is judged once more after its burst, as everything that is
    /// not plain, and its source is in its place by then.
    fn out_of_turn(
        &mut self,
        rest: &mut &[Input],
        late: &mut Vec<Input>,
        port: PortId,
        frame: &[u8],
    ) -> Result<()> {
        let from = late.len().saturating_sub(MAX_BURST);
        for at in from..late.len() {
            if self.differs(late[at], port, frame).is_none() {
                late.remove(at);
                return Ok(());
            }
        }
        while let Some((next, behind)) = rest.split_first() {
            *rest = behind;
            if self.differs(*next, port, frame).is_none() {
                return Ok(());
            }
            late.push(*next);
        }
        bail!("a packet came out that did not come in: {}", hex(frame));
    }

    /// Checks that outer flow labels tell flows apart.
    ///
    /// # Errors
    /// When too many are the same.
    pub fn finish(&self) -> Result<()> {
        let flows = self.labels.len();
        let labels = self.labels.values().collect::<HashSet<_>>().len();
        ensure!(
            labels as f64 >= DISTINCT * flows as f64,
            "{flows} flows have only {labels} outer flow labels"
        );
        Ok(())
    }

    /// What is wrong with a frame that was sent for `input`, if anything is.
    fn differs(&mut self, input: Input, port: PortId, frame: &[u8]) -> Option<String> {
        if port != CORE_OUT.port {
            return Some(format!("it left by port {}", port.0));
        }
        if frame.len() != self.frame.len() {
            return Some(format!("it has {} octets", frame.len()));
        }
        let enters = self.builder.enters();
        let label = outer_label(frame).filter(|_| enters).unwrap_or(0);
        if enters {
            if label == 0 {
                return Some("its outer flow label is 0".to_owned());
            }
            if self.labels.len() < LABELS {
                self.labels.entry(input.seed).or_insert(label);
            }
            if self
                .labels
                .get(&input.seed)
                .is_some_and(|old| *old != label)
            {
                return Some("its flow had another outer flow label before".to_owned());
            }
        }
        let tunnels = [from_tunnel(input.entry), other_tunnel(input.entry)];
        let possible = if self.moving {
            &tunnels[..]
        } else {
            &tunnels[..1]
        };
        for &tunnel in possible {
            self.builder.sent(input, tunnel, label, &mut self.frame);
            if frame == self.frame {
                return None;
            }
        }
        let at = frame.iter().zip(&self.frame).position(|(a, b)| a != b);
        Some(format!(
            "octet {} is wrong; got {}, expected {}",
            at.unwrap_or(0),
            hex(frame),
            hex(&self.frame)
        ))
    }
}

/// The headers of a frame.
fn hex(frame: &[u8]) -> String {
    let headers = frame.iter().take(128);
    headers.map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::world::{build, Entry, Size, CORE_IN};
    use super::*;

    const PATHS: [PathKind; 4] = [
        PathKind::Encap,
        PathKind::Decap,
        PathKind::Route,
        PathKind::Ipv4,
    ];
    const INPUT: Input = Input {
        entry: Entry {
            number: 3,
            tunnels: 4,
        },
        seed: 77,
    };

    fn verifier(path: PathKind, moving: bool) -> Verifier {
        let size = Size {
            entries: 8,
            tunnels: 4,
            spare: 0,
            workers: 1,
            frame: 104,
        };
        let (_, tables) = build(path, size, 1).expect("tables");
        Verifier::new(Builder { path, frame: 64 }, tables, 0, moving)
    }

    fn sent(verifier: &Verifier, tunnel: u32) -> Vec<u8> {
        let builder = verifier.builder;
        let mut frame = vec![0; builder.sent_len()];
        let label = if builder.enters() { 0x12345 } else { 0 };
        builder.sent(INPUT, tunnel, label, &mut frame);
        frame
    }

    #[test]
    fn an_octet_that_is_wrong_is_seen_wherever_it_is() {
        for path in PATHS {
            let mut verifier = verifier(path, false);
            let frame = sent(&verifier, from_tunnel(INPUT.entry));
            assert_eq!(verifier.differs(INPUT, CORE_OUT.port, &frame), None);
            for at in 0..frame.len() {
                let mut wrong = frame.clone();
                wrong[at] ^= 1;
                let told = verifier.differs(INPUT, CORE_OUT.port, &wrong);
                assert!(told.is_some(), "octet {at}");
            }
        }
    }

    #[test]
    fn another_port_length_label_or_flow_is_seen() {
        let mut verifier = verifier(PathKind::Encap, false);
        let frame = sent(&verifier, from_tunnel(INPUT.entry));
        let mut told = |input, port: PortId, frame: &[u8]| {
            let told = verifier.differs(input, port, frame);
            told.unwrap_or_default()
        };
        assert_eq!(told(INPUT, CORE_OUT.port, &frame), "");
        assert!(told(INPUT, CORE_IN.port, &frame).contains("left by port"));
        assert!(told(INPUT, CORE_OUT.port, &frame[1..]).contains("103 octets"));
        let mut unlabelled = frame.clone();
        unlabelled[15] &= 0xf0;
        unlabelled[16..18].fill(0);
        assert!(told(INPUT, CORE_OUT.port, &unlabelled).contains("label is 0"));
        let other = Input { seed: 78, ..INPUT };
        assert!(told(other, CORE_OUT.port, &frame).contains("is wrong"));
    }

    #[test]
    fn the_tunnel_from_before_a_move_is_right_only_while_bindings_move() {
        let other = other_tunnel(INPUT.entry);
        for moving in [false, true] {
            let mut verifier = verifier(PathKind::Encap, moving);
            let frame = sent(&verifier, other);
            let told = verifier.differs(INPUT, CORE_OUT.port, &frame);
            assert_eq!(told.is_none(), moving, "{told:?}");
            let strange = (0..4).find(|it| ![other, from_tunnel(INPUT.entry)].contains(it));
            let frame = sent(&verifier, strange.expect("a third"));
            assert!(verifier.differs(INPUT, CORE_OUT.port, &frame).is_some());
        }
    }
}
