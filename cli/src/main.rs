//! `spaces`: what people install. Speaks to the gateway over SSH, and runs the local `ssh` to enter a Space.

mod address;
mod arguments;
mod auth_key;
mod connect;
mod files;
mod gateway;
mod host_key;
mod issue_cert;
mod login;
mod logout;
#[cfg(test)]
mod reference;
mod run;
mod session;
mod settings;
mod show;
mod spellings;
mod ssh_config;
mod watch;

use std::process::ExitCode;

use arguments::{Arguments, CliCommand};
use settings::Settings;
use spaces_protocol::command::{Command, SpaceCommand};
use spaces_protocol::failure::{Code, Failure};

fn main() -> ExitCode {
    let arguments = match Arguments::parse_or_help() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(failure) => return show::failure(&failure),
    };
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Internal, format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(run_command(arguments)));
    match outcome {
        Ok(status) => status,
        Err(failure) => show::failure(&failure),
    }
}

async fn run_command(arguments: Arguments) -> Result<ExitCode, Failure> {
    let settings = Settings::gather(arguments.base_url, arguments.session_file)?;
    match arguments.command {
        CliCommand::Login(login) => login::login(&settings, login, arguments.json).await?,
        CliCommand::IssueCert(order) => issue_cert::issue_cert(&settings, order, arguments.json).await?,
        CliCommand::SshConfig(config) => ssh_config::ssh_config(&settings, config).await?,
        CliCommand::Ssh(command) => return spellings::run(&settings, command, arguments.json).await,
        CliCommand::Connect(connect) => return connect::connect(&settings, connect).await,
        CliCommand::Shared(Command::Auth(spaces_protocol::command::AuthCommand::Logout)) => {
            logout::logout(&settings, arguments.json).await?;
        }
        CliCommand::Shared(Command::Space(SpaceCommand::Usage(usage))) if watch::suits(arguments.json) => {
            return watch::usage(&settings, &usage.space);
        }
        CliCommand::Shared(command) => run::run(&settings, command, arguments.json).await?,
    }
    Ok(ExitCode::SUCCESS)
}
