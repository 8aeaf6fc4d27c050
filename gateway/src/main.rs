//! `spaces-gateway`: the whole front of a Spaces platform, in one process.

mod allowance;
mod audit;
mod bootstrap;
mod certificate;
mod config;
mod console;
mod doctor;
mod entrance;
mod forward;
mod host_key;
mod identity;
mod key_file;
mod lend;
mod lifecycle;
mod limits;
mod metrics;
mod open_files;
mod platform;
mod progress;
mod refusal;
mod relay;
mod serve;
mod ssh;
mod tasks;
mod visit;
mod warnings;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use spaces_protocol::name::Email;
use tikv_jemallocator::Jemalloc;
use tracing::error;

use crate::bootstrap::FirstSpace;
use crate::config::{Config, LogFormat};
use crate::doctor::Form;

/// Gives back what a thousand connections took once they are gone; the C library's keeps most of it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[derive(Parser)]
#[command(
    name = "spaces-gateway",
    about = "The SSH server of a Spaces platform",
    disable_version_flag = true
)]
struct Arguments {
    /// Configuration file; without one, the defaults of config/gateway.toml
    #[arg(long, global = true, value_name = "FILE", env = "SPACES_GATEWAY_CONFIG_FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C; Spaces keep running
    Serve,
    /// Make a platform admin with a Space, and print an auth key to log in with
    Bootstrap {
        /// The admin's e-mail address
        email: Email,
        /// Make no Space
        #[arg(long)]
        no_space: bool,
    },
    /// Check the configuration, and that what it names is there
    Check,
    /// Prove each promise on this host, by trying it in throwaway spaces
    Doctor {
        /// One line in all
        #[arg(long, conflicts_with = "json")]
        summary: bool,
        /// Print what was found as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the version
    Version,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the operator's terminal; there may be no log yet")]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Command::Version = arguments.command {
        print(concat!("spaces-gateway ", env!("CARGO_PKG_VERSION")));
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(arguments.config.as_deref()).context("the configuration")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &arguments.command {
        Command::Serve => {
            start_log(&config)?;
            runtime.block_on(serve::serve(config))?;
        }
        Command::Bootstrap { email, no_space } => {
            let space = if *no_space { FirstSpace::None } else { FirstSpace::Make };
            let auth_key = runtime.block_on(bootstrap::bootstrap(&config, email, space))?;
            print(&auth_key.to_string());
        }
        Command::Check => {
            print(&runtime.block_on(serve::check(config))?);
        }
        Command::Doctor { summary, json } => {
            let form = match (summary, json) {
                (true, _) => Form::Summary,
                (false, true) => Form::Json,
                (false, false) => Form::Table,
            };
            let findings = runtime.block_on(doctor::examine(&config, arguments.config.clone()))?;
            print(findings.print(form).trim_end());
            return Ok(if findings.all_hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Version => {}
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the answer of a command that was typed at a terminal")]
fn print(text: &str) {
    println!("{text}");
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    use std::io::IsTerminal as _;

    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter).context("log.filter")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Human => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    // Where the operator looks: a collector of JSON lines cannot read what the standard hook prints.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        error!(place, message = panic.payload_as_str(), "a task crashed");
    }));
    Ok(())
}
