//! What the live view of a Space's usage looks like. Pure.
//!
//! ```text
//! room (sp_1) is running                                      q leaves
//! cpu          ██████░░░░░░░░░░░░░░░░░░░░   420 of 2000 millis     21 %
//! ...
//! cpu   ▁▁▂▅█▇
//! ```

use std::collections::VecDeque;

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{LineGauge, Sparkline};
use spaces_protocol::reply::{Allowance, Bound, Usage};

/// Seconds that are remembered: as many as the widest terminal shows.
const REMEMBERED: usize = 300;

/// Shares of a limit, in hundredths, from which on a bar warns, and alarms.
const WARN: u64 = 80;
const ALARM: u64 = 95;

/// Columns for what is in a line, and for how much that is.
const NAME: u16 = 12;
const FIGURES: u16 = 34;

/// Whether there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Some,
    None,
}

/// The last minutes.
#[derive(Debug, Default)]
pub(super) struct History {
    cpu: VecDeque<u64>,
    memory: VecDeque<u64>,
    sent: VecDeque<u64>,
    received: VecDeque<u64>,
    last: Option<Counted>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Timestamp,
    sent: u64,
    received: u64,
}

impl History {
    /// One more second.
    pub(super) fn add(&mut self, usage: &Usage) {
        let now = Counted {
            at: usage.at,
            sent: usage.sent_bytes.unwrap_or_default(),
            received: usage.received_bytes.unwrap_or_default(),
        };
        let before = self.last.replace(now).unwrap_or(now);
        let passed = u64::try_from(now.at.duration_since(before.at).as_millis()).unwrap_or_default().max(1);
        // Bytes a millisecond are kB a second.
        let rate = |before: u64, now: u64| now.saturating_sub(before) / passed;
        for (line, value) in [
            (&mut self.cpu, usage.cpu.used.unwrap_or_default()),
            (&mut self.memory, usage.memory.used.unwrap_or_default()),
            (&mut self.sent, rate(before.sent, now.sent)),
            (&mut self.received, rate(before.received, now.received)),
        ] {
            if line.len() >= REMEMBERED {
                line.pop_front();
            }
            line.push_back(value);
        }
    }
}

/// Draws all of it, or as much as there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, usage: &Usage, history: &History, colours: Colours) {
    let bars = [
        ("cpu", usage.cpu, "millis"),
        ("memory", usage.memory, "MiB"),
        ("pids", usage.pids, ""),
        ("disk", usage.disk, "MB"),
        ("net", usage.net, "MB/month"),
        ("llm_tokens", usage.llm_tokens, ""),
    ];
    let [head, middle, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Length(7), Constraint::Min(0)])
            .areas(frame.area());
    let [title, keys] = Layout::horizontal([Constraint::Min(0), Constraint::Length(8)]).areas(head);
    let said = format!("{} ({}) is {}", usage.name, usage.id, usage.state.as_str());
    frame.render_widget(Line::raw(said), title);
    frame.render_widget(Line::raw("q leaves").right_aligned(), keys);
    for (row, (name, allowance, unit)) in (middle.y..middle.bottom()).zip(bars) {
        bar(frame, Rect { y: row, height: 1, ..middle }, name, &allowance, unit, colours);
    }
    let lines = [
        ("cpu", "millis", &history.cpu, usage.cpu.limit),
        ("memory", "MiB", &history.memory, usage.memory.limit),
        ("sent", "kB/s", &history.sent, None),
        ("received", "kB/s", &history.received, None),
    ];
    for (place, (name, unit, values, limit)) in
        Layout::vertical([Constraint::Fill(1); 4]).split(foot).iter().zip(lines)
    {
        line(frame, *place, (name, unit), values, limit, colours);
    }
}

fn bar(frame: &mut Frame<'_>, place: Rect, name: &str, allowance: &Allowance, unit: &str, colours: Colours) {
    // Of a narrow terminal the bar gives way first.
    let room = place.width.saturating_sub(NAME).min(FIGURES);
    let [label, gauge, figures] =
        Layout::horizontal([Constraint::Length(NAME), Constraint::Fill(1), Constraint::Length(room)])
            .areas(place);
    frame.render_widget(Line::raw(name.to_owned()), label);
    let used = allowance.used.map_or_else(|| "-".to_owned(), |used| used.to_string());
    let soft = if allowance.bound == Bound::Soft { "~" } else { "" };
    let Some((share, limit)) = share(allowance) else {
        return frame.render_widget(Line::raw(format!("  {used} {unit}")), figures);
    };
    let colour = match share {
        share if share >= ALARM => Color::Red,
        share if share >= WARN => Color::Yellow,
        _ => Color::Green,
    };
    let bar = LineGauge::default()
        .label("")
        .filled_symbol("█")
        .unfilled_symbol("░")
        .filled_style(style(colours, colour))
        .ratio(f64::from(u32::try_from(share.min(100)).unwrap_or(100)) / 100.0);
    frame.render_widget(bar, gauge);
    frame.render_widget(Line::raw(format!("  {used} of {soft}{limit} {unit}")), figures);
    if room == FIGURES {
        frame.render_widget(Line::raw(format!("{share} %")).right_aligned(), figures);
    }
}

