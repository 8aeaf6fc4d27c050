//! What somebody wants in a Space. Pure.

use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::frame::{AttachPurpose, Program};
use spaces_protocol::name::SpaceReference;
use spaces_protocol::session::{SessionReference, SessionToken};

use crate::audit;
use crate::ssh::{Agent, ChannelParts};

/// What somebody wants in a Space.
#[derive(Debug, Clone)]
pub(crate) enum Visit {
    /// Run a program, which ends with its channel.
    Run(Program),
    /// Run one in a terminal that outlives the channel.
    Hold(Program, Option<SessionToken>),
    /// See such a terminal again; `None` for the one that was left last. The token is what the client calls itself.
    Attach(Option<SessionReference>, AttachPurpose, Option<SessionToken>),
}

/// Whether a visit is to something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Program,
    Session,
}

impl Visit {
    /// Whether the channel has what this takes: said before a Space is woken for nothing.
    pub(crate) fn fits(&self, parts: &ChannelParts) -> Result<(), Failure> {
        match self {
            Self::Attach(..) if parts.terminal.is_none() => Err(no_terminal()),
            Self::Run(_) | Self::Hold(..) | Self::Attach(..) => Ok(()),
        }
    }

    /// Programs that run already cannot be told of a display, and the keys of somebody who looks on are not for them.
    pub(crate) fn decline_what_is_of_no_use(&self, parts: &mut ChannelParts) {
        if let Self::Attach(_, purpose, _) = self {
            parts.display = None;
            if *purpose == AttachPurpose::Watch {
                parts.agent = Agent::Kept;
            }
        }
    }

    pub(crate) fn wanted(&self) -> Wanted {
        match self {
            Self::Run(_) | Self::Hold(..) => Wanted::Program,
            Self::Attach(..) => Wanted::Session,
        }
    }

    /// What the audit trail calls it, and what it is done to.
    pub(crate) fn act(&self, space: &SpaceReference) -> (&'static str, String) {
        let Self::Attach(session, purpose, _) = self else {
            return (audit::ENTER, space.to_string());
        };
        let action = match purpose {
            AttachPurpose::GoOn => "session.attach",
            AttachPurpose::Take => "session.take",
            AttachPurpose::Watch => "session.watch",
        };
        let session = session.as_ref().map(|session| format!("/{session}")).unwrap_or_default();
        (action, format!("{space}{session}"))
    }
}

/// A session has no other form than on a terminal.
pub(crate) fn no_terminal() -> Failure {
    Failure::new(Code::Usage, "a session is shown on a terminal").hint("`ssh -t` asks for one")
}
