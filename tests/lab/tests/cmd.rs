//! A central mobility database by itself, between MAARs that a script plays: its messages by way of the
//! kernel, read by a decoder that is not ours.

use anyhow::{ensure, Context, Result};
use lab::gateway::{Configuration, Gateway, Programs};
use lab::network::Namespace;
use lab::run::Run;
use serde_json::{json, Value};
use std::path::Path;

const CMD: &str = "2001:db8:ff::c";

struct Lab {
    machine: Namespace,
    programs: Programs,
    configuration: Configuration,
    gateway: Gateway,
    run: Run,
}

impl Lab {
    /// A machine with the addresses of the database and of three MAARs, and the database on it.
    fn start() -> Result<Self> {
        let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
        let run = Run::start()?;
        let machine = Namespace::host(&run, "cmd")?;
        let addresses = [CMD, "2001:db8:ff::21", "2001:db8:ff::22", "2001:db8:ff::23"];
        let lines = addresses.map(|it| format!("address add {it}/128 dev lo nodad\n"));
        machine.ip(&lines.concat())?;
        let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf");
        let mut configuration = Configuration::load(&conf, "cmd")?;
        let store = run.directory().join("state/cmd.redb");
        let store = store
            .to_str()
            .context("a path that is not text")?
            .to_owned();
        configuration.set("store", "path", store);
        configuration.set("cmd", "min_delay_before_bce_delete_ms", 200);
        let gateway = Gateway::start(&programs, &machine, run.directory(), &mut configuration)?;
        Ok(Self {
            machine,
            programs,
            configuration,
            gateway,
            run,
        })
    }

    /// The messages that a host's way through the domain leads to.
    fn walk(&self, host: &str, steps: &[&str]) -> Result<Vec<Value>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/maars.py");
        let mut words = vec!["python3", script, CMD, host];
        words.extend(steps);
        let said = self.machine.run(&words)?;
        let messages = said.lines().map(serde_json::from_str);
        Ok(messages.collect::<Result<_, _>>()?)
    }

    fn sessions(&self) -> Result<Value> {
        self.gateway.call("sessions", json!({}))
    }

    fn mode(&self, mode: &str) -> Result<()> {
        let answer = self.gateway.call("mode", json!({ "mode": mode }))?;
        ensure!(answer["mode"] == mode, "{answer}");
        Ok(())
    }
}

/// Who says what to whom.
fn arrows(messages: &[Value]) -> Vec<String> {
    let word = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
    let arrow = |message: &Value| {
        let serving = match message["serving"]
            .as_array()
            .is_some_and(|it| !it.is_empty())
        {
            true => "+serving",
            false => "",
        };
        let previous = message["previous"].as_array().map_or(0, Vec::len);
        let previous = match previous {
            0 => String::new(),
            count => format!("+{count}"),
        };
        let (from, to) = (word(message, "from"), word(message, "to"));
        format!(
            "{from} {}{serving}{previous} {to}",
            word(message, "message")
        )
    };
    messages.iter().map(arrow).collect()
}

/// What is known of every host, without what passes with time.
fn known(sessions: &Value) -> Vec<Value> {
    let mut sessions = sessions.as_array().cloned().unwrap_or_default();
    for session in &mut sessions {
        session["remaining_secs"] = Value::Null;
    }
    sessions
}

