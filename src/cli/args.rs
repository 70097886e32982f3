//! Arguments that several commands share.

use std::{io::IsTerminal, path::PathBuf};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt};

use crate::report;

/// What every command takes.
#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// The configuration file. Default: `muster.yaml` here, else `/etc/muster/muster.yaml`.
    #[arg(
        short,
        long,
        global = true,
        env = "MUSTER_CONFIG",
        value_name = "FILE",
        help_heading = "Common"
    )]
    pub config: Option<PathBuf>,
    /// The store's directory, in place of the one in the configuration.
    #[arg(
        long,
        global = true,
        env = "MUSTER_STORE",
        value_name = "DIR",
        help_heading = "Common"
    )]
    pub store: Option<PathBuf>,
    /// Colours: `auto` is on for a terminal, unless NO_COLOR is set.
    #[arg(
        long,
        global = true,
        env = "MUSTER_COLOR",
        value_enum,
        default_value_t,
        help_heading = "Common"
    )]
    pub color: Color,
    /// Columns to write for. Default: the terminal's, else 100.
    #[arg(
        long,
        global = true,
        env = "MUSTER_WIDTH",
        value_name = "COLUMNS",
        help_heading = "Common"
    )]
    pub width: Option<u16>,
    /// No progress on standard error.
    #[arg(short, long, global = true, help_heading = "Common")]
    pub quiet: bool,
    /// Log more, to standard error; twice for debugging. `MUSTER_LOG` takes a filter.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Common")]
    pub verbose: u8,
    /// How the log is written: `auto` is text on a terminal, else JSON.
    #[arg(
        long,
        global = true,
        env = "MUSTER_LOG_FORMAT",
        value_enum,
        default_value_t,
        help_heading = "Common"
    )]
    pub log_format: LogFormat,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// Text.
    Text,
    /// JSON, a line an event.
    Json,
}

pub use crate::report::table::ListFormat;

/// How a plan is shown.
#[derive(Args, Debug, Clone, Default)]
pub struct ReportArgs {
    /// How the plan is written.
    #[arg(short, long, value_enum, default_value_t)]
    pub format: report::Format,
    /// Also list what stays as it is.
    #[arg(long)]
    pub show_unchanged: bool,
    /// List every skipped database instead of the first few of each reason.
    #[arg(long)]
    pub show_skipped: bool,
}

impl Common {
    /// Starts the log: errors, unless asked for more; of a service also what it does. Never a secret.
    pub fn start_log(&self, service: bool) {
        let level = match self.verbose {
            0 if service => "muster=info,warn",
            0 => "error",
            1 if service => "muster=debug,info",
            1 => "muster=info,warn",
            _ => "muster=debug,muster_cloud=debug,muster_discovery=debug,info",
        };
        let filter = std::env::var("MUSTER_LOG")
            .ok()
            .and_then(|filter| EnvFilter::try_new(filter).ok())
            .unwrap_or_else(|| EnvFilter::new(level));
        let json = match self.log_format {
            LogFormat::Auto => !std::io::stderr().is_terminal(),
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // A second start (in tests) changes nothing.
        let _ = if json {
            builder.json().try_init()
        } else {
            builder.with_ansi(false).try_init()
        };
    }

    /// Whether to write colours to standard output.
    pub fn colors(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
            }
        }
    }

    /// The columns to write for.
    pub fn columns(&self) -> usize {
        self.width
            .map_or_else(|| usize::from(terminal_width().unwrap_or(100)), usize::from)
    }

    /// The options of a plan's report.
    pub fn report(&self, args: &ReportArgs) -> report::Options {
        report::Options {
            color: self.colors(),
            width: self.columns(),
            show_unchanged: args.show_unchanged,
            show_skipped: args.show_skipped,
            ..report::Options::default()
        }
    }
}

/// The terminal's width, when standard output is one.
fn terminal_width() -> Option<u16> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(&stdout)
        .ok()
        .map(|size| size.ws_col)
        .filter(|columns| *columns > 0)
}
