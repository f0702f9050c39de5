//! Tables as kubectl writes them: a head in capitals, columns three spaces apart, nothing behind the last cell.

use super::screen::{Screen, Tone};
use crate::value::message::one_line;

/// What stands for nothing.
const NOTHING: &str = "-";
/// The space between two columns.
const GAP: usize = 3;

/// One cell: a text on one line and how it is meant.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell of a tone.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: one_line(text.as_ref()), tone }
    }

    /// A cell so far to the right, behind the lines of a tree.
    pub fn behind(indent: &str, text: &str) -> Self {
        Self { text: format!("{indent}{}", one_line(text)), tone: Tone::Plain }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// A head and rows with as many cells.
#[derive(Clone, Debug, Default)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

impl Table {
    /// A table with a head.
    pub fn new(head: impl Into<Vec<&'static str>>) -> Self {
        Self { head: head.into(), rows: Vec::new(), indent: 0 }
    }

    /// A table without a head, so far to the right.
    pub fn indented(indent: usize) -> Self {
        Self { indent, ..Self::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// The table as it is printed.
    pub fn text(&self, screen: &Screen) -> String {
        let head: Vec<Cell> = self.head.iter().map(|&title| title.into()).collect();
        let all: Vec<&Vec<Cell>> = std::iter::once(&head).filter(|head| !head.is_empty()).chain(&self.rows).collect();
        let columns = all.iter().map(|row| row.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(|column| widest(&all, column)).collect();
        all.iter().map(|row| self.line(row, &widths, screen)).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], screen: &Screen) -> String {
        let mut line = " ".repeat(self.indent);
        let mut pending = 0;
        for (cell, width) in row.iter().zip(widths) {
            let text = shown(cell);
            line.push_str(&" ".repeat(pending));
            line.push_str(&screen.paint(cell.tone, text));
            pending = width - text.chars().count() + GAP;
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

fn widest(rows: &[&Vec<Cell>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| shown(cell).chars().count()).max().unwrap_or(0)
}

fn shown(cell: &Cell) -> &str {
    if cell.text.is_empty() { NOTHING } else { &cell.text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_last_cell() {
        let mut table = Table::new(["NAME", "PHASE"]);
        table.push(vec!["web".into(), Cell::new("Synced", Tone::Good)]);
        table.push(vec!["a-long-name".into(), "".into()]);
        let expected = "NAME          PHASE\nweb           Synced\na-long-name   -\n";
        assert_eq!(table.text(&Screen::of_process()), expected);
    }

    #[test]
    fn a_text_of_several_lines_stays_in_its_row() {
        let mut table = Table::indented(2);
        table.push(vec!["a\n  b\x1b[2J".into()]);
        assert_eq!(table.text(&Screen::of_process()), "  a b\\x1b[2J\n");
    }
}
