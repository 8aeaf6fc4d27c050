//! Clients of SFTP that lie. Each ends or is refused alone: the Space and its other sessions go on.

use spaces_tests::Output;

use crate::Setting;

fn packet(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u32::try_from(body.len() + 1).expect("short").to_be_bytes();
    [&length[..], &[kind], &body].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
}

fn init() -> Vec<u8> {
    packet(1, &[&[0, 0, 0, 3]])
}

/// What comes back for these packets, and how the session ended.
fn speak(setting: &Setting, packets: &[u8]) -> Output {
    setting.person.ssh_with(&["-s"], "room", &["sftp"], packets)
}

/// Kinds of the answers, and the code of those that are a status.
fn answers(mut bytes: &[u8]) -> Vec<(u8, Option<u8>)> {
    let mut answers = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (packet, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        answers.push((packet[0], (packet[0] == 101).then(|| packet[8])));
        bytes = rest;
    }
    answers
}

/// The attack: reads of 4 GiB, so that somebody's memory is filled.
#[test]
fn a_read_of_four_gigabytes_gives_a_piece() {
    let setting = Setting::new();
    let open = packet(3, &[&[0, 0, 0, 1], &string(b"/dev/zero"), &[0, 0, 0, 1], &[0; 4]]);
    let read = packet(5, &[&[0, 0, 0, 2], &string(&[0; 4]), &[0; 8], &[0xff; 4]]);
    let told = speak(&setting, &[init(), open, read].concat());
    assert_eq!(told.status, 0);
    let kinds: Vec<_> = answers(&told.bytes).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [2, 102, 103]);
    assert!(told.bytes.len() < 300_000, "{} bytes", told.bytes.len());
}

/// The attack: as many handles as there are numbers.
#[test]
fn handles_are_bounded_and_the_session_goes_on() {
    let setting = Setting::new();
    let open = packet(11, &[&[0, 0, 0, 1], &string(b".")]);
    let close = packet(4, &[&[0, 0, 0, 2], &string(&[0; 4])]);
    let told = speak(&setting, &[init(), open.repeat(100_000), close, open].concat());
    assert_eq!(told.status, 0);
    let answers = answers(&told.bytes);
    assert_eq!(answers.iter().filter(|(kind, _)| *kind == 102).count(), 1025);
    assert_eq!(answers.iter().filter(|answer| **answer == (101, Some(4))).count(), 100_000 - 1024);
    assert_eq!(answers.last(), Some(&(102, None)), "one that was closed makes room for another");
}

/// The attack: handles that were never given, and packets whose lengths lie.
#[test]
fn lies_are_refused_and_harm_nobody_else() {
    let setting = Setting::new();
    let strange = packet(5, &[&[0, 0, 0, 1], &string(b"\0\0\0\x09"), &[0; 8], &[0, 0, 0, 9]]);
    let odd = packet(4, &[&[0, 0, 0, 2], &string(b"not a handle of ours")]);
    let unknown = packet(77, &[&[0, 0, 0, 3]]);
    let told = speak(&setting, &[init(), strange, odd, unknown].concat());
    assert_eq!(answers(&told.bytes), [(2, None), (101, Some(2)), (101, Some(2)), (101, Some(8))]);
    for lie in [
        vec![0xff; 64],
        [init(), packet(3, &[&[0, 0, 0, 1], &[0xff, 0xff, 0xff, 0xff], b"x"])].concat(),
        [init(), packet(14, &[&[0, 0, 0, 1], &string(b"x"), &[0x80, 0, 0, 0], &[0xff; 4]])].concat(),
    ] {
        assert_eq!(speak(&setting, &lie).status, 1);
    }
    assert_eq!(setting.inside("echo alive"), "alive\n");
}

/// `..` and links lead where they lead, inside the Space, which is the person's own.
#[test]
fn paths_lead_nowhere_but_into_the_space() {
    let setting = Setting::new();
    setting.inside("ln -s loop loop; ln -s ../../../../../../../../etc/hostname up");
    setting.sftp("get up\nget ../../../../../../../../etc/hostname down\n").ok();
    for name in ["up", "down"] {
        let text = std::fs::read_to_string(setting.folder.join(name)).expect("it came");
        assert_eq!(text, setting.inside("cat /etc/hostname"));
    }
    let told = setting.sftp("get loop\n").fails(1);
    assert!(told.contains("No such file or directory"), "{told}");
    let told = setting.sftp("get /etc/shadow\n").fails(1);
    assert!(told.contains("Permission denied"), "it is served as the person's user: {told}");
}
