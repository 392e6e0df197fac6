//! Tables for people: aligned columns and no lines. On a narrow terminal the least needed columns go.
//! Widths count screen cells, so that wide (CJK) names stay aligned; colours come after the widths.

use anstyle::Style;
use comfy_table::{Cell, CellAlignment, Table as Grid, presets::NOTHING};

use crate::words::clean;

const GAP: u16 = 2;

pub struct Column {
    title: &'static str,
    right: bool,
    /// What goes first on a narrow terminal: the highest. 0 stays.
    spare: u8,
}

pub fn column(title: &'static str) -> Column {
    Column {
        title,
        right: false,
        spare: 0,
    }
}

impl Column {
    pub fn right(mut self) -> Self {
        self.right = true;
        self
    }

    pub fn spare(mut self, rank: u8) -> Self {
        self.spare = rank;
        self
    }
}

pub struct Table {
    columns: Vec<Column>,
    rows: Vec<(Style, Vec<String>)>,
}

impl Table {
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// `style` colours the first cell alone.
    pub fn row(&mut self, style: Style, cells: Vec<String>) {
        self.rows.push((style, cells));
    }

    /// The table's lines, for a screen `width` cells wide (none: as wide as it gets).
    pub fn render(&self, width: Option<u16>) -> String {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let mut hidden = Vec::new();
        let grid = loop {
            let grid = self.grid(&shown);
            let wide: u16 = grid
                .column_max_content_widths()
                .iter()
                .fold(0, |sum: u16, w| sum.saturating_add(w.saturating_add(GAP)));
            let least_needed = shown
                .iter()
                .copied()
                .filter(|&c| self.columns[c].spare > 0)
                .max_by_key(|&c| self.columns[c].spare);
            match (width, least_needed) {
                (Some(width), Some(column)) if wide.saturating_sub(GAP) > width => {
                    shown.retain(|&c| c != column);
                    hidden.push(self.columns[column].title.to_lowercase());
                }
                _ => break grid,
            }
        };
        let mut text = String::new();
        for (n, line) in grid.lines().enumerate() {
            let line = line.trim_end();
            let first = if n == 0 {
                Some((Style::new().bold(), line.len()))
            } else {
                // The first column is set left, so its text is the head of the line.
                self.rows
                    .get(n - 1)
                    .and_then(|(style, cells)| Some((*style, clean(cells.first()?).len())))
            };
            match first.and_then(|(style, len)| Some((style, line.split_at_checked(len)?))) {
                Some((style, (head, tail))) => {
                    text.push_str(&format!("{style}{head}{style:#}{tail}\n"));
                }
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        if !hidden.is_empty() {
            let style = Style::new().dimmed();
            text.push_str(&format!(
                "{style}not shown on this narrow screen: {}{style:#}\n",
                hidden.join(", ")
            ));
        }
        text
    }

    fn grid(&self, shown: &[usize]) -> Grid {
        let mut grid = Grid::new();
        grid.load_style(NOTHING);
        grid.set_header(shown.iter().map(|&c| self.columns[c].title));
        for (_, cells) in &self.rows {
            grid.add_row(shown.iter().map(|&c| {
                let text = cells.get(c).map_or("", String::as_str);
                Cell::new(clean(text))
            }));
        }
        for (place, &c) in shown.iter().enumerate() {
            if let Some(column) = grid.column_mut(place) {
                column.set_padding((0, GAP));
                if self.columns[c].right {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        grid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstyle::AnsiColor;

    fn people(names: &[&str]) -> Table {
        let mut table = Table::new(vec![
            column("STATE"),
            column("USERNAME"),
            column("EMAIL").spare(1),
            column("SESSIONS").right(),
            column("EVIDENCE").spare(2),
        ]);
        for name in names {
            table.row(
                AnsiColor::Green.on_default(),
                vec![
                    "active".into(),
                    (*name).into(),
                    "someone@example.org".into(),
                    "2".into(),
                    "last login".into(),
                ],
            );
        }
        table
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_stand_under_their_titles() {
        let text = plain(&people(&["ana", "bartholomew"]).render(None));
        assert_eq!(
            text,
            "STATE   USERNAME     EMAIL                SESSIONS  EVIDENCE\n\
             active  ana          someone@example.org         2  last login\n\
             active  bartholomew  someone@example.org         2  last login\n"
        );
    }

    #[test]
    fn wide_names_take_two_cells_a_character() {
        let text = plain(&people(&["李雷", "anna"]).render(None));
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(rows[0].replace("李雷", "anna"), rows[1]);
    }

    #[test]
    fn a_narrow_screen_loses_the_least_needed_columns_first() {
        let table = people(&["ana"]);
        let text = plain(&table.render(Some(50)));
        assert!(
            text.contains("EMAIL") && !text.contains("EVIDENCE"),
            "{text}"
        );
        assert!(text.ends_with("not shown on this narrow screen: evidence\n"));
        let text = plain(&table.render(Some(10)));
        assert!(
            text.contains("USERNAME") && !text.contains("EMAIL"),
            "{text}"
        );
    }

    #[test]
    fn only_the_first_cell_is_coloured() {
        let text = people(&["ana"]).render(None);
        let row = text.lines().nth(1).unwrap_or_default();
        assert!(
            row.starts_with("\u{1b}[32mactive\u{1b}[0m  ana "),
            "{row:?}"
        );
    }

    #[test]
    fn a_line_break_in_a_name_does_not_break_the_row() {
        let text = plain(&people(&["a\nb"]).render(None));
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
