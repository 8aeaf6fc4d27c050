//! What a machine has written, as its files take room: as `du`, of the layer over its image.
//!
//! Its people choose how many files there are and how deep: the walk holds paths of folders alone, only so many, and
//! looks at its deadline at each file.

use std::collections::HashSet;
use std::fs::{File, Metadata, read_dir};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::statfs::{FUSE_SUPER_MAGIC, statfs};

use crate::Binding;

/// A block of `stat`, whatever the file system's own are.
const BLOCK: u64 = 512;

/// Most folders that wait to be looked into, and most files with several names that are remembered.
const MOST: usize = 100_000;

/// What a machine has on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that were seen.
    pub bytes: u64,
    /// Whether that is all there is; otherwise it is the least that there is.
    pub complete: bool,
    /// Whether the storage itself holds all of it to the limit.
    pub held: Binding,
}

impl Disk {
    /// This and more of the same machine.
    pub(crate) fn and(self, more: Self) -> Self {
        let complete = self.complete && more.complete;
        Self { bytes: self.bytes.saturating_add(more.bytes), complete, ..self }
    }
}

/// Adds up what is in these folders, and these files, until the deadline. `None`: the first cannot be read.
pub(crate) fn written(roots: Vec<PathBuf>, deadline: Instant) -> Option<Disk> {
    File::open(roots.first()?).ok()?;
    let mut walk = Walk { deadline, waiting: Vec::new(), linked: HashSet::new(), bytes: 0 };
    let mut complete = true;
    for root in roots {
        let Ok(metadata) = root.symlink_metadata() else { continue };
        if metadata.is_dir() { walk.waiting.push(root) } else { walk.add(&metadata) }
    }
    while let Some(folder) = walk.waiting.pop() {
        complete &= walk.look_into(&folder);
    }
    Some(Disk { bytes: walk.bytes, complete, held: Binding::Soft })
}

/// What is taken of the file system that this lies on.
pub(crate) fn taken(folder: &Path) -> Option<u64> {
    let on = statfs(folder).ok()?;
    let taken = on.blocks().saturating_sub(on.blocks_free());
    Some(taken.saturating_mul(u64::try_from(on.block_size()).ok()?))
}

/// Adds what these processes hold open on their root's file system that has no name any more, as a log does that was
/// rotated: no walk finds it, and it takes its room all the same.
pub(crate) fn nameless(processes: &[i32], deadline: Instant) -> Disk {
    let (mut bytes, mut seen) = (0_u64, HashSet::new());
    let told = |bytes, complete| Disk { bytes, complete, held: Binding::Soft };
    for process in processes {
        let process = PathBuf::from(format!("/proc/{process}"));
        // What ended meanwhile holds nothing.
        let root = process.join("root");
        let (Ok(on), Ok(root)) = (statfs(&root), root.metadata()) else { continue };
        let fuse = on.filesystem_type() == FUSE_SUPER_MAGIC;
        for file in read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok) {
            if Instant::now() >= deadline || seen.len() >= MOST {
                return told(bytes, false);
            }
            let path = file.path();
            let Ok(file) = std::fs::metadata(&path) else { continue };
            // FUSE tells of neither links nor blocks of a file that it has no name for; the kernel itself knows that.
            let gone =
                || path.read_link().is_ok_and(|name| name.as_os_str().as_bytes().ends_with(b" (deleted)"));
            let nameless = if fuse { gone() } else { file.nlink() == 0 };
            if file.is_file() && file.dev() == root.dev() && nameless && seen.insert(file.ino()) {
                let taken = if fuse { file.len() } else { file.blocks().saturating_mul(BLOCK) };
                bytes = bytes.saturating_add(taken);
            }
        }
    }
    told(bytes, true)
}

struct Walk {
    deadline: Instant,
    waiting: Vec<PathBuf>,
    linked: HashSet<u64>,
    bytes: u64,
}

