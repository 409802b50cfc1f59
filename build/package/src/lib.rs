//! The package file of a Belljar applet: the only hand-off between building and hosting.
//!
//! A package holds source, never machine code, bytecode or a memory image: those are caches of one host and can be as
//! dangerous as native code when a stranger made them.

mod archive;
mod config;
mod cron;
mod descriptor;
mod error;
mod external;
mod migrations;
mod package;
mod route;
pub mod rules;

pub use config::{
    CONFIG_CHOICES_MAX, CONFIG_FIELDS_MAX, CONFIG_TEXT_BYTES_MAX, ConfigField, ConfigProblem, ConfigType, config_name,
    resolve as resolve_config, resolve_leniently as resolve_config_leniently,
};
pub use cron::{CRON_BYTES_MAX, Cron, CronDay, CronProblem};
pub use descriptor::*;
pub use error::PackageError;
pub use external::{EXTERNALS_FOLDER, EXTERNALS_MAX, package_name};
pub use migrations::{
    MIGRATION_STATEMENT_BYTES_MAX, MIGRATIONS_FOLDER, MIGRATIONS_MAX, Migration, MigrationProblem, SqlStatement,
    migrations, statements,
};
pub use package::{
    BUNDLE_PATH, COMPONENT_PATH, DESCRIPTOR_BYTES_MAX, DESCRIPTOR_PATH, FILES_MAX, PACKAGE_BYTES_MAX, Package,
    SEAL_PATH, SOURCE_MAP_PATH,
};
pub use route::Route;
