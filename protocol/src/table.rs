//! Tables for people and for awk: a header, aligned columns, two blanks between, none inside a cell.

use comfy_table::{ContentArrangement, Table, presets};

use crate::failure::printable;

/// Renders rows under a header. An empty cell becomes `-`, and blanks inside a cell become `_`, so that
/// the n-th field of a line is always the n-th column.
#[must_use]
pub fn render<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    align(header.map(str::to_owned), rows.into_iter().map(|row| row.map(|text| cell(&text))))
}

/// The same with free text in the last column, which keeps its blanks.
#[must_use]
pub fn render_with_text<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows = rows.into_iter().map(|row| {
        let mut column = 0;
        row.map(|text| {
            column += 1;
            if column == N && !text.is_empty() { printable(&text) } else { cell(&text) }
        })
    });
    align(header.map(str::to_owned), rows)
}

fn align<const N: usize>(header: [String; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn cell(text: &str) -> String {
    let joined = text.split_whitespace().map(printable).collect::<Vec<_>>().join("_");
    if joined.is_empty() { "-".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_every_row_has_all_fields() {
        let rows = [["sp_1", "my-room", ""], ["sp_10", "b", "x y\u{1b}"]].map(|row| row.map(str::to_owned));
        let text = render(["id", "name", "state"], rows);
        assert_eq!(text, "id     name     state\nsp_1   my-room  -\nsp_10  b        x_y\\u{1b}\n");
    }
}
