//! What a machine has written, as its files take room: as `du`, of the layer over its image.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use walkdir::WalkDir;

/// A block of `stat`, whatever the file system's own are.
const BLOCK: u64 = 512;

/// Adds up until the deadline: of a machine with very many files this is the least that it has. `None`: the layer cannot
/// be read.
pub(crate) fn written(layer: &Path, deadline: Instant) -> Option<u64> {
    std::fs::read_dir(layer).ok()?;
    let mut linked = HashSet::new();
    let files = WalkDir::new(layer).same_file_system(true).into_iter();
    // What vanishes meanwhile takes no room.
    let sizes = files.filter_map(Result::ok).filter_map(|file| file.metadata().ok()).filter_map(|file| {
        let counted = file.nlink() > 1 && !file.is_dir() && !linked.insert(file.ino());
        (!counted).then(|| file.blocks() * BLOCK)
    });
    Some(sizes.take_while(|_| Instant::now() < deadline).fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_count_once_by_the_room_they_take() {
        let layer = tempfile::tempdir().unwrap();
        let far = Instant::now() + Duration::from_mins(1);
        let empty = written(layer.path(), far).unwrap();
        let file = layer.path().join("folder/file");
        std::fs::create_dir(layer.path().join("folder")).unwrap();
        std::fs::write(&file, vec![1; 1_000_000]).unwrap();
        std::fs::hard_link(&file, layer.path().join("again")).unwrap();
        let sparse = std::fs::File::create(layer.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        std::os::unix::fs::symlink("/", layer.path().join("out")).unwrap();
        let grown = written(layer.path(), far).unwrap() - empty;
        assert!((1_000_000..1_100_000).contains(&grown), "{grown}");
        assert_eq!(written(layer.path(), Instant::now()), Some(0), "it does not outlast its deadline");
        assert_eq!(written(&layer.path().join("gone"), far), None);
    }
}
