//! Samples as pictures.

use super::rates::Rates;
use super::Sample;
use crate::show::duration;
use crate::table::Table;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ratatui::Frame;

/// The views, in the order in which the arrows go through them.
pub const VIEWS: [&str; 4] = ["ports", "workers", "verdicts", "bindings"];

/// What is shown.
#[derive(Debug, Default)]
pub struct View {
    at: usize,
    first: usize,
}

impl View {
    /// Goes on to another view.
    pub fn turn(&mut self, by: isize) {
        let count = VIEWS.len() as isize;
        self.at = (self.at as isize + by).rem_euclid(count).unsigned_abs();
        self.first = 0;
    }

    /// Goes down or up in a long view.
    pub fn scroll(&mut self, by: isize) {
        self.first = self.first.saturating_add_signed(by);
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>, sample: &Sample, rates: &Rates) {
        let [head, tabs, body, foot] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(Paragraph::new(heading(sample)), head);
        let names = VIEWS.iter().enumerate().map(|(at, name)| {
            let style = match at == self.at {
                true => Style::new().add_modifier(Modifier::REVERSED),
                false => Style::new(),
            };
            Span::styled(format!(" {name} "), style)
        });
        frame.render_widget(Paragraph::new(Line::from_iter(names)), tabs);
        let text = table(self.at, sample, rates).render(Some(body.width.into()));
        let mut lines = text.lines();
        let titles = lines.next().unwrap_or_default().to_owned();
        let rows: Vec<&str> = lines.collect();
        let room = usize::from(body.height).saturating_sub(1);
        self.first = self.first.min(rows.len().saturating_sub(room));
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let shown = rows.iter().skip(self.first).take(room);
        let all = std::iter::once(Line::styled(titles, bold))
            .chain(shown.map(|row| Line::raw((*row).to_owned())));
        frame.render_widget(Paragraph::new(all.collect::<Vec<_>>()), body);
        let keys = "q quits, tab and left/right change the view, up/down scroll";
        frame.render_widget(Paragraph::new(keys), foot);
    }
}

/// The first lines: what gateway this is, and whether anything is wrong.
fn heading(sample: &Sample) -> String {
    let status = &sample.status;
    let mut text = format!(
        "{}: {} {}, up {}, {} sessions\n",
        status.name,
        status.role,
        status.address,
        duration(status.uptime_secs),
        status.sessions,
    );
    for table in &status.tables {
        text.push_str(&format!(
            "{} {}/{}  ",
            table.name, table.used, table.capacity
        ));
    }
    for worker in &status.standing_workers {
        text.push_str(&format!("WORKER {worker} STANDS STILL  "));
    }
    if status.draining {
        text.push_str("DRAINING");
    }
    text.trim_end()
        .replace(|letter: char| letter.is_control() && letter != '\n', "?")
}

/// A rate with a unit of thousands.
fn rate(value: f64) -> String {
    const UNITS: [&str; 5] = ["", " k", " M", " G", " T"];
    let mut value = value.max(0.0);
    let mut unit = "";
    for larger in UNITS.into_iter().skip(1) {
        if value < 999.5 {
            break;
        }
        value /= 1_000.0;
        unit = larger;
    }
    match unit {
        "" => format!("{value:.0}"),
        _ => format!("{value:.1}{unit}"),
    }
}

fn table(view: usize, sample: &Sample, rates: &Rates) -> Table {
    match view {
        0 => ports(rates),
        1 => workers(rates),
        2 => verdicts(rates),
        _ => talkers(sample),
    }
}

fn ports(rates: &Rates) -> Table {
    let mut table = Table::new(&[
        "port",
        "link",
        ">rx/s",
        ">rx-bit/s",
        ">tx/s",
        ">tx-bit/s",
        ">bad/s",
    ]);
    for port in &rates.ports {
        table.row([
            port.name.clone(),
            if port.link_up { "up" } else { "down" }.into(),
            rate(port.rx_packets),
            rate(port.rx_bits),
            rate(port.tx_packets),
            rate(port.tx_bits),
            rate(port.bad),
        ]);
    }
    table
}

fn workers(rates: &Rates) -> Table {
    let mut table = Table::new(&[
        ">worker",
        ">core",
        "state",
        ">packets/s",
        ">vector",
        ">busy",
        ">idle",
        ">polls/s",
        ">sleeps/s",
        ">held",
        ">cycles/packet",
    ]);
    for worker in &rates.workers {
        let cycles = worker.cycles_per_packet;
        table.row([
            worker.index.to_string(),
            worker.core.to_string(),
            worker.state.clone(),
            rate(worker.packets),
            format!("{:.1}", worker.vector),
            format!("{:.1}%", worker.busy * 100.0),
            format!("{:.1}%", worker.idle * 100.0),
            rate(worker.polls),
            rate(worker.sleeps),
            worker.held.to_string(),
            cycles.map_or_else(|| "-".into(), |cycles| format!("{cycles:.0}")),
        ]);
    }
    table
}

fn verdicts(rates: &Rates) -> Table {
    let mut table = Table::new(&["verdict", ">packets/s", ">packets", "~meaning"]);
    for verdict in &rates.verdicts {
        table.row([
            verdict.name.clone(),
            rate(verdict.rate),
            verdict.packets.to_string(),
            verdict.meaning.clone(),
        ]);
    }
    table
}

fn talkers(sample: &Sample) -> Table {
    let mut table = Table::new(&[
        "binding",
        ">bit/s",
        ">up",
        ">down",
        ">up-packets",
        ">down-packets",
    ]);
    for talker in &sample.talkers {
        table.row([
            talker.prefix.clone(),
            rate(talker.bits_per_sec),
            crate::show::bytes(talker.up.bytes),
            crate::show::bytes(talker.down.bytes),
            talker.up.packets.to_string(),
            talker.down.packets.to_string(),
        ]);
    }
    table
}

/// All views as text.
pub fn plain(sample: &Sample, rates: &Rates) -> String {
    let mut text = heading(sample);
    text.push('\n');
    for (at, name) in VIEWS.iter().enumerate() {
        text.push_str(&format!("\n{name}:\n"));
        text.push_str(&table(at, sample, rates).render(None));
    }
    text
}
