//! Aligned tables that fit a terminal.
//!
//! In a table that is too wide, text that may be cut is cut first, with `…`, but to no less than
//! [`NARROWEST`] columns; then the last columns go, and a line says which. Numbers and addresses are
//! never cut: half of one says something else.

/// Narrower than this no text is made.
const NARROWEST: usize = 12;

/// Columns between two columns.
const GAP: usize = 2;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// At the left.
    Left,
    /// At the left, and cut when there is not room for all of it.
    Cut,
    /// At the right: numbers.
    Right,
}

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Set)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns, the most important first: headings, with `>` before those of
    /// numbers and `~` before those of text that may be cut.
    pub fn new(headings: &[&'static str]) -> Self {
        let column = |heading: &&'static str| {
            if let Some(heading) = heading.strip_prefix('>') {
                (heading, Set::Right)
            } else if let Some(heading) = heading.strip_prefix('~') {
                (heading, Set::Cut)
            } else {
                (*heading, Set::Left)
            }
        };
        Self {
            columns: headings.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Control characters, which names that others gave may hold, are shown as `?`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let clean = |cell: String| cell.replace(char::is_control, "?");
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// The table as text with its headings, no line longer than `width`.
    pub fn render(&self, width: Option<usize>) -> String {
        let headings = self
            .columns
            .iter()
            .map(|(heading, _)| (*heading).to_owned());
        let headings: Vec<String> = headings.collect();
        let widths = self.widths(width);
        let mut text = self.line(&headings, &widths, width);
        text.push_str(&self.rows(width));
        let left_out = headings.get(widths.len()..).unwrap_or_default();
        if !left_out.is_empty() {
            let rest = format!("(--json or a wider terminal shows {})", left_out.join(", "));
            text.push_str(&cut(&rest, width.unwrap_or(usize::MAX)));
            text.push('\n');
        }
        text
    }

    /// The rows alone, as text without headings.
    pub fn rows(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        self.rows
            .iter()
            .map(|row| self.line(row, &widths, width))
            .collect()
    }

    /// Widths of as many of the first columns as fit, at least one.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut natural: Vec<usize> = self
            .columns
            .iter()
            .map(|(heading, _)| length(heading))
            .collect();
        for row in &self.rows {
            for (width, cell) in natural.iter_mut().zip(row) {
                *width = length(cell).max(*width);
            }
        }
        let Some(limit) = limit else { return natural };
        while natural.len() > 1 {
            if let Some(widths) = self.squeezed(&natural, limit) {
                return widths;
            }
            natural.pop();
        }
        natural
    }

    /// The widths with texts cut, the widest first, until they fit; `None` if they cannot.
    fn squeezed(&self, natural: &[usize], limit: usize) -> Option<Vec<usize>> {
        let mut widths = natural.to_vec();
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let texts = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(_, (_, set))| *set == Set::Cut);
            let widest = texts.map(|(width, _)| width).max()?;
            if *widest <= NARROWEST {
                return None;
            }
            *widest -= 1;
        }
        Some(widths)
    }

    fn line(&self, cells: &[String], widths: &[usize], limit: Option<usize>) -> String {
        let columns = cells.iter().zip(widths).zip(&self.columns);
        let set = columns.map(|((cell, width), (_, set))| {
            let cell = cut(cell, *width);
            match set {
                Set::Left | Set::Cut => format!("{cell:<width$}"),
                Set::Right => format!("{cell:>width$}"),
            }
        });
        let line = set.collect::<Vec<_>>().join(&" ".repeat(GAP));
        format!("{}\n", cut(line.trim_end(), limit.unwrap_or(usize::MAX)))
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text, or its beginning and `…`, in at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn table() -> Table {
        let mut table = Table::new(&["name", ">packets", "~description"]);
        table.row(["core0".into(), "12".into(), "short".into()]);
        table.row(["a-rather-long-name".into(), "123456".into(), "x".repeat(60)]);
        table
    }

    #[test]
    fn columns_are_aligned_and_nothing_is_cut_without_a_limit() {
        let text = table().render(None);
        let mut lines = text.lines();
        let heading = "name                packets  description";
        assert_eq!(lines.next(), Some(heading));
        let short = "core0                    12  short";
        assert_eq!(lines.next(), Some(short));
        let last = format!("a-rather-long-name   123456  {}", "x".repeat(60));
        assert_eq!(lines.next(), Some(last.as_str()));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        for width in 1..120 {
            let text = table().render(Some(width));
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{text}"
            );
        }
    }

    #[test]
    fn text_is_cut_before_a_column_goes_and_numbers_never_are() {
        let cut = table().render(Some(60));
        assert!(
            cut.contains("123456") && cut.contains('…') && cut.contains("description"),
            "{cut}"
        );
        let gone = table().render(Some(40));
        assert!(gone.contains("123456") && !gone.contains("xxx"), "{gone}");
        assert!(
            gone.ends_with("(--json or a wider terminal shows descr…\n"),
            "{gone}"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut table = Table::new(&["name"]);
        table.row(["\u{1b}[2Jevil".into()]);
        assert_eq!(table.render(None), "name\n?[2Jevil\n");
    }
}
