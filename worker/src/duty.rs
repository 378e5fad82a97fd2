//! What a worker is to do: serve, unless an admin has asked for something else. It is heard with every
//! report (`board`); feeders and dispatchers follow it.

use lamplighter_shared::db::workers::{Order, Phase};

/// What a worker is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duty {
    /// It has not heard yet: it claims and loads nothing, since an order outlives a restart.
    #[default]
    Unknown,
    /// Claim and run jobs.
    Serve,
    /// Claim nothing, finish what runs.
    Drain,
    /// The same, then end the runners.
    Maintain,
}

impl Duty {
    /// What an order, or its absence, asks for.
    pub fn of(order: Option<Order>) -> Self {
        match order {
            None => Self::Serve,
            Some(Order::Drain) => Self::Drain,
            Some(Order::Maintenance) => Self::Maintain,
        }
    }

    /// How far the worker is, with so many jobs in hand and its runners gone or not.
    pub fn phase(self, jobs: usize, no_runners: bool) -> Phase {
        match self {
            Self::Unknown | Self::Serve => Phase::Active,
            _ if jobs > 0 => Phase::Draining,
            Self::Maintain if no_runners => Phase::Maintenance,
            Self::Drain | Self::Maintain => Phase::Drained,
        }
    }
}
