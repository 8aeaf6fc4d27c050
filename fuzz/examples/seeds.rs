//! `seeds TARGET FOLDER`: writes a target's corpus as the bytes that libFuzzer wants.

use std::path::Path;

use spaces_fuzz::corpus;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, folder] = arguments.as_slice() else {
        return Err(std::io::Error::other("usage: seeds TARGET FOLDER"));
    };
    std::fs::create_dir_all(folder)?;
    for (path, bytes) in corpus::seeds(target)? {
        let name = path.file_stem().unwrap_or_default();
        std::fs::write(Path::new(folder).join(name), bytes)?;
    }
    Ok(())
}
