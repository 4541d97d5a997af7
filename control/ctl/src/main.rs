//! `anchorctl`: the operator's client of a gateway's control socket. Tables for people, `--json`
//! for programs, and nothing that another client of the socket could not do.
//!
//! Exit codes: 0 done, 1 the gateway refused or could not be reached, 2 wrong usage.

mod arguments;
mod capture;
mod client;
mod domain;
mod notice;
mod show;
mod table;
mod top;
mod trace;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use client::{Client, Failure};
use control::rpc::types::TimedNotice;
use control::rpc::{Reply, Request};
use serde_json::{json, Value};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Columns of a table that goes to a terminal which does not tell its width.
const DEFAULT_WIDTH: usize = 80;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has enough of it: `anchorctl subscribe | head`.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("anchorctl: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if let Command::Completions { shell } = &arguments.command {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Arguments::command(), "anchorctl", &mut script);
        return out.write_all(&script).map_err(Failure::Output);
    }
    let mut client = Client::connect(&arguments.socket)?;
    if let Command::Top { once, interval } = arguments.command {
        let interval = Duration::from_secs_f64(interval);
        return top::run(&mut client, interval, once, arguments.json, &mut out);
    }
    let Some(request) = arguments.command.request() else {
        return Ok(());
    };
    let result = all(&mut client, &request)?;
    if let Command::Subscribe = arguments.command {
        return subscribe(&mut client, arguments.json, &mut out);
    }
    if let Command::Trace { .. } = arguments.command {
        return trace::run(&mut client, arguments.json, &mut out);
    }
    if let Command::Capture { write, .. } = &arguments.command {
        let session = result.get("session").and_then(Value::as_u64);
        return captured(&mut client, session, write.as_deref(), arguments.json, out);
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&result).unwrap_or_default();
        return writeln!(out, "{text}").map_err(Failure::Output);
    }
    let reply = reply(&request, result)?;
    let all = matches!(arguments.command, Command::Counters { all: true });
    let text = show::reply(&reply, width(), all);
    out.write_all(text.as_bytes()).map_err(Failure::Output)
}

/// The whole result: of a list that comes in pages, all of them.
fn all(client: &mut Client, request: &Request) -> Result<Value, Failure> {
    let mut result = client.call(request)?;
    let mut request = request.clone();
    while let (Value::Array(entries), Some(page)) = (&mut result, request.page()) {
        let skip = page.skip.unwrap_or(0);
        let due = page.limit.map(|limit| skip + limit);
        if due != Some(entries.len()) {
            break;
        }
        page.skip = due;
        match client.call(&request)? {
            Value::Array(more) => entries.extend(more),
            _ => break,
        }
    }
    Ok(result)
}

/// Writes a capture until it ends. Being interrupted ends it in good order: what is in the ring still
/// comes.
fn captured(
    client: &mut Client,
    session: Option<u64>,
    file: Option<&Path>,
    json: bool,
    out: StdoutLock<'static>,
) -> Result<(), Failure> {
    let mut connection = client.sender()?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::Output)?;
    std::thread::spawn(move || {
        // A second signal finds nobody who waits for it and takes nothing away: the end is near.
        if signals.forever().next().is_some() {
            let stop = json!({
                "jsonrpc": "2.0", "id": 2, "method": "stop", "params": {"session": session},
            });
            // A gateway that has gone is found by whoever reads.
            let _ = writeln!(connection, "{stop}");
        }
    });
    if json {
        let mut out = out;
        return trace::run(client, true, &mut out);
    }
    let (ended, frames) = match file {
        Some(path) => {
            let file = File::create(path).map_err(|error| {
                let text = format!("{}: {error}", path.display());
                Failure::Output(std::io::Error::new(error.kind(), text))
            })?;
            capture::run(client, BufWriter::new(file))?
        }
        None if out.is_terminal() => {
            return Err(Failure::Output(std::io::Error::other(
                "a capture is no text for a terminal; name a file with --write",
            )))
        }
        None => capture::run(client, BufWriter::new(out))?,
    };
    eprintln!("{frames} frames; {}", trace::ended(&ended).trim_end());
    Ok(())
}

fn reply(request: &Request, result: Value) -> Result<Reply, Failure> {
    request
        .reply(result)
        .map_err(|error| Failure::NotUnderstood(error.to_string()))
}

/// Shows notices until the gateway or the reader goes.
fn subscribe(client: &mut Client, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    loop {
        let line = client.line()?;
        let text = if json {
            line
        } else {
            let mut message: Value = serde_json::from_str(&line)
                .map_err(|error| Failure::NotUnderstood(error.to_string()))?;
            let params = message
                .get_mut("params")
                .map(Value::take)
                .unwrap_or_default();
            match serde_json::from_value::<TimedNotice>(params) {
                Ok(notice) => notice::line(&notice),
                // A notice that a newer gateway has and we do not know is worth more as it is than
                // not at all.
                Err(_) => line,
            }
        };
        writeln!(out, "{text}").map_err(Failure::Output)?;
        out.flush().map_err(Failure::Output)?;
    }
}

/// Columns that a table may have; `None`: as many as it needs, because no terminal shows it.
fn width() -> Option<usize> {
    if let Some(columns) = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return Some(columns);
    }
    let stdout = std::io::stdout();
    stdout.is_terminal().then(|| {
        let size = terminal_size::terminal_size_of(&stdout);
        size.map_or(DEFAULT_WIDTH, |(columns, _)| columns.0.into())
    })
}
