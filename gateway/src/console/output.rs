//! Text to the client. On a terminal that is in raw mode a line ends with CR LF.

use crate::ssh::ChannelParts;

/// Data.
pub(crate) async fn stdout(parts: &ChannelParts, text: &str) {
    // A client that is gone reads nothing; its channel ends by itself.
    drop(parts.ssh.write.data_bytes(translated(parts, text)).await);
}

/// Everything that is not data.
pub(crate) async fn stderr(parts: &ChannelParts, text: &str) {
    drop(
        parts
            .ssh
            .write
            .extended_data_bytes(1, translated(parts, text))
            .await,
    );
}

fn translated(parts: &ChannelParts, text: &str) -> String {
    if parts.terminal.is_some() {
        text.replace('\n', "\r\n")
    } else {
        text.to_owned()
    }
}
