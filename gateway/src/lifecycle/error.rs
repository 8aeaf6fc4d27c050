//! Why a Space is not as it should be, and what its person reads of it.

use spaces_protocol::failure::{Code, Failure};
use spaces_provisioner::{ImageNameError, IsolationError, ProvisionError};
use spaces_store::{Overdraft, StoreError};

/// Most of the engine's words that an admin is shown.
const WORDS: usize = 200;

/// Why an operation on a Space did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LifecycleError {
    /// Its owner's Spaces would have more together than they may.
    #[error("more {} than the owner's spaces may have together", .0.resource)]
    Overdrawn(Overdraft),
    /// It was deleted meanwhile.
    #[error("the space is gone")]
    Gone,
    /// A person stopped it; entering it does not wake it.
    #[error("the space was stopped by a person")]
    PutToSleep,
    /// Its container was removed behind our back.
    #[error("the space's container was removed from outside")]
    Missing,
    /// Its socket folder could not be made or removed.
    #[error("the space's socket folder")]
    Door(#[source] std::io::Error),
    /// The store failed.
    #[error("the store")]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error("the engine")]
    Provision(#[from] ProvisionError),
    /// The configured image has no name that an engine knows.
    #[error("the space's image")]
    Image(#[from] ImageNameError),
    /// The operation panicked.
    #[error("the operation crashed")]
    Crashed(#[source] tokio::task::JoinError),
}

impl LifecycleError {
    /// Whether the engine went away, so that it has to be looked at anew when it is back.
    pub(crate) fn is_engine_away(&self) -> bool {
        matches!(self, Self::Provision(ProvisionError::EngineUnavailable(_) | ProvisionError::AnswerEnded))
    }

    /// Whether the engine, or a program, took longer than it may.
    pub(crate) fn is_late(&self) -> bool {
        matches!(
            self,
            Self::Provision(
                ProvisionError::DeadlineExceeded { .. }
                    | ProvisionError::Isolation(IsolationError::DeadlineExceeded { .. })
            )
        )
    }

    /// What the engine said, where it refused.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Provision(error) => error.refusal(),
            Self::Overdrawn(_)
            | Self::Gone
            | Self::PutToSleep
            | Self::Missing
            | Self::Door(_)
            | Self::Store(_)
            | Self::Image(_)
            | Self::Crashed(_) => None,
        }
    }

    /// What a platform admin reads: with the engine's own words, where it refused.
    pub(crate) fn explain_to_admin(&self, space: &str) -> Failure {
        match self.refusal() {
            Some(words) => Failure::new(
                Code::Refused,
                format!("the container engine does not take that: {}", tail(words)),
            )
            .hint(format!("`space up --space {space}` tries again")),
            None => self.explain(space),
        }
    }

    /// What the person reads, who named the Space like this.
    pub(crate) fn explain(&self, space: &str) -> Failure {
        match self {
            Self::Overdrawn(over) => Failure::new(
                Code::Refused,
                format!("its owner's spaces may have {} of {} together", over.ceiling, over.resource),
            ),
            Self::Gone => Failure::new(Code::NotFound, format!("no space named `{space}`"))
                .hint("`list` shows the spaces you can use"),
            Self::PutToSleep => Failure::new(Code::Refused, format!("space `{space}` is stopped"))
                .hint(format!("`space up --space {space}` starts it")),
            Self::Missing => {
                Failure::new(Code::Refused, format!("space `{space}` was removed from the engine"))
                    .hint(format!("`space up --space {space}` makes it anew, without its data"))
            }
            Self::Image(_) => Failure::new(Code::Refused, "the image of new spaces has no valid name")
                .hint("a platform admin can correct `space.image` in the configuration"),
            Self::Store(_) => store_unavailable(),
            Self::Provision(error) => explain_provision(error, space),
            Self::Door(_) | Self::Crashed(_) => {
                Failure::new(Code::Internal, format!("space `{space}` could not be served"))
                    .hint("the platform's log tells why")
            }
        }
    }
}

/// The end of what the engine says, where the cause is.
fn tail(words: &str) -> String {
    let excess = words.chars().count().saturating_sub(WORDS);
    let cut = if excess > 0 { "…" } else { "" };
    cut.chars().chain(words.chars().skip(excess)).collect()
}

/// The store does not answer.
pub(crate) fn store_unavailable() -> Failure {
    Failure::new(Code::Unavailable, "the platform's store does not answer").hint("try again later")
}

fn explain_provision(error: &ProvisionError, space: &str) -> Failure {
    match error {
        ProvisionError::EngineUnavailable(_) | ProvisionError::AnswerEnded => {
            Failure::new(Code::Unavailable, "the container engine does not answer").hint("try again later")
        }
        ProvisionError::DeadlineExceeded { .. } => {
            Failure::new(Code::Unavailable, "the container engine is too slow to answer")
                .hint("try again later")
        }
        ProvisionError::ImageMissing { image, .. } => {
            Failure::new(Code::Refused, format!("the image `{image}` is not here and cannot be pulled"))
                .hint("a platform admin can build or load it")
        }
        ProvisionError::OutOfSubnets { .. } => {
            Failure::new(Code::Refused, "the platform has no network left for a space")
                .hint("a platform admin can widen `engine.network_pool`")
        }
        ProvisionError::Isolation(_) => {
            Failure::new(Code::Refused, "the platform cannot keep spaces apart here, so it starts none")
                .hint("`spaces-gateway check` tells a platform admin why")
        }
        ProvisionError::OtherUsers { .. } | ProvisionError::UnknownRuntime { .. } => Failure::new(
            Code::Refused,
            "the container engine is not set up as the platform's configuration says",
        )
        .hint("`spaces-gateway check` tells a platform admin why"),
        ProvisionError::UnusablePath { .. } | ProvisionError::Engine { .. } => {
            Failure::new(Code::Internal, format!("the container engine refused to run space `{space}`"))
                .hint("the platform's log tells why")
        }
    }
}
