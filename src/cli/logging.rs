//! How the log is written.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::Error;

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for log collectors.
    Json,
    /// For people.
    Text,
}

/// The flags of the log.
#[derive(Debug, Args)]
pub struct LoggingArguments {
    /// The form of a log line
    #[arg(long, env = "COXSWAIN_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
    /// What is logged: a level, or comma-separated `module=level` pairs
    #[arg(long, env = "COXSWAIN_LOG_LEVEL", default_value = "info,kube=warn")]
    pub log_level: String,
}

impl LoggingArguments {
    /// Starts logging to standard error.
    ///
    /// # Errors
    /// The level cannot be read.
    pub fn install(&self) -> Result<(), Error> {
        let filter = EnvFilter::try_new(&self.log_level)
            .map_err(|cause| Error::LogLevel { level: self.log_level.clone(), cause })?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Json => log.json().flatten_event(true).init(),
            LogFormat::Text => log.init(),
        }
        Ok(())
    }
}
