//! What runs: Spaces as containers.
//!
//! [`Provisioner`] is the seam, [`Docker`] the backend behind it, and the only place that knows bollard. It
//! remembers only what saves a question to the engine or the kernel: what it answers is what they say at that
//! moment, and each operation may be repeated, by this process or by another one, whatever became of the attempt
//! before. What *should* run is not known here; the caller compares and decides.

mod blueprint;
mod docker;
mod egress;
mod error;
mod firewall;
mod image_name;
mod installation;
mod isolation;
mod mapped_root;
mod meter;
mod program;
mod progress;
mod provisioner;
mod quota;
mod subnet;
mod writes;

pub use blueprint::Blueprint;
pub use docker::{Docker, DockerSettings};
pub use egress::{Binding, Egress};
pub use error::{EngineFault, ProvisionError};
pub use image_name::{ImageName, ImageNameError};
pub use installation::{Installation, InstallationError};
pub use isolation::{Isolation, IsolationError, NetworkPolicy};
pub use mapped_root::{MappedRoot, NotMappedRoot};
pub use meter::{Counter, Disk, Reading};
pub use progress::Progress;
pub use provisioner::{Change, Observed, Provisioner};
pub use subnet::{Subnet, SubnetPool, SubnetPoolError};
pub use writes::Writes;
