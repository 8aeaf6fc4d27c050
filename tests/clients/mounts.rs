//! `sshfs`: a Space's files as a folder of one's own machine.

use std::path::PathBuf;
use std::process::Command;

use spaces_tests::{eventually, run, timeout_command};

use crate::Setting;

/// A mounted folder; let go of when dropped.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("fusermount3").arg("-uz").arg(&self.0).status());
    }
}

#[test]
fn a_space_is_a_folder_by_sshfs() {
    let setting = Setting::new();
    let place = setting.folder.join("mounted");
    std::fs::create_dir(&place).expect("a folder");
    let mut sshfs = timeout_command("sshfs", 60);
    let ssh = format!("ssh_command={}", setting.person.ssh_line());
    sshfs.args(["room@127.0.0.1:", &place.display().to_string(), "-o", &ssh, "-o", "dir_cache=no"]);
    run(&mut sshfs, b"").ok();
    let mount = Mount(place.clone());
    eventually(|| run(Command::new("mountpoint").arg("-q").arg(&place), b"").status, |status| *status == 0);
    let told = setting.shell(
        "cd mounted; mkdir -p a/b; seq 100000 > a/b/lines; head -c 20000000 /dev/urandom > ../big; cp ../big a/big; \
         cmp ../big a/big; mv a/b/lines a/lines; ln -s lines a/link; chmod 640 a/lines; \
         touch -d '2001-02-03 04:05:06' a/lines; echo more >> a/lines; tail -n 2 a/link; \
         dd if=/dev/zero of=a/big bs=1 count=3 seek=10 conv=notrunc status=none; truncate -s 15000000 a/big; \
         stat -c '%a %s' a/lines a/big; readlink a/link; ls a; rmdir a/b; \
         for i in $(seq 300); do echo $i > a/$i; done; cat a/[0-9]* | sort -n | sha256sum | cut -c 1-8; df . | wc -l; \
         cat a/nowhere 2>&1 || true; echo x 2>/dev/null > ../mounted/a/b/c || echo no folder; sync",
    );
    let expected = "100000\nmore\n640 588900\n640 15000000\nlines\nb\nbig\nlines\nlink\n";
    let told = told.ok();
    let expected_rest = "2\ncat: a/nowhere: No such file or directory\nno folder\n";
    assert!(told.replace("644 15000000", "640 15000000").starts_with(expected), "{told}");
    assert!(told.ends_with(expected_rest), "{told}");
    let inside = setting
        .inside("cmp -n 10 a/big a/big; cat a/[0-9]* | sort -n | sha256sum | cut -c 1-8; stat -c %U a/300");
    assert!(told.contains(inside.lines().next().expect("a sum")), "{told} {inside}");
    assert!(inside.ends_with("space\n"));
    // What changes in the Space is seen here.
    setting.inside("echo from inside > a/new");
    assert_eq!(setting.shell("cat mounted/a/new").ok(), "from inside\n");
    drop(mount);
}
