//! OpenSSH's `sftp` against a Space.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use spaces_tests::Pattern;

use crate::Setting;

#[test]
fn a_session_does_what_one_with_sshd_does() {
    let setting = Setting::new();
    std::fs::write(setting.folder.join("note"), "a note\n").expect("a file");
    std::os::unix::fs::symlink("note", setting.folder.join("link")).expect("a link");
    let told = setting.sftp(
        "pwd\nput -p note\nmkdir d\nrename note d/n\nln d/n d/hard\nln -s n d/soft\nchmod 640 d/n\nls -1 d\n\
         ls -la d\ndf\nget d/n back\nrm d/hard\nlcd ..\n",
    );
    let told = told.ok();
    assert!(told.contains("Remote working directory: /home/space\n"), "{told}");
    let names: Vec<_> = told.lines().filter(|line| line.starts_with("d/")).collect();
    assert_eq!(names, ["d/hard", "d/n", "d/soft"], "{told}");
    let line = told.lines().find(|line| line.ends_with(" d/n") && line.starts_with('-')).expect("its line");
    let cells: Vec<_> = line.split_whitespace().collect();
    // The number of names is a `?` for sftp, whoever serves it.
    assert_eq!([cells[0], cells[2], cells[3], cells[4]], ["-rw-r-----", "space", "space", "7"]);
    assert_eq!(std::fs::read_to_string(setting.folder.join("back")).expect("it came"), "a note\n");
    assert_eq!(
        setting.inside("cd d; ls; stat -c '%a %U' n; readlink soft; cat soft"),
        "n\nsoft\n640 space\nn\na note\n"
    );
    let told = setting.sftp("rename d/n d/soft\n");
    assert_eq!(told.status, 0, "OpenSSH's own rename replaces what is there: {}", told.stderr);
    setting.sftp("rm d/soft\nrmdir d\n").ok();
    assert_eq!(setting.inside("ls"), "");
}

#[test]
fn three_hundred_megabytes_arrive_as_they_were_and_come_back() {
    let setting = Setting::new();
    let mut file = File::create(setting.folder.join("big")).expect("a file");
    assert_eq!(Pattern::new(7).write_to(&mut file, 300), 300);
    setting.sftp("put big\nget big back\n").ok();
    let back = setting.folder.join("back");
    assert_eq!(back.metadata().expect("it came").len(), 300_000_000);
    Pattern::new(7).expect_from(&mut File::open(back).expect("it opens"), 300);
    assert_eq!(setting.inside("stat -c %s big"), "300000000\n");
}

/// Eight gigabytes with a hole: what is beyond 32 bits is where it belongs, on the way in and out.
#[test]
fn a_file_of_eight_gigabytes_is_continued_where_it_stopped() {
    const TAIL: u64 = 8 << 30;
    let setting = Setting::new();
    setting.inside("truncate -s 8G far; printf 'the end' >> far");
    let local = setting.folder.join("far");
    File::create(&local).and_then(|file| file.set_len(TAIL - 3)).expect("a sparse file");
    setting.sftp("reget far\n").ok();
    let mut end = String::new();
    let mut file = File::options().read(true).write(true).open(&local).expect("it opens");
    file.seek(SeekFrom::Start(TAIL)).expect("a place");
    file.read_to_string(&mut end).expect("text");
    assert_eq!(end, "the end");
    file.write_all(b", and more").expect("it is written");
    setting.sftp("reput far\n").ok();
    assert_eq!(setting.inside("stat -c %s far; tail -c 17 far"), format!("{}\nthe end, and more", TAIL + 17));
}

#[test]
fn what_cannot_be_written_or_read_is_told_and_nothing_is_cut_short_in_silence() {
    let setting = Setting::new();
    let mut file = File::create(setting.folder.join("big")).expect("a file");
    assert_eq!(Pattern::new(1).write_to(&mut file, 100), 100);
    setting.inside("echo old > kept; chmod 400 kept; mkdir shut; chmod 500 shut; mkdir blind; chmod 0 blind");
    // The memory disk of a Space has 64 MiB.
    let full = setting.sftp("put big /dev/shm/big\n").fails(1);
    assert!(full.contains("No space left on device") || full.contains("Failure"), "{full}");
    let denied = setting.sftp("put big kept\n").fails(1);
    assert!(denied.contains("Permission denied"), "{denied}");
    assert_eq!(setting.inside("cat kept"), "old\n");
    for (line, expected) in [
        ("put big shut/big\n", "Permission denied"),
        ("get blind/x\n", "not found"),
        ("get nowhere\n", "not found"),
        ("rmdir shut/..\n", "Failure"),
        ("mkdir shut\n", "Failure"),
    ] {
        let told = setting.sftp(line).fails(1);
        assert!(told.contains(expected), "{line}: {told}");
    }
}
