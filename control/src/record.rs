//! The event recorder: every event with its time, one JSON object per line, so that a test can
//! replay what a running gateway went through.
//!
//! ```text
//! {"now":{"monotonic":{...},"wall":{...}},"event":{"event":"timer",...}}
//! ```
//!
//! Lines are written by a thread of their own. What it cannot take in time is left out and counted,
//! for the control thread never waits for a disk; [`Recorder::finish`] tells.

use crossbeam::channel::{bounded, Sender};
use parking_lot::Mutex;
use roles::{Event, Now};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Events that may wait for the disk.
const WAITING: usize = 65_536;

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it happened.
    pub now: Now,
    /// What happened.
    pub event: Event,
}

/// Writes events to a file.
pub struct Recorder {
    lines: Option<Sender<Recorded>>,
    failure: Arc<Mutex<Option<io::Error>>>,
    left_out: u64,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts a recording in a new file at `path`.
    ///
    /// # Errors
    ///
    /// What creating the file or the thread says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        let (lines, queue) = bounded::<Recorded>(WAITING);
        let failure = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                let outcome = queue
                    .iter()
                    .try_for_each(|line| {
                        serde_json::to_writer(&mut file, &line)?;
                        file.write_all(b"\n")?;
                        // What waits is written in one go; an idle recording is whole on disk.
                        if queue.is_empty() {
                            file.flush()?;
                        }
                        Ok(())
                    })
                    .and_then(|()| file.flush());
                if let Err(error) = outcome {
                    *told.lock() = Some(error);
                }
            })?;
        Ok(Self {
            lines: Some(lines),
            failure,
            left_out: 0,
            thread: Some(thread),
        })
    }

    /// Records one event.
    pub fn record(&mut self, now: Now, event: &Event) {
        let line = Recorded {
            now,
            event: event.clone(),
        };
        let sent = self
            .lines
            .as_ref()
            .is_some_and(|lines| lines.try_send(line).is_ok());
        if !sent {
            self.left_out += 1;
        }
    }

    /// Ends the recording: returns how many events were left out.
    ///
    /// # Errors
    ///
    /// What writing the file said.
    pub fn finish(mut self) -> io::Result<u64> {
        self.close();
        match self.failure.lock().take() {
            Some(error) => Err(error),
            None => Ok(self.left_out),
        }
    }

    /// Lets the thread write what waits and end.
    fn close(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            // It ends by itself when the queue does, and has nothing to tell but `failure`.
            let _ = thread.join();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

/// Reads a recording.
///
/// # Errors
///
/// What reading the file says, or the number of the first line that is not an event.
pub fn read(path: &Path) -> io::Result<Vec<Recorded>> {
    std::fs::read_to_string(path)?
        .lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                let text = format!("{}:{}: {error}", path.display(), number + 1);
                io::Error::new(io::ErrorKind::InvalidData, text)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_recording_reads_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let now = Now {
            monotonic: Duration::from_millis(1_500),
            wall: Duration::new(1_700_000_000, 17),
        };
        let events = [Event::Shutdown, Event::AccessPolicyChanged];
        let mut recorder = Recorder::create(&path).unwrap();
        for event in &events {
            recorder.record(now, event);
        }
        assert_eq!(recorder.finish().unwrap(), 0);
        let read: Vec<_> = read(&path).unwrap();
        assert_eq!(read.len(), 2);
        for (line, event) in read.iter().zip(events) {
            assert_eq!(*line, Recorded { now, event });
        }
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "{\"now\":\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("events.jsonl:1:"), "{error}");
    }
}
