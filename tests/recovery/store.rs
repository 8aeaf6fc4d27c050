//! The disk that the store lives on is full.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use spaces_tests::Platform;

use crate::agreement::{assert_agreement, told};

/// A small file system, mounted for one test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir(at).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=700", "spaces-test"])
            .arg(at)
            .status();
        assert!(
            mounted.expect("mount runs").success(),
            "this test mounts a file system of its own: run it as root"
        );
        Self(at.to_owned())
    }

    /// Leaves no room for a single byte.
    fn fill(&self) {
        let mut file = File::create(self.0.join("ballast")).expect("a file");
        let piece = vec![0; 64 * 1024];
        let full = (0..1024).find_map(|_| file.write_all(&piece).err());
        let error = full.expect("a small disk gets full");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).expect("the ballast is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the gateway still has files open.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn with_a_full_disk_commands_say_try_again_nothing_is_lost_and_space_makes_it_work_again() {
    let folder = tempfile::Builder::new().prefix("spaces-test-").tempdir().expect("a folder");
    let disk = SmallDisk::mount(&folder.path().join("state"));
    let mut platform = Platform::prepare_in(folder, &[]);
    // Bound anew, to be unmounted before the platform removes its folder.
    let disk = disk;
    platform.serve();
    platform.log_admin_in();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let stranger = platform.stranger("bob@example.com");
    let key = platform.auth_key("bob@example.com");
    disk.fill();
    let full = "error: the platform's store does not answer\nhint: try again later\n";
    let create = ["admin", "create-space", "--owner", "alice@example.com", "--name", "den"];
    for _twice in 0..2 {
        assert_eq!(alice.ssh("spaces", &["space", "down", "--space", "room"]).fails(75), full);
        assert_eq!(alice.ssh("spaces", &["space", "delete", "--space", "room"]).fails(75), full);
        assert_eq!(platform.admin().ssh("spaces", &create).fails(75), full);
        assert_eq!(stranger.ssh_answering(&key, &["login"]).fails(75), full);
        assert_eq!(stranger.ssh("join", &["request", "bob@example.com"]).fails(75), full);
    }
    // What needs no writing goes on.
    assert_eq!(told(&[&alice])[&id], "running");
    assert_eq!(alice.ssh("room", &["echo here"]).ok(), "here\n");
    disk.free();
    assert_agreement(&platform, &[&alice]);
    assert_eq!(
        alice.ssh("spaces", &["space", "down", "--space", "room"]).ok(),
        format!("space {id} is stopped\n")
    );
    let login = stranger.ssh_answering(&key, &["login"]);
    assert_eq!(login.stdout, "authenticated as bob@example.com\n", "{}", login.stderr);
    platform.admin().ssh("spaces", &create).ok();
    assert_agreement(&platform, &[&alice]);
}
