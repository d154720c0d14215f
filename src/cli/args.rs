//! Groups of options that verbs share.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{Config, DEFAULT_FILE, Layers};
use crate::error::Result;

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file [default: ./telestrata.toml if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Memory that buffers, queries and caches share, as in 2GiB [default: half of the machine's]
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory_limit: Option<String>,
}

/// Which lake.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LakeArgs {
    /// Root of the lake: a folder or a URL [default: ./telemetry]
    #[arg(long, value_name = "URL")]
    pub(crate) lake: Option<String>,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

impl ConfigArgs {
    /// Defaults, file, environment, and the flags of this group.
    pub(crate) fn layers(&self) -> Result<Layers> {
        let mut layers = Layers::load(self.config.as_deref(), |name| std::env::var(name).ok())?;
        layers.set_flag("memory_limit", self.memory_limit.as_deref());
        Ok(layers)
    }
}

impl LakeArgs {
    /// Whether a configuration file is read.
    pub(crate) fn has_file(&self) -> bool {
        self.config.config.is_some() || Path::new(DEFAULT_FILE).exists()
    }

    /// The layers with this group's flags.
    pub(crate) fn layers(&self) -> Result<Layers> {
        let mut layers = self.config.layers()?;
        layers.set_flag("lake", self.lake.as_deref());
        Ok(layers)
    }

    /// The checked configuration.
    pub(crate) fn load(&self) -> Result<Config> {
        Config::from_layers(&self.layers()?)
    }
}
