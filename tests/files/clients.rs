//! The other programs that carry files.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use spaces_tests::{Pattern, run, timeout_command};

use crate::Setting;

/// What tells two trees apart: kinds, permissions, sizes, times of files, link targets and content.
const TREE: &str = "cd tree && find . ! -type d -printf '%p %y %m %s %l ' -a \\( -type f -printf '%T@' -o -true \\) \
                    -printf '\\n' | LC_ALL=C sort && find . -type f -exec sha256sum {} + | LC_ALL=C sort";

/// A tree with what trees have: empty files and folders, odd modes, links, old times, names with blanks.
const MAKE_TREE: &str = "mkdir -p tree/a/b/c tree/empty; for i in $(seq 200); do echo $i > tree/a/$i; done; \
                         : > tree/a/nothing; head -c 3000000 /dev/urandom > 'tree/a/b/with blanks and ünicode'; \
                         chmod 751 tree/a/1; chmod 400 tree/a/2; ln -s ../a/1 tree/a/b/link; \
                         ln -s nowhere tree/a/dangling; touch -d '1999-12-31 23:59:59' tree/a/3; \
                         find tree -type f ! -name 3 -exec touch -d '2024-02-29 12:00:00' {} +";

#[test]
fn rsync_and_tar_carry_a_tree_there_and_back() {
    let setting = Setting::new();
    setting.shell(MAKE_TREE).ok();
    let expected = setting.shell(TREE).ok();
    setting.shell("rsync -a -e \"$SSH\" tree room@127.0.0.1:").ok();
    assert_eq!(setting.inside(TREE), expected);
    setting.shell("rm -rf tree; rsync -a --delete -e \"$SSH\" room@127.0.0.1:tree .").ok();
    assert_eq!(setting.shell(TREE).ok(), expected);
    setting.inside("chmod -R u+w tree; rm -rf tree");
    setting
        .shell("tar c tree | $SSH room@127.0.0.1 tar x; rm -rf tree; $SSH room@127.0.0.1 tar c tree | tar x")
        .ok();
    assert_eq!(setting.shell(TREE).ok(), expected);
}

#[test]
fn scp_carries_a_tree_by_either_protocol() {
    let setting = Setting::new();
    // scp follows links: what it makes of them is the same with sshd.
    setting.shell(&format!("{MAKE_TREE}; find tree -type l -delete")).ok();
    let expected = setting.shell(TREE).ok();
    for protocol in ["-s", "-O"] {
        setting.scp(&["-rp", protocol, "tree", "room@127.0.0.1:"]).ok();
        assert_eq!(setting.inside(TREE), expected, "{protocol}");
        setting.shell("chmod -R u+w tree; rm -rf tree").ok();
        setting.scp(&["-rp", protocol, "room@127.0.0.1:tree", "."]).ok();
        assert_eq!(setting.shell(TREE).ok(), expected, "{protocol}");
        setting.inside("chmod -R u+w tree; rm -rf tree");
    }
}

#[test]
fn names_in_any_bytes_come_over() {
    let setting = Setting::new();
    setting.inside("mkdir odd; cd odd; touch -- \"$(printf 'caf\\351')\" \"$(printf 'a\\nb')\" '-n' ' ' '*' '$(id)' \"it's\"");
    setting.scp(&["-r", "room@127.0.0.1:odd", "."]).ok();
    let mut names: Vec<_> = std::fs::read_dir(setting.folder.join("odd"))
        .expect("it came")
        .map(|entry| entry.expect("an entry").file_name().as_bytes().to_vec())
        .collect();
    names.sort();
    let expected: [&[u8]; 7] = [b" ", b"$(id)", b"*", b"-n", b"a\nb", b"caf\xe9", b"it's"];
    assert_eq!(names, expected);
}

#[test]
fn git_pushes_and_clones_over_ssh() {
    let setting = Setting::new();
    setting.inside("git init -q --bare repo.git");
    let port = setting.platform.port();
    let line = format!(
        "git init -q work; cd work; git config user.email a@b; git config user.name a; echo hello > f; git add f; \
         git commit -qm first; git push -q room@127.0.0.1:repo.git HEAD:main; cd ..; \
         git clone -q -b main ssh://room@127.0.0.1:{port}/home/space/repo.git copy; cat copy/f"
    );
    assert_eq!(setting.shell(&line).ok(), "hello\n");
}

#[test]
fn puttys_sftp_works() {
    let setting = Setting::new();
    let mut file = std::fs::File::create(setting.folder.join("big")).expect("a file");
    assert_eq!(Pattern::new(3).write_to(&mut file, 20), 20);
    let key = setting.folder.join("id.ppk");
    let convert = ["-O", "private", "-o"];
    run(timeout_command("puttygen", 20).arg(setting.person.key()).args(convert).arg(&key), b"").ok();
    let fingerprint =
        setting.shell(&format!("ssh-keygen -lf {}", setting.platform.known_hosts().display())).ok();
    let fingerprint = fingerprint.split_whitespace().nth(1).expect("a fingerprint").to_owned();
    let script = setting.folder.join("script");
    std::fs::write(&script, "mkdir d\ncd d\nput big\nls\nget big back\nquit\n").expect("a script");
    let port = setting.platform.port().to_string();
    let mut psftp = timeout_command("psftp", 60);
    psftp.args(["-batch", "-hostkey", &fingerprint, "-P", &port, "-b"]).arg(script).arg("-i");
    psftp.arg(&key).arg("room@127.0.0.1").current_dir(&setting.folder);
    run(&mut psftp, b"").ok();
    let back = setting.folder.join("back");
    assert_eq!(back.metadata().expect("it came").size(), 20_000_000);
    Pattern::new(3).expect_from(&mut std::fs::File::open(back).expect("it opens"), 20);
}
