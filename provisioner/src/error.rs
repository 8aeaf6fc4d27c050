//! Why something does not run, for the operator: each error has its cause behind it as a source.

use std::path::PathBuf;

use crate::{ImageName, IsolationError, MappedRoot, SubnetPool};

/// What went wrong between us and the engine. Opaque: whose client we use is nobody's business.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EngineFault(bollard::errors::Error);

/// Why an operation did not come to its end. Repeating it is always safe.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// No engine listens, or it went away within the call. Passes when the engine is back.
    #[error("the container engine cannot be reached")]
    EngineUnavailable(#[source] EngineFault),
    /// The engine closed a stream of events or of answers, as it does when it stops.
    #[error("the container engine broke off what it told")]
    AnswerEnded,
    /// The image is not on this host, and no registry gave it.
    #[error("image `{image}` is not on this host and cannot be pulled")]
    ImageMissing {
        /// As the blueprint names it.
        image: ImageName,
        /// What the engine said to the pull.
        source: EngineFault,
    },
    /// A host path that the engine's API cannot carry: relative, or not UTF-8.
    #[error("path `{}` is not an absolute path in UTF-8", path.display())]
    UnusablePath {
        /// The guest's or the socket folder's.
        path: PathBuf,
    },
    /// Every subnet tried is taken, by our Spaces or by somebody else's networks.
    #[error("no free subnet found in the pool {pool}; give Spaces a larger pool")]
    OutOfSubnets {
        /// The configured pool.
        pool: SubnetPool,
    },
    /// The host's kernel could not be told what holds a machine. Where that is the firewall, none starts.
    #[error("the host could not be told what holds spaces")]
    Isolation(#[from] IsolationError),
    /// The engine maps users otherwise than the settings say, or does not.
    #[error("the container engine's users are {}", mapping(engine.as_ref()))]
    OtherUsers {
        /// As the engine has it.
        engine: Option<MappedRoot>,
    },
    /// The engine has no such runtime.
    #[error("the container engine has no runtime named `{runtime}`")]
    UnknownRuntime {
        /// As the settings name it.
        runtime: String,
    },
    /// The engine refused, and says why.
    #[error("the container engine refused to {what}")]
    Engine {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        source: EngineFault,
    },
    /// The engine took longer than it may. What was asked may still happen.
    #[error("the container engine did not {what} in time")]
    DeadlineExceeded {
        /// What was asked of it.
        what: &'static str,
    },
}

fn mapping(root: Option<&MappedRoot>) -> String {
    root.map_or_else(|| "this host's own".to_owned(), |root| format!("mapped, with {root} for root"))
}

impl EngineFault {
    fn answer(&self) -> Option<(u16, &str)> {
        if let bollard::errors::Error::DockerResponseServerError { status_code, message } = &self.0 {
            Some((*status_code, message))
        } else {
            None
        }
    }
}

impl ProvisionError {
    /// Whether the engine had no room for what it was to do.
    pub(crate) fn says_full(&self) -> bool {
        let full =
            |said: &str| said.contains("no space left on device") || said.contains("disk quota exceeded");
        self.refusal().is_some_and(full)
    }

    /// Whether the engine killed the programs and gave up waiting for them to be gone.
    pub(crate) fn says_dying(&self) -> bool {
        self.refusal().is_some_and(|said| said.contains("did not receive an exit event"))
    }

    /// What the engine said, where it refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Engine { source, .. } => source.answer().map(|(_status, words)| words),
            Self::EngineUnavailable(_)
            | Self::AnswerEnded
            | Self::ImageMissing { .. }
            | Self::UnusablePath { .. }
            | Self::OutOfSubnets { .. }
            | Self::Isolation(_)
            | Self::OtherUsers { .. }
            | Self::UnknownRuntime { .. }
            | Self::DeadlineExceeded { .. } => None,
        }
    }

    /// Sorts a fault of the client: what never reached the engine is not its refusal.
    pub(crate) fn new(what: &'static str, fault: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        let unreachable = matches!(
            fault,
            Error::SocketNotFoundError(_)
                | Error::HyperLegacyError { .. }
                | Error::HyperResponseError { .. }
                | Error::IOError { .. }
        );
        if matches!(fault, Error::RequestTimeoutError) {
            Self::DeadlineExceeded { what }
        } else if unreachable {
            Self::EngineUnavailable(EngineFault(fault))
        } else {
            Self::Engine { what, source: EngineFault(fault) }
        }
    }

    /// Whether the engine answered with this HTTP status.
    pub(crate) fn is_status(&self, status: u16) -> bool {
        self.answer().is_some_and(|(answered, _message)| answered == status)
    }

    /// Whether the engine says that a subnet is taken. Its status for that differs between versions.
    pub(crate) fn is_overlap(&self) -> bool {
        self.answer().is_some_and(|(_status, message)| message.to_ascii_lowercase().contains("overlap"))
    }

    /// Whether the engine says that a network with this interface is there.
    pub(crate) fn is_interface_taken(&self) -> bool {
        self.answer().is_some_and(|(_status, message)| message.contains("same bridge name"))
    }

    /// Whether it is a program's exit status, which the client gives as an error.
    pub(crate) fn is_exit_status(&self) -> bool {
        use bollard::errors::Error::DockerContainerWaitError;
        matches!(self, Self::Engine { source: EngineFault(DockerContainerWaitError { .. }), .. })
    }

    /// What a refused pull means. An engine that went away says nothing of the image.
    pub(crate) fn into_image_missing(self, image: &ImageName) -> Self {
        if let Self::Engine { source, .. } = self {
            Self::ImageMissing { image: image.clone(), source }
        } else {
            self
        }
    }

    fn answer(&self) -> Option<(u16, &str)> {
        if let Self::Engine { source, .. } = self { source.answer() } else { None }
    }
}

/// Turns the engine's answer of this status into `Ok`: what was asked for is so already.
pub(crate) fn accept(status: u16, outcome: Result<(), ProvisionError>) -> Result<(), ProvisionError> {
    outcome.or_else(|error| if error.is_status(status) { Ok(()) } else { Err(error) })
}
