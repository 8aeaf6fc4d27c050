//! The `spaces` subsystem: one JSON object a line, one request at a time. See docs/protocol.md.

use std::sync::Arc;

use bytes::BytesMut;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::reply::{Entrance, Reply};
use spaces_protocol::wire::{Answer, MAX_LINE, Request, RequestCommand, parse_request};
use spaces_provisioner::Progress;

use super::lines::Lines;
use super::run::Caller;
use crate::entrance;
use crate::identity::Principal;
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::ssh::{ChannelParts, finish};

/// Answers requests until the client has no more.
pub(crate) async fn serve(platform: &Arc<Platform>, principal: &Principal, parts: &mut ChannelParts) {
    let caller = Caller { platform, principal, from: parts.peer.ip() };
    let mut lines = Lines::new();
    let mut buffer = BytesMut::new();
    // Bytes that were looked at. A line that comes byte by byte must not be read anew for each of them.
    let mut seen = 0;
    loop {
        while let Some(end) = buffer.iter().skip(seen).position(|byte| *byte == b'\n') {
            let line = buffer.split_to(seen + end + 1);
            seen = 0;
            if !line.trim_ascii().is_empty() {
                answer(&caller, &line, parts).await;
            }
        }
        if buffer.len() > MAX_LINE {
            let failure = Failure::new(Code::Usage, "that line is too long");
            parts.stdout(&Answer::of(0, Err(failure)).to_line()).await;
            return finish(parts, Code::Usage.exit_status()).await;
        }
        seen = buffer.len();
        let Some(data) = lines.more(parts).await else {
            // A last line counts also without its end.
            if !buffer.trim_ascii().is_empty() {
                answer(&caller, &buffer, parts).await;
            }
            return finish(parts, 0).await;
        };
        buffer.extend_from_slice(&data);
    }
}

async fn answer(caller: &Caller<'_>, line: &[u8], parts: &ChannelParts) {
    let (id, outcome) = match parse_request(line) {
        Ok(Request { id, command, .. }) => {
            let reporter = Reporter::to_request(parts, id);
            (id, reporter.listen(|progress| run(caller, command, progress)).await)
        }
        Err(refusal) => (refusal.id, Err(refusal.failure)),
    };
    parts.stdout(&Answer::of(id, outcome).to_line()).await;
}

async fn run(caller: &Caller<'_>, command: RequestCommand, progress: Progress) -> Result<Reply, Failure> {
    match command {
        RequestCommand::Login(arguments) => caller.login(arguments).await,
        RequestCommand::Shared(command) => caller.run(command, progress).await,
        RequestCommand::Connect(arguments) => {
            caller.still_known().await?;
            let reference = caller.named_or_only(arguments.space).await?;
            let space = entrance::find(caller.platform, caller.person()?, &reference).await?;
            let awake = caller.platform.lifecycle.ensure_running(&space, progress).await;
            awake.map_err(|error| error.explain(&reference.to_string()))?;
            Ok(Reply::Entrance(Entrance { id: space.id, name: space.name.clone() }))
        }
    }
}
