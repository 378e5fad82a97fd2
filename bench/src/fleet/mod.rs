//! The distributed platform: processes of their own for API and workers, a Postgres whose commits reach the
//! disk, and a Redis, all private to the run.
//!
//! Start with [`throughput`], then [`doorbell`], [`submit`] and [`flatness`]; [`auth`], [`cold`] and [`limits`] are
//! what tokens and plans cost; [`watch`] is how a measurement hears of a claim. Not here: faults; those are tests.

pub mod auth;
pub mod cold;
pub mod doorbell;
pub mod flatness;
pub mod limits;
pub mod submit;
pub mod throughput;
mod watch;

use std::{path::Path, time::Duration};

use lamplighter_testkit::{
    fleet::{Builder, Fleet},
    postgres,
};
use tokio::time::sleep;

use crate::load::Target;

/// The time for which nothing is believed, and some to spare.
const UNBELIEVED: Duration = Duration::from_secs(31);

const ECHO: &str = r#"{"model":"echo","input":{"text":"hello"}}"#;

/// A durable Postgres with room for what is measured: Debian's defaults are for machines of long ago.
fn durable() -> postgres::Options {
    let settings = ["shared_buffers=1GB", "max_wal_size=4GB"];
    postgres::Options {
        fsync: true,
        settings: settings.map(str::to_owned).to_vec(),
    }
}

/// A fleet of two APIs and two workers with servers of its own.
fn builder(program: &Path) -> Builder {
    Fleet::builder(program).own_postgres(durable()).alone()
}

/// Starts it, and waits until it is as it stays: for half a minute after a process has connected to Redis it
/// does not believe what it finds in the cache there, and asks the database about every token.
async fn start(builder: Builder) -> Fleet {
    let fleet = builder.start().await;
    if fleet.redis.is_some() {
        sleep(UNBELIEVED).await;
    }
    fleet
}

/// All APIs of a fleet, as its owner.
fn target(fleet: &Fleet) -> Target {
    target_as(fleet, fleet.token())
}

/// All APIs of a fleet, as the holder of a token.
fn target_as(fleet: &Fleet, token: &str) -> Target {
    Target {
        addresses: fleet.apis.iter().map(|api| api.address()).collect(),
        token: token.to_owned(),
    }
}
