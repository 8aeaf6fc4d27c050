//! The grammar of certificates: `issue-cert`, `cert ...`.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::certificate::{ForcedCommand, SourceAddresses, Ttl};
use crate::name::{Serial, SpaceReference};

/// `issue-cert`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct IssueCertArguments {
    /// How long it can be used: 30s, 5m, 12h; otherwise what the platform has set
    #[arg(long, value_name = "TIME")]
    #[serde(default)]
    pub ttl: Option<Ttl>,
    /// Enter this space and nothing else: its exact name, or its sp_... id
    #[arg(long, value_name = "SPACE")]
    #[serde(default)]
    pub space: Option<SpaceReference>,
    /// Run this one command, whatever is asked for, which it finds in `SSH_ORIGINAL_COMMAND`
    #[arg(long, value_name = "COMMAND")]
    #[serde(default)]
    pub command: Option<ForcedCommand>,
    /// Use it from these networks alone, with commas between them: 192.0.2.0/24,198.51.100.7
    #[arg(long, value_name = "CIDR,...")]
    #[serde(default)]
    pub source_address: Option<SourceAddresses>,
    /// The line of an OpenSSH public key file. On the console it comes from standard input.
    #[arg(skip)]
    #[serde(default)]
    pub public_key: String,
}

/// `cert ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum CertCommand {
    /// List your certificates that can be used now
    List,
    /// End a certificate
    Revoke(CertRevokeArguments),
}

/// `cert revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct CertRevokeArguments {
    /// Its serial, as `cert list` shows it
    pub serial: Serial,
}
