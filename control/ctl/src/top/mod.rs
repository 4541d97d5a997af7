//! `anchorctl top`: what goes on, as it goes on.
//!
//! ```text
//!   status, ports, workers, counters, talkers ──► Sample ─┐
//!                                  the one before ────────┴──► Rates ──► one of four views
//! ```
//!
//! All rates are of the time between two samples. Without a terminal, or with `--once`, one picture of
//! all views is printed as plain text.

mod rates;
mod view;

use crate::client::{Client, Failure};
use control::rpc::types::{Counters, Port, Status, Talker, Worker};
use control::rpc::{Reply, Request, TalkersParams};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use rates::Rates;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use view::View;

/// What the gateway said at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    taken: Instant,
    status: Status,
    ports: Vec<Port>,
    workers: Vec<Worker>,
    counters: Counters,
    talkers: Vec<Talker>,
}

/// Bindings that are shown.
const TALKERS: usize = 64;

impl Sample {
    /// Asks for all of it.
    fn take(client: &mut Client) -> Result<Self, Failure> {
        let mut ask = |request: Request| {
            let result = client.call(&request)?;
            request
                .reply(result)
                .map_err(|error| Failure::NotUnderstood(error.to_string()))
        };
        let limit = Some(TALKERS);
        let asked = (
            ask(Request::Status)?,
            ask(Request::Ports)?,
            ask(Request::Workers)?,
            ask(Request::Counters)?,
            ask(Request::Talkers(TalkersParams { limit }))?,
        );
        match asked {
            (
                Reply::Status(status),
                Reply::Ports(ports),
                Reply::Workers(workers),
                Reply::Counters(counters),
                Reply::Talkers(talkers),
            ) => Ok(Self {
                taken: Instant::now(),
                status,
                ports,
                workers,
                counters,
                talkers,
            }),
            _ => Err(Failure::NotUnderstood("an answer to something else".into())),
        }
    }
}

/// Runs until `q` is pressed; or prints once.
pub fn run(
    client: &mut Client,
    interval: Duration,
    once: bool,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let first = Sample::take(client)?;
    if !once && !as_json && std::io::stdout().is_terminal() {
        let mut terminal = ratatui::init();
        let ran = live(&mut terminal, client, interval, first);
        ratatui::restore();
        return ran;
    }
    std::thread::sleep(interval);
    let second = Sample::take(client)?;
    let rates = Rates::between(&first, &second);
    let text = match as_json {
        true => {
            serde_json::to_string_pretty(&json!({
                "interval_secs": rates.seconds,
                "status": second.status,
                "ports": rates.ports,
                "workers": rates.workers,
                "verdicts": rates.verdicts,
                "talkers": second.talkers,
            }))
            .unwrap_or_default()
                + "\n"
        }
        false => view::plain(&second, &rates),
    };
    out.write_all(text.as_bytes()).map_err(Failure::Output)
}

/// What a key does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    Quit,
    Turn(isize),
    Scroll(isize),
    Nothing,
}

fn does(code: KeyCode, modifiers: KeyModifiers) -> Does {
    match code {
        KeyCode::Char('q') | KeyCode::Esc => Does::Quit,
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Does::Quit,
        KeyCode::Right | KeyCode::Tab => Does::Turn(1),
        KeyCode::Left | KeyCode::BackTab => Does::Turn(-1),
        KeyCode::Down => Does::Scroll(1),
        KeyCode::Up => Does::Scroll(-1),
        _ => Does::Nothing,
    }
}

fn live(
    terminal: &mut DefaultTerminal,
    client: &mut Client,
    interval: Duration,
    first: Sample,
) -> Result<(), Failure> {
    let mut last = first;
    let mut rates = Rates::between(&last, &last);
    let mut view = View::default();
    loop {
        let drawn = terminal.draw(|frame| view.draw(frame, &last, &rates));
        drawn.map_err(Failure::Output)?;
        let due = last.taken + interval;
        let left = due.saturating_duration_since(Instant::now());
        if !event::poll(left).map_err(Failure::Output)? {
            let sample = Sample::take(client)?;
            rates = Rates::between(&last, &sample);
            last = sample;
            continue;
        }
        let Event::Key(key) = event::read().map_err(Failure::Output)? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match does(key.code, key.modifiers) {
            Does::Quit => return Ok(()),
            Does::Turn(by) => view.turn(by),
            Does::Scroll(by) => view.scroll(by),
            Does::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests;
