//! An SSH client that does what the stock one never would.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{Config, Handle, Handler, connect};
use russh::keys::{PrivateKey, PublicKeyOrCertificate};
use russh::{ChannelMsg, Disconnect};
use spaces_tests::{Person, Platform};
use tokio::time::timeout;

/// Longest wait for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Believes any host key: the gateway is the test's own.
pub(crate) struct AnyHost;

impl Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// A connection that has not authenticated.
pub(crate) async fn client(platform: &Platform) -> Handle<AnyHost> {
    // Sends something each moment: whoever only listens for silence takes it for alive.
    let config = Config { keepalive_interval: Some(Duration::from_millis(200)), ..Config::default() };
    let connecting = connect(Arc::new(config), ("127.0.0.1", platform.port()), AnyHost);
    timeout(PATIENCE, connecting).await.expect("it answers").expect("it connects")
}

/// A person's key.
pub(crate) fn key_of(person: &Person) -> PrivateKey {
    PrivateKey::read_openssh_file(person.key()).expect("a key")
}

/// Runs these bytes as a command; gives exit status, standard output and standard error.
pub(crate) async fn exec(client: &Handle<AnyHost>, command: &[u8]) -> (u32, String, String) {
    let running = async {
        let mut channel = client.channel_open_session().await.expect("a channel");
        channel.exec(true, command).await.expect("it is asked for");
        let (mut status, mut stdout, mut stderr) = (u32::MAX, Vec::new(), Vec::new());
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => stdout.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, .. } => stderr.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => status = exit_status,
                _ => {}
            }
        }
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (status, text(stdout), text(stderr))
    };
    timeout(PATIENCE, running).await.expect("it ends")
}

/// Leaves in order.
pub(crate) async fn leave(client: Handle<AnyHost>) {
    drop(client.disconnect(Disconnect::ByApplication, "", "").await);
}
