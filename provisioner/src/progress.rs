//! News for the person who waits. Never slows the work: nobody listening, or too slowly, only loses sentences.

use tokio::sync::mpsc;

/// Sentences kept for a listener that is behind; each later one says more, so few are enough.
const CAPACITY: usize = 16;

/// Where an operation says what it is at, in short lower-case sentences: `creating the container`.
#[derive(Debug, Clone)]
pub struct Progress(Option<mpsc::Sender<String>>);

impl Progress {
    /// A progress and the end that hears it. Dropping either end is fine.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<String>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self(Some(sender)), receiver)
    }

    /// One that nobody hears.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Says a sentence. Waits for nobody and cannot fail.
    pub fn say(&self, sentence: impl Into<String>) {
        if let Some(sender) = &self.0 {
            // Full or closed: the sentence is lost, and that is the promise.
            drop(sender.try_send(sentence.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_is_behind_never_holds_the_work_up() {
        let (progress, mut heard) = Progress::channel();
        for number in 0..100 {
            progress.say(format!("step {number}"));
        }
        assert_eq!(heard.try_recv().unwrap(), "step 0");
        drop(heard);
        progress.say("nobody is there any more");
        Progress::none().say("nobody ever was");
    }
}