impl Walk {
    /// Whether all of it was seen.
    fn look_into(&mut self, folder: &Path) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        let files = match read_dir(folder) {
            Ok(files) => files,
            // What vanishes meanwhile takes no room; a path that is too long to be opened may hide anything.
            Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
        };
        for file in files.filter_map(Result::ok) {
            if Instant::now() >= self.deadline {
                return false;
            }
            let Ok(metadata) = file.metadata() else { continue };
            self.add(&metadata);
            if metadata.is_dir() {
                if self.waiting.len() >= MOST {
                    return false;
                }
                self.waiting.push(file.path());
            }
        }
        true
    }

    fn add(&mut self, file: &Metadata) {
        let several = file.nlink() > 1 && !file.is_dir();
        // Beyond so many of them the others do not count: too little, and bounded.
        if several && (self.linked.contains(&file.ino()) || self.linked.len() >= MOST) {
            return;
        }
        if several {
            self.linked.insert(file.ino());
        }
        self.bytes = self.bytes.saturating_add(file.blocks().saturating_mul(BLOCK));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_count_once_by_the_room_they_take() {
        let layer = tempfile::tempdir().unwrap();
        let far = Instant::now() + Duration::from_mins(1);
        let empty = written(vec![layer.path().to_owned()], far).unwrap().bytes;
        let file = layer.path().join("folder/file");
        std::fs::create_dir(layer.path().join("folder")).unwrap();
        std::fs::write(&file, vec![1; 1_000_000]).unwrap();
        std::fs::hard_link(&file, layer.path().join("again")).unwrap();
        let sparse = std::fs::File::create(layer.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        std::os::unix::fs::symlink("/", layer.path().join("out")).unwrap();
        let walked = written(vec![layer.path().to_owned()], far).unwrap();
        let grown = walked.bytes - empty;
        assert!(walked.complete && (1_000_000..1_100_000).contains(&grown), "{walked:?}");
        let cut = written(vec![layer.path().to_owned()], Instant::now()).unwrap();
        assert_eq!(
            cut,
            Disk { bytes: 0, complete: false, held: Binding::Soft },
            "it does not outlast its deadline, and says so"
        );
        assert_eq!(written(vec![layer.path().join("gone")], far), None);
    }

    #[test]
    fn files_that_are_held_open_without_a_name_count_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rotated");
        std::fs::write(&path, vec![1; 1_000_000]).unwrap();
        let held = [File::open(&path).unwrap(), File::open(&path).unwrap()];
        let own = [i32::try_from(std::process::id()).unwrap()];
        let count = || nameless(&own, Instant::now() + Duration::from_mins(1)).bytes;
        assert!(count() < 1_000_000, "it has a name");
        std::fs::remove_file(&path).unwrap();
        assert!((1_000_000..1_900_000).contains(&count()), "{}", count());
        drop(held);
        assert!(count() < 1_000_000);
        assert!(!nameless(&own, Instant::now()).complete);
    }

    #[test]
    fn files_and_folders_beside_the_layer_count_too() {
        let (layer, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = beside.path().join("hosts");
        std::fs::write(&file, vec![1; 1_000_000]).unwrap();
        let far = Instant::now() + Duration::from_mins(1);
        let walked = |roots: &[&Path]| written(roots.iter().map(|root| root.to_path_buf()).collect(), far);
        let [none, with_file, with_folder] =
            [&[layer.path()][..], &[layer.path(), &file], &[layer.path(), beside.path(), Path::new("/gone")]]
                .map(|roots| walked(roots).unwrap().bytes);
        assert!(none < 100_000 && with_file >= 1_000_000 && with_folder >= 1_000_000);
        assert_eq!(walked(&[Path::new("/gone"), &file]), None);
    }

    #[test]
    fn folders_in_folders_are_walked_to_the_end() {
        let layer = tempfile::tempdir().unwrap();
        let mut deep = layer.path().to_owned();
        for _level in 0..500 {
            deep.push("d");
        }
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("file"), vec![1; 1_000_000]).unwrap();
        let walked = written(vec![layer.path().to_owned()], Instant::now() + Duration::from_mins(1)).unwrap();
        assert!(walked.complete && walked.bytes >= 1_000_000, "{walked:?}");
    }
}
