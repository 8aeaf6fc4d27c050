//! How much of everything: less of it for a first look.

use clap::{Args, value_parser};

/// Rounds of a measurement whose one round takes seconds.
const HEAVY: u32 = 10;

/// How often and how much.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Sizes {
    /// How often each side is measured; what takes seconds, at most 10 times
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How much one bulk transfer carries
    #[arg(long = "bulk", value_name = "MIB", default_value_t = 512, value_parser = value_parser!(u32).range(1..))]
    pub(crate) bulk_mib: u32,
    /// How large a file is that sftp and scp carry
    #[arg(long = "file", value_name = "MIB", default_value_t = 1024, value_parser = value_parser!(u32).range(1..))]
    pub(crate) file_mib: u32,
    /// How many small files rsync carries
    // Together they lie in 64 MiB of memory, a page each.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = value_parser!(u32).range(1..=15_000))]
    pub(crate) small_files: u32,
    /// How many idle connections are held
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=4000))]
    pub(crate) connections: u32,
    /// How many Spaces stand side by side
    #[arg(long, value_name = "NUMBER", default_value_t = 150, value_parser = value_parser!(u32).range(2..=1000))]
    pub(crate) spaces: u32,
}

impl Sizes {
    /// How often each side is measured where one round takes seconds.
    pub(crate) fn heavy_rounds(&self) -> u32 {
        self.rounds.min(HEAVY)
    }
}
