//! The answer as a table for people and as JSON for programs. Pure.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::row::{Row, Unit};
use crate::samples::Summary;

/// Aligned columns under a line that says where.
pub(crate) fn table(machine: &Machine, rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "what",
        "against",
        "ours",
        "theirs",
        "ratio",
        "bar",
        "met",
        "ours p10..p90",
        "theirs p10..p90",
        "of",
    ]);
    table.add_rows(rows.iter().map(cells));
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (2..=4).contains(&index) || index == 9 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    format!("{machine}\nmedians, both sides in turn\n\n{lines}")
}

fn cells(row: &Row) -> [String; 10] {
    let absent = || "-".to_owned();
    [
        row.what.clone(),
        row.against.to_owned(),
        with_unit(row.ours.median, row.unit),
        row.theirs.map_or_else(absent, |theirs| with_unit(theirs.median, row.unit)),
        row.ratio().map_or_else(absent, |ratio| format!("{ratio:.2}")),
        row.bar.to_string(),
        if row.met() { "yes" } else { "NO" }.to_owned(),
        spread(row.ours, row.unit),
        row.theirs.map_or_else(absent, |theirs| spread(theirs, row.unit)),
        row.ours.of.to_string(),
    ]
}

fn with_unit(value: f64, unit: Unit) -> String {
    format!("{} {unit}", number(value, unit))
}

fn spread(summary: Summary, unit: Unit) -> String {
    format!("{}..{}", number(summary.p10, unit), number(summary.p90, unit))
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds | Unit::Microseconds | Unit::Kilobytes | Unit::PerSecond => format!("{value:.1}"),
        Unit::MebibytesPerSecond => format!("{value:.0}"),
        Unit::Megabytes | Unit::Percent => format!("{value:.2}"),
    }
}

/// The same as one JSON object.
pub(crate) fn json(machine: &Machine, rows: &[Row]) -> anyhow::Result<String> {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut value = serde_json::to_value(row)?;
            if let Some(fields) = value.as_object_mut() {
                fields.insert("ratio".to_owned(), json!(row.ratio()));
                fields.insert("met".to_owned(), json!(row.met()));
            }
            Ok(value)
        })
        .collect::<serde_json::Result<_>>()?;
    let report = json!({ "machine": machine, "rows": rows });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Bar;

    fn rows() -> [Row; 2] {
        [
            Row {
                what: "true".to_owned(),
                against: "sshd",
                unit: Unit::Milliseconds,
                ours: Summary { median: 12.0, p10: 11.0, p90: 14.0, of: 30 },
                theirs: Some(Summary { median: 120.0, p10: 110.0, p90: 140.0, of: 30 }),
                bar: Bar::RatioAtMost(0.25),
            },
            Row {
                what: "gateway".to_owned(),
                against: "-",
                unit: Unit::Megabytes,
                ours: 41.0.into(),
                theirs: None,
                bar: Bar::AtMost(40.0, Unit::Megabytes),
            },
        ]
    }

    #[test]
    fn a_missed_bar_stands_out_in_an_aligned_table() {
        let text = table(&Machine::default(), &rows());
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "what     against      ours    theirs  ratio  bar       met  ours p10..p90  theirs p10..p90  of",
                "true     sshd      12.0 ms  120.0 ms   0.10  <= 0.25   yes  11.0..14.0     110.0..140.0     30",
                "gateway  -        41.00 MB         -      -  <= 40 MB  NO   41.00..41.00   -                 1",
            ]
        );
    }

    #[test]
    fn json_has_the_ratio_and_whether_the_bar_is_met() {
        let report: Value = serde_json::from_str(&json(&Machine::default(), &rows()).unwrap()).unwrap();
        assert_eq!(report["rows"][0]["ratio"], 0.1);
        assert_eq!(report["rows"][0]["met"], true);
        assert_eq!(report["rows"][1]["ratio"], Value::Null);
        assert_eq!(report["rows"][1]["met"], false);
        assert_eq!(report["rows"][1]["unit"], "MB");
    }
}
