//! Recorded events and the effects that they are expected to have, in `tests/recordings`. A file
//! names its setup and lists events with their time in milliseconds; with `RECORDINGS_REGENERATE`
//! set, the effects are written anew, to be read before they are committed.

use crate::alone_scenario::{alone, Known, ASKS};
use crate::cmd_scenario::cmd;
use crate::maar_scenario::maar;
use crate::scenario::{at, lma, lma_config, lma_with, mag, mag_config};
use roles::cmd::CmdMode;
use roles::effect::Effect;
use roles::lma::Lma;
use roles::maar::{Backend, Maar};
use roles::mag::Mag;
use roles::{Event, Role, SignallingProfile};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is recorded from.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Setup {
    /// An anchor with the scenario's policy.
    Lma,
    /// The same with room for two prefixes.
    SmallLma,
    /// An anchor that has read no policy.
    BareLma,
    /// An anchor that understands the draft's form of updates.
    DraftLma,
    /// A gateway.
    Mag,
    /// A gateway that sends updates in the draft's form.
    DraftMag,
    /// An anchor that asks its gateways whether they are there, and ends what they have lost.
    WatchingLma,
    /// A gateway that asks its anchors.
    WatchingMag,
    /// A gateway that orders updates by sequence numbers.
    MagWithoutTimestamps,
    /// A gateway of a distributed domain.
    Maar,
    /// A database that relays.
    CmdRelay,
    /// A database that only locates.
    CmdLocator,
    /// A database that answers for others.
    CmdProxy,
    /// The first MAAR of a domain without a database, which asks hosts for their addresses.
    MaarThatAsks,
    /// The same, which is told of hosts' prefixes.
    MaarThatIsTold,
}

impl Setup {
    fn role(self) -> Box<dyn Role> {
        match self {
            Self::Lma => Box::new(lma()),
            Self::SmallLma => {
                let mut config = lma_config();
                config.capacity = 2;
                Box::new(lma_with(config))
            }
            Self::DraftLma => {
                let mut config = lma_config();
                config.profile = SignallingProfile::Draft;
                Box::new(lma_with(config))
            }
            Self::DraftMag => {
                let mut config = mag_config();
                config.profile = SignallingProfile::Draft;
                Box::new(Mag::new(config))
            }
            Self::BareLma => Box::new(Lma::new(lma_config())),
            Self::Mag => Box::new(mag()),
            Self::WatchingLma => {
                let mut config = lma_config();
                config.heartbeat.interval = Duration::from_secs(60);
                config.heartbeat.missing_allowed = 1;
                config.heartbeat.end_when_down = true;
                config.end_when_restarted = true;
                Box::new(lma_with(config))
            }
            Self::WatchingMag => {
                let mut config = mag_config();
                config.heartbeat.interval = Duration::from_secs(60);
                Box::new(Mag::new(config))
            }
            Self::Maar => Box::new(maar()),
            Self::CmdRelay => Box::new(cmd(CmdMode::Relay)),
            Self::CmdLocator => Box::new(cmd(CmdMode::Locator)),
            Self::CmdProxy => Box::new(cmd(CmdMode::Proxy)),
            Self::MaarThatAsks => Box::new(Maar::new(alone(1, 3, ASKS, Known::ByPrefix))),
            Self::MaarThatIsTold => {
                Box::new(Maar::new(alone(1, 3, Backend::Asked, Known::ByPrefix)))
            }
            Self::MagWithoutTimestamps => {
                let mut config = mag_config();
                config.timestamps = false;
                Box::new(Mag::new(config))
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Recording {
    about: String,
    setup: Setup,
    steps: Vec<Step>,
}

#[derive(Serialize, Deserialize)]
struct Step {
    at: u64,
    event: Event,
    #[serde(default)]
    effects: Vec<Effect>,
}

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let entries = std::fs::read_dir(folder).expect("the recordings");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    files
}

/// Proves S2-43, S2-45, S2-49, S2-51, S2-52, S2-53, S1-01, S1-02, S1-03, S1-05, S1-06, S1-07, S1-11, S1-12, S1-13, S1-14, S1-24, S1-25, S1-26.
#[test]
fn recorded_events_have_the_effects_that_were_recorded() {
    let regenerate = std::env::var_os("RECORDINGS_REGENERATE").is_some();
    let files = recordings();
    assert!(files.len() >= 10, "the recordings are missing");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut recording: Recording =
            serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        let mut role = recording.setup.role();
        for (index, step) in recording.steps.iter_mut().enumerate() {
            let mut effects = Vec::new();
            role.on(at(step.at), &step.event, &mut effects);
            if regenerate {
                step.effects = effects;
            } else {
                assert_eq!(effects, step.effects, "{}, step {index}", file.display());
            }
        }
        if regenerate {
            let mut text = serde_json::to_string_pretty(&recording).unwrap();
            text.push('\n');
            std::fs::write(&file, text).unwrap();
        }
    }
}