/// Figures 1 to 4 of the draft on the wire, one host for each mode, the mode changed in between; and
/// what was known is known after the database was killed.
/// Proves S2-02, S2-03, S2-06, S2-12, S2-14, S2-15, S2-22, S2-25, S2-26, S2-27, S2-33, S2-35.
#[test]
fn a_database_plays_its_part_on_the_wire_and_survives() -> Result<()> {
    let mut lab = Lab::start()?;
    let first = ["maar1 PBU cmd", "cmd PBA maar1", "maar2 PBU cmd"];
    let told = ["cmd PBU+serving maar1", "maar1 PBA+serving cmd"];
    let answer = ["cmd PBA+1 maar2"];
    for (mode, host, expected) in [
        ("relay", "1", [&first[..], &told, &answer].concat()),
        ("locator", "2", [&first[..], &told].concat()),
        ("proxy", "3", [&first[..], &answer, &told].concat()),
    ] {
        lab.mode(mode)?;
        let said = lab.walk(host, &["1", "2"])?;
        let mut heard = arrows(&said);
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        if mode == "proxy" {
            // Two MAARs are sent to at the same time.
            heard.sort();
            expected.sort();
        }
        ensure!(heard == expected, "{mode}: {said:#?}");
        let answer = said.iter().find(|it| it["previous"][0].is_array());
        let previous = json!([["2001:db8:ff::21", format!("2001:db8:a1:{host}::/64")]]);
        let right = answer.is_none_or(|it| it["previous"] == previous && it["status"] == 0);
        ensure!(right, "{mode}: {answer:?}");
    }

    let before = known(&lab.sessions()?);
    ensure!(before.len() == 3, "{before:?}");
    lab.gateway.crash()?;
    let (programs, directory) = (&lab.programs, lab.run.directory());
    lab.gateway = Gateway::start(programs, &lab.machine, directory, &mut lab.configuration)?;
    let after = known(&lab.sessions()?);
    ensure!(after == before, "{after:?}\nwas {before:?}");
    let said = lab.walk("3", &["3"])?;
    let answer = said.iter().find(|it| it["to"] == "maar3");
    let previous = json!([
        ["2001:db8:ff::21", "2001:db8:a1:3::/64"],
        ["2001:db8:ff::22", "2001:db8:a2:3::/64"],
    ]);
    ensure!(
        answer.is_some_and(|it| it["previous"] == previous),
        "{said:#?}"
    );
    lab.gateway.stop_well()
}

/// Only the MAAR that serves a host ends its session; its anchors are told, and the last of them is not
/// waited for when it is dead. A MAAR that the host has left is answered that it goes on.
/// Proves S2-28, S2-31.
#[test]
fn a_session_ends_where_it_is_served() -> Result<()> {
    let lab = Lab::start()?;
    lab.walk("1", &["1", "2"])?;
    let denied = lab.walk("1", &["1-"])?;
    let answer = denied.last().context("no answer")?;
    ensure!(answer["status"] == 0 && answer["lifetime"] != 0, "{answer}");
    let said = lab.walk("1", &["2-", "w600"])?;
    let released: Vec<&Value> = said
        .iter()
        .filter(|it| it["message"] == "PBU" && it["from"] == "cmd")
        .collect();
    ensure!(
        released.len() == 1
            && released[0]["to"] == "maar1"
            && released[0]["lifetime"] == 0
            && released[0]["prefixes"] == json!(["2001:db8:a1:1::/64"]),
        "{said:#?}"
    );
    ensure!(known(&lab.sessions()?).is_empty());
    Ok(())
}

/// The operator ends a session at the database: the MAAR that serves the host is told by a Binding
/// Revocation Indication, its anchor by an update of lifetime zero, and each of them again until it answers.
/// Proves S2-19.
#[test]
fn a_session_that_the_operator_ends_is_revoked_where_it_is_served() -> Result<()> {
    let lab = Lab::start()?;
    lab.walk("1", &["1", "2"])?;
    let host = json!({ "identifier": "mn1@example.net" });
    lab.gateway.call("delete", host)?;
    // Nobody heard the first time.
    let said = lab.walk("1", &["w1500"])?;
    let of = |message: &str, to: &str| -> Vec<Value> {
        let its = |it: &&Value| it["message"] == message && it["to"] == to;
        said.iter().filter(its).cloned().collect()
    };
    let indications = of("BRI", "maar2");
    ensure!(!indications.is_empty(), "{said:#?}");
    let all = json!(["2001:db8:a1:1::/64", "2001:db8:a2:1::/64"]);
    for it in &indications {
        let right = it["trigger"] == 1 && it["host"] == "mn1@example.net" && it["prefixes"] == all;
        ensure!(right, "{it}");
    }
    ensure!(of("PBU", "maar1").iter().all(|it| it["lifetime"] == 0));
    ensure!(!of("PBU", "maar1").is_empty(), "{said:#?}");
    ensure!(known(&lab.sessions()?).is_empty());
    Ok(())
}
