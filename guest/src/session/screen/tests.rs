use super::*;

const SIZE: WindowSize = WindowSize { columns: 20, rows: 4, pixel_width: 0, pixel_height: 0 };

fn shown(pieces: &[&[u8]]) -> Screen {
    let mut screen = Screen::new(SIZE);
    for piece in pieces {
        screen.show(piece);
    }
    screen
}

/// A client's terminal, which had something on it, after a repaint.
fn client(screen: &mut Screen) -> Parser {
    let (rows, columns) = fitting(SIZE);
    let mut terminal = Parser::new(rows, columns, 5000);
    terminal.process(b"\x1b[?1000h\x1b[?2004h\x1b[2;3r\x1b[31mwhat was there\r\nbefore\x1b[?1049h");
    terminal.process(&screen.repaint(None));
    terminal
}

fn everything(terminal: &Parser) -> String {
    let mut text = String::new();
    let mut state = BasicFormattedCaptureState::new();
    let range = BasicFormattedCaptureRange::Full(&mut state);
    terminal.screen().write_contents_formatted_basic(&mut text, range).unwrap();
    text
}

#[test]
fn a_client_sees_the_screen_the_cursor_and_the_colours_as_they_were() {
    let mut screen = shown(&[b"\x1b[1;32mok\x1b[m plain\r\nsecond \x1b[7mline\x1b[m\x1b[4;5H\x1b[33m"]);
    let terminal = client(&mut screen);
    assert_eq!(terminal.screen().state_formatted(), screen.model.screen().state_formatted());
    assert_eq!(terminal.screen().cursor_position(), (3, 4));
}

#[test]
fn lines_that_left_the_screen_scroll_by_and_nothing_that_was_there_is_lost() {
    let lines: Vec<String> = (1..=30).map(|number| format!("line {number}\r\n")).collect();
    let mut screen = shown(&[lines.concat().as_bytes()]);
    let text = everything(&client(&mut screen));
    assert!(text.starts_with("what was there\n") || text.contains("what was there"), "{text}");
    for number in 1..=30 {
        let line = format!("line {number}\n");
        assert_eq!(text.matches(&line).count(), 1, "{line}{text}");
    }
}

#[test]
fn a_full_screen_program_comes_back_and_what_it_covered_too() {
    let mut screen =
        shown(&[b"$ vim\r\n", b"\x1b[?1049h\x1b[?1h\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[2J\x1b[2;2Hinside"]);
    let mut terminal = client(&mut screen);
    assert!(terminal.screen().alternate_screen());
    assert_eq!(terminal.screen().state_formatted(), screen.model.screen().state_formatted());
    terminal.process(b"\x1b[?1049l");
    assert_eq!(terminal.screen().contents(), "$ vim");
}

#[test]
fn a_notice_stands_where_it_covers_nothing_and_changes_nothing_else() {
    let mut screen = shown(&[b"a line of twenty ch.\x1b[2;1H\x1b[31mred\r\n\x1b[3;3H"]);
    let (rows, columns) = fitting(SIZE);
    let mut terminal = Parser::new(rows, columns, 0);
    terminal.process(&screen.repaint(Some("back after 3 s")));
    assert_eq!(terminal.screen().contents(), "a line of twenty ch.\nred  back after 3 s ");
    assert_eq!(terminal.screen().cursor_position(), (2, 2));
    assert_eq!(terminal.screen().fgcolor(), vt100::Color::Idx(1));
}

#[test]
fn characters_of_every_kind_come_back() {
    let text = "e\u{301} 中文 👩\u{200d}💻 ✔\u{fe0f}\r\n\x1b(0lqk\x1b(B";
    let mut screen = shown(&[text.as_bytes()]);
    let terminal = client(&mut screen);
    assert_eq!(terminal.screen().contents(), screen.model.screen().contents());
    assert!(terminal.screen().contents().contains("┌─┐"), "{}", terminal.screen().contents());
}

#[test]
fn output_may_be_cut_anywhere() {
    let text = "plain \x1b[1;31mred\x1b[m 中 \x1b(0q\x1b(B\r\n\x1b]2;a title\x07done";
    let whole = shown(&[text.as_bytes()]);
    for cut in 0..text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let cut = shown(&[first, second]);
        assert_eq!(cut.model.screen().state_formatted(), whole.model.screen().state_formatted());
        assert_eq!(cut.title(), "a title");
    }
}

#[test]
fn a_title_holds_no_control_characters() {
    let screen = shown(&[b"\x1b]2;bad\x08\x01title\x07"]);
    assert_eq!(screen.title(), "badtitle");
}

#[test]
fn no_size_is_too_small_or_too_large() {
    for (columns, rows) in [(0, 0), (1, 1), (u16::MAX, u16::MAX), (1, u16::MAX), (3, 2)] {
        let size = WindowSize { columns, rows, ..SIZE };
        let mut screen = Screen::new(size);
        screen.show("中文 and plain\r\n".repeat(50).as_bytes());
        screen.resize(WindowSize { columns: rows, rows: columns, ..SIZE });
        screen.show("中文 and plain\r\n".repeat(50).as_bytes());
        assert!(!screen.repaint(Some("back after 3 s")).is_empty());
    }
}

/// The attack: a title that never ends, and a character that is to be repeated for ever, to take the memory or the
/// time of process 1.
#[test]
fn a_control_string_without_end_and_a_flood_of_repetitions_cost_little() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let mut screen = shown(&[b"\x1b]2;"]);
    let (before, piece) = (resident(), vec![b'x'; 1 << 20]);
    for _ in 0..64 {
        screen.show(&piece);
    }
    assert!(resident() < before + 8 * 1024, "{} KiB before, {} after", before, resident());
    screen.show(b"\x07a");
    screen.show(&b"\x1b[65535b".repeat(8 * 1024));
    assert_eq!(screen.model.screen().contents(), "a");
}

/// Programs print anything. The property is that nothing panics: a model that was given up would hide it.
#[test]
fn random_bytes_never_end_the_model() {
    let mut seed = 7_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let alphabet = b"\x1b[]()0123456789;?hlmHJKLMPSTr\x07\x08\r\n\x0e\x0fcABCDxyz\xe4\xb8\xad\xff ";
    let mut screen = Screen::new(SIZE);
    for _ in 0..20_000 {
        let piece: Vec<u8> = (0..random() % 40)
            .map(|_| alphabet[usize::try_from(random()).unwrap_or(0) % alphabet.len()])
            .collect();
        let drawn = screen.drawing.translate(&piece).into_owned();
        screen.model.process(&drawn);
        if random() % 50 == 0 {
            let size = WindowSize {
                columns: u16::try_from(random() % 90).unwrap(),
                rows: u16::try_from(random() % 40).unwrap(),
                ..SIZE
            };
            let (rows, columns) = fitting(size);
            screen.model.set_size(rows, columns);
            drop(drawn_text(&mut screen));
        }
    }
}

fn drawn_text(screen: &mut Screen) -> String {
    super::drawn(&screen.model, None)
}
