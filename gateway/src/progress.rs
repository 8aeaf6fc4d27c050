//! Progress on standard error, for work that takes long enough to wonder about.

use std::future::Future;
use std::time::Duration;

use russh::ChannelId;
use russh::server::Handle;
use spaces_protocol::failure::printable;
use spaces_protocol::wire::Answer;
use spaces_provisioner::Progress;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::ssh::ChannelParts;

/// Work that is done by then says nothing of its steps.
const PATIENCE: Duration = Duration::from_millis(700);

/// Where sentences of progress go.
pub(crate) struct Reporter {
    handle: Handle,
    channel: ChannelId,
    form: Form,
}

enum Form {
    /// Lines on standard error.
    Lines,
    /// Lines on a terminal, which has one stream and is in raw mode.
    TerminalLines,
    /// Events of the request with this id.
    Events(u64),
}

impl Reporter {
    /// For a person, on standard error.
    pub(crate) fn to_channel(parts: &ChannelParts) -> Self {
        let form = if parts.terminal.is_some() { Form::TerminalLines } else { Form::Lines };
        Self { handle: parts.ssh.handle.clone(), channel: parts.ssh.write.id(), form }
    }

    /// For a program, as events of a request on the subsystem.
    pub(crate) fn to_request(parts: &ChannelParts, id: u64) -> Self {
        Self { form: Form::Events(id), ..Self::to_channel(parts) }
    }

    /// Does the work, and reports what it says of itself if it takes long.
    pub(crate) async fn listen<T, F>(&self, work: impl FnOnce(Progress) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let (progress, mut sentences) = Progress::channel();
        let work = work(progress);
        tokio::pin!(work);
        let patience = Instant::now() + PATIENCE;
        let mut latest = None;
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                sentence = next(&mut sentences) => {
                    if Instant::now() < patience { latest = Some(sentence) } else { self.say(&sentence).await }
                }
                () = sleep_until(patience), if latest.is_some() => {
                    if let Some(sentence) = latest.take() {
                        self.say(&sentence).await;
                    }
                }
            }
        }
    }

    async fn say(&self, sentence: &str) {
        let sentence = printable(sentence);
        let said = match self.form {
            Form::Lines => self.handle.extended_data(self.channel, 1, format!("{sentence}\n")).await,
            Form::TerminalLines => self.handle.data(self.channel, format!("{sentence}\r\n")).await,
            Form::Events(id) => {
                let event = Answer::Progress { id, progress: sentence };
                self.handle.data(self.channel, event.to_line()).await
            }
        };
        // Nobody there any more: the work goes on.
        drop(said);
    }
}

/// The next sentence; never ready once the work has dropped its end.
async fn next(sentences: &mut mpsc::Receiver<String>) -> String {
    match sentences.recv().await {
        Some(sentence) => sentence,
        None => std::future::pending().await,
    }
}
