//! `anchorctl trace`: packets with what each stage decided, as they come.

use crate::client::{Client, Failure};
use crate::notice::time_of_day;
use control::rpc::types::{Traced, WatchEnded};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write;

/// The next notification: its line, its name and its parameters. Answers in between are passed over.
pub fn next(client: &mut Client) -> Result<(String, String, Value), Failure> {
    loop {
        let line = client.line()?;
        let mut message: Value = serde_json::from_str(&line).map_err(not_understood)?;
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            continue;
        };
        let method = method.to_owned();
        let params = message.get_mut("params").map(Value::take);
        return Ok((line, method, params.unwrap_or_default()));
    }
}

/// Reads parameters of a notification.
pub fn read<T: DeserializeOwned>(params: Value) -> Result<T, Failure> {
    serde_json::from_value(params).map_err(not_understood)
}

fn not_understood(error: serde_json::Error) -> Failure {
    Failure::NotUnderstood(error.to_string())
}

/// Shows packets until the trace has ended.
pub fn run(client: &mut Client, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    loop {
        let (line, method, params) = next(client)?;
        let ends = method == "ended";
        let text = match method.as_str() {
            _ if json => format!("{line}\n"),
            "traced" => packet(&read(params)?),
            "ended" => ended(&read(params)?),
            _ => continue,
        };
        out.write_all(text.as_bytes()).map_err(Failure::Output)?;
        out.flush().map_err(Failure::Output)?;
        if ends {
            return Ok(());
        }
    }
}

/// A packet as text.
fn packet(traced: &Traced) -> String {
    let came = match (&traced.port, &traced.born) {
        (Some(port), _) => format!("received on {port}"),
        (None, Some(born)) => format!("born: {born}"),
        (None, None) => "of unknown origin".to_owned(),
    };
    let mut text = format!(
        "{}  worker {}, packet {}, {came}: {} {}\n",
        time_of_day(traced.time),
        traced.worker,
        traced.number,
        traced.verdict,
        traced.reason,
    );
    for step in &traced.steps {
        // Text takes everything.
        let _ = writeln!(text, "  {:<11} {}", step.stage, step.text);
    }
    text.replace(|letter: char| letter.is_control() && letter != '\n', "?")
}

/// What is said at the end.
pub fn ended(ended: &WatchEnded) -> String {
    let mut text = format!("{}: {} packets", ended.why, ended.packets);
    if ended.lost > 0 {
        let _ = write!(text, ", {} came too fast to be recorded", ended.lost);
    }
    if ended.left_out > 0 {
        let _ = write!(text, ", {} frames left out", ended.left_out);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::rpc::types::Step;

    #[test]
    fn a_packet_is_told_stage_by_stage() {
        let step = |stage: &str, text: &str| Step {
            stage: stage.into(),
            text: text.into(),
        };
        let text = packet(&Traced {
            session: 1,
            worker: 0,
            number: 7,
            time: 45_296.789,
            port: Some("inet0".into()),
            born: None,
            length: 118,
            steps: vec![
                step("received", "on port inet0, 118 octets"),
                step("verdict", "forward routed: \u{1b}[2J"),
            ],
            verdict: "forward".into(),
            reason: "routed".into(),
        });
        assert_eq!(
            text,
            "12:34:56.789  worker 0, packet 7, received on inet0: forward routed\n  \
             received    on port inet0, 118 octets\n  \
             verdict     forward routed: ?[2J\n"
        );
    }

    #[test]
    fn losses_are_told_at_the_end() {
        let mut end = WatchEnded {
            session: 1,
            packets: 3,
            lost: 0,
            left_out: 0,
            why: "complete".into(),
        };
        assert_eq!(ended(&end), "complete: 3 packets\n");
        end.lost = 5;
        end.left_out = 2;
        assert_eq!(
            ended(&end),
            "complete: 3 packets, 5 came too fast to be recorded, 2 frames left out\n"
        );
    }
}