/// In hundredths of the limit.
fn share(allowance: &Allowance) -> Option<(u64, u64)> {
    let (used, limit) = (allowance.used?, allowance.limit.filter(|limit| *limit > 0)?);
    Some((used.saturating_mul(100) / limit, limit))
}

/// The newest value at the right end, as far as there is room.
fn line(
    frame: &mut Frame<'_>,
    place: Rect,
    (name, unit): (&str, &str),
    values: &VecDeque<u64>,
    limit: Option<u64>,
    colours: Colours,
) {
    if place.height < 2 {
        return;
    }
    let [label, graph, figure] =
        Layout::horizontal([Constraint::Length(NAME), Constraint::Fill(1), Constraint::Length(16)])
            .areas(place);
    frame.render_widget(Line::raw(name.to_owned()), label);
    let skip = values.len().saturating_sub(usize::from(graph.width));
    let shown: Vec<u64> = values.iter().skip(skip).copied().collect();
    // Against its limit, and without one against the most that is shown.
    let most = limit.or_else(|| shown.iter().copied().max()).unwrap_or_default().max(1);
    let newest = values.back().copied().unwrap_or_default();
    frame.render_widget(Sparkline::default().data(shown).max(most).style(style(colours, Color::Cyan)), graph);
    frame.render_widget(Line::raw(format!("{newest} {unit}")).right_aligned(), figure);
}

fn style(colours: Colours, colour: Color) -> Style {
    match colours {
        Colours::Some => Style::default().fg(colour),
        Colours::None => Style::default(),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use spaces_protocol::name::SpaceId;
    use spaces_protocol::reply::SpaceState;

    use super::*;

    fn usage(second: i64, cpu: u64, sent: u64) -> Usage {
        let allowance = |used, limit, bound| Allowance { used, limit, bound };
        Usage {
            id: SpaceId::new(1),
            name: "room".parse().unwrap(),
            state: SpaceState::Running,
            at: Timestamp::from_second(1_800_000_000 + second).unwrap(),
            cpu: allowance(Some(cpu), Some(2000), Bound::Hard),
            memory: allowance(Some(3500), Some(4096), Bound::Hard),
            pids: allowance(Some(4096), Some(4096), Bound::Hard),
            disk: allowance(None, Some(20_000), Bound::Soft),
            net: allowance(Some(17), None, Bound::Hard),
            llm_tokens: allowance(Some(0), None, Bound::Hard),
            net_rate: None,
            cpu_micros: 5,
            throttled_micros: None,
            oom_kills: None,
            io_bytes: None,
            sent_bytes: Some(sent),
            received_bytes: Some(0),
        }
    }

    fn drawn(columns: u16, rows: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let mut history = History::default();
        let mut last = usage(0, 0, 0);
        for second in 0..6_u8 {
            last =
                usage(second.into(), u64::from(second) * 400, u64::from(second) * u64::from(second) * 8000);
            history.add(&last);
        }
        terminal.draw(|frame| draw(frame, &last, &history, Colours::None)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn bars_show_shares_and_lines_show_what_was() {
        let text = drawn(80, 24);
        for part in [
            "room (sp_1) is running                                                  q leaves",
            "2000 of 2000 millis        100 %",
            "3500 of 4096 MiB            85 %",
            "  17 MB/month",
            "  - MB",
            "72 kB/s",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.contains('▁'), "{text}");
        // A full bar, and one that is not: neither has holes.
        assert!(text.contains(&"█".repeat(33)) && text.contains(&format!("{}░", "█".repeat(28))), "{text}");
    }

    #[test]
    fn a_narrow_terminal_shows_names_and_figures() {
        let text = drawn(32, 10);
        for part in ["memory        3500 of 4096 MiB", "llm_tokens"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn any_terminal_will_do() {
        for (columns, rows) in [(1, 1), (20, 5), (40, 10), (300, 100)] {
            drawn(columns, rows);
        }
    }
}
