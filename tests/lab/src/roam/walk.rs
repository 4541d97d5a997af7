//! The walk through the bed, and what the gateways must have counted of it.
//!
//! A serving MAAR hears of the host's other anchors from whom the figures of RFC 8885 have it:
//!
//! ```text
//!   relay     P-MAARs ──► CMD ──► S-MAAR   one acknowledgement, once all have answered
//!   locator   P-MAARs ──────────► S-MAAR   one of each
//!   proxy                 CMD ──► S-MAAR   one acknowledgement, at once
//! ```

use super::{Bed, Layout, Stop, ALONE, LIMIT, MODES};
use crate::gateway::Programs;
use anyhow::{bail, ensure, Context, Result};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Where the host goes, by the number of the MAAR from 0 on.
pub const WALK: [usize; 5] = [0, 1, 2, 0, 1];

/// What a walk came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The mode of the database.
    pub mode: String,
    /// The stops.
    pub stops: Vec<Stop>,
    /// Sessions, in the order in which they were begun: whether each arrived whole, both ways.
    pub sessions: Vec<bool>,
    /// Octets that arrived and were right, over all sessions and both ways.
    pub bytes: u64,
}

impl Bed {
    /// The walk: a session at every stop, all of them whole at the end.
    ///
    /// # Errors
    /// When a stop or a session does not come about, or the gateways told one another of a host in another way
    /// than that of the mode.
    pub fn walk(&self, mode: &str, tell: &mut dyn FnMut(&str)) -> Result<Report> {
        let (mut stops, mut sessions) = (Vec::new(), Vec::new());
        let mut visited: Vec<usize> = Vec::new();
        for index in WALK {
            if !visited.contains(&index) {
                visited.push(index);
            }
            let stop = self.go(index, visited.len() - 1)?;
            tell(&format!(
                "{mode}: at MAAR {}, an address after {:.0} ms, {} other anchors after {:.0} ms",
                stop.maar, stop.address_ms, stop.earlier, stop.anchors_ms
            ));
            stops.push(stop);
            sessions.push(self.begin()?);
            std::thread::sleep(Duration::from_millis(300));
        }
        let (mut whole, mut bytes) = (Vec::new(), 0);
        for session in sessions {
            let outcome = session.stop()?;
            if !outcome.intact {
                tell(&format!(
                    "{mode}: {:?}, {:?}",
                    outcome.connector, outcome.listener
                ));
            }
            whole.push(outcome.intact);
            bytes += outcome.bytes;
        }
        tell(&format!(
            "{mode}: {} sessions, {bytes} octets, intact: {whole:?}",
            whole.len()
        ));
        if MODES.contains(&mode) {
            self.require_mode(mode, WALK.len() as u64 - 1)?;
        }
        Ok(Report {
            mode: mode.to_owned(),
            stops,
            sessions: whole,
            bytes,
        })
    }

    /// A session each at three MAARs, of which the second dies then; and back to the first. Whether a session lives that was
    /// begun at the dead one is whether its address is still reached.
    ///
    /// # Errors
    /// When a stop or a session does not come about.
    pub fn walk_past_a_death(&mut self, mode: &str, tell: &mut dyn FnMut(&str)) -> Result<Report> {
        let (mut stops, mut begun) = (Vec::new(), Vec::new());
        for index in 0..3 {
            stops.push(self.go(index, index)?);
            begun.push(self.begin()?);
        }
        let lost = self.address_of(1)?;
        ensure!(self.correspondent().reaches(lost, LIMIT), "{lost}");
        self.kill(1)?;
        std::thread::sleep(Duration::from_millis(300));
        // A database that waits for all anchors tells of those that are left; a proxy tells of all.
        let told = if mode == "relay" { 1 } else { 2 };
        stops.push(self.go(0, told)?);
        begun.push(self.begin()?);
        let reached = self.correspondent().reaches(lost, Duration::from_secs(1));
        let (mut sessions, mut bytes) = (Vec::new(), 0);
        for (index, session) in begun.into_iter().enumerate() {
            if index == 1 {
                // Nobody would hear that it is over.
                sessions.push(reached);
                continue;
            }
            let outcome = session.stop()?;
            sessions.push(outcome.intact);
            bytes += outcome.bytes;
        }
        tell(&format!(
            "{mode}: MAAR 2 is killed while the host is at MAAR 3, and the host goes back to MAAR 1: sessions that \
             live: {sessions:?}"
        ));
        Ok(Report {
            mode: mode.to_owned(),
            stops,
            sessions,
            bytes,
        })
    }

    /// Requires that so many handovers were signalled as the figures of RFC 8885 have a mode.
    fn require_mode(&self, mode: &str, handovers: u64) -> Result<()> {
        let cmd = self.cmd().context("no database")?;
        let aggregated = cmd.counter("answers_aggregated")?;
        // Pieces of it, where an anchor was too late.
        let in_pieces = cmd.counter("answers_incomplete")?;
        let maars = (0..self.maars.len()).map(|index| self.counted(index, "registered_by_anchor"));
        let by_anchor: u64 = maars.sum::<Result<_>>()?;
        let as_drawn = match mode {
            "relay" => aggregated > 0 && aggregated + in_pieces >= handovers && by_anchor == 0,
            "locator" => aggregated == 0 && by_anchor + in_pieces >= handovers && by_anchor > 0,
            _ => aggregated == 0 && by_anchor == 0,
        };
        ensure!(
            as_drawn,
            "{mode}: {handovers} handovers, {aggregated} answers aggregated, {in_pieces} incomplete, \
             {by_anchor} first by an anchor"
        );
        Ok(())
    }
}

/// Walks through a fresh bed in each mode, through one without a database, and through one of which a MAAR dies.
///
/// # Errors
/// When a bed cannot be laid, or a session does not live, other than those of a MAAR that died.
pub fn demonstrate(
    programs: &Programs,
    conf: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for mode in MODES.into_iter().chain([ALONE]) {
        let mut bed = Bed::lay(programs, conf, Layout::of_the_draft(mode), |_, _| {})?;
        if mode == ALONE {
            bed.answer_queries()?;
        }
        let report = bed
            .walk(mode, tell)
            .map_err(|error| error.context(bed.troubles()))?;
        if report.sessions.contains(&false) {
            bail!("{mode}: a session did not live\n{}", bed.troubles());
        }
        bed.stop_well()?;
        reports.push(report);
    }
    let mode = MODES[0];
    let mut bed = Bed::lay(programs, conf, Layout::of_the_draft(mode), |_, _| {})?;
    let report = bed
        .walk_past_a_death(mode, tell)
        .map_err(|error| error.context(bed.troubles()))?;
    if report.sessions != [true, false, true, true] {
        bail!(
            "a MAAR that died took more or less than its own\n{}",
            bed.troubles()
        );
    }
    reports.push(report);
    Ok(reports)
}
