//! Plans: how much a share may have. A share is whose use is counted together: a user with all tokens and
//! sessions, a token that an admin gave limits of its own, or the network of a guest.
//!
//! The settings name the plans (`[plans.NAME]`), admins change them ([`PlanChanges`]), and an admin can give
//! one token a plan or limits of its own. Nothing here counts.

use serde::{Deserialize, Serialize};

use crate::job::Priority;

/// How much a share may have. 0 of a number: no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Requests a minute, spread evenly.
    pub requests_per_minute: u32,
    /// Requests at once after a rest; 0: those of one minute.
    pub burst: u32,
    /// Jobs submitted in one hour of the clock.
    pub jobs_per_hour: u32,
    /// Jobs submitted in one day (UTC).
    pub jobs_per_day: u32,
    /// Jobs waiting at once, over all models.
    pub waiting: u32,
    /// Jobs running at once on one model.
    pub running: u32,
    /// Share of a busy model beside others; at least 1.
    pub weight: u32,
    /// Priorities that jobs may have.
    pub priorities: Vec<Priority>,
}

/// What differs from a plan. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanChanges {
    /// See [`Plan::requests_per_minute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// See [`Plan::burst`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// See [`Plan::jobs_per_hour`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs_per_hour: Option<u32>,
    /// See [`Plan::jobs_per_day`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs_per_day: Option<u32>,
    /// See [`Plan::waiting`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// See [`Plan::running`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// See [`Plan::weight`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// See [`Plan::priorities`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priorities: Option<Vec<Priority>>,
}

impl Plan {
    /// The narrowest there is: for a name that nobody knows.
    pub const NOTHING: Self = Self {
        requests_per_minute: 1,
        burst: 1,
        jobs_per_hour: 1,
        jobs_per_day: 1,
        waiting: 1,
        running: 1,
        weight: 1,
        priorities: Vec::new(),
    };

    /// Jobs running at once on one model, as lanes have it; none: any number.
    pub fn running_cap(&self) -> Option<i32> {
        let most = i32::try_from(self.running).unwrap_or(i32::MAX);
        (most > 0).then_some(most)
    }

    /// The plan with these changes.
    #[must_use]
    pub fn with(self, changes: &PlanChanges) -> Self {
        Self {
            requests_per_minute: changes.requests_per_minute.unwrap_or(self.requests_per_minute),
            burst: changes.burst.unwrap_or(self.burst),
            jobs_per_hour: changes.jobs_per_hour.unwrap_or(self.jobs_per_hour),
            jobs_per_day: changes.jobs_per_day.unwrap_or(self.jobs_per_day),
            waiting: changes.waiting.unwrap_or(self.waiting),
            running: changes.running.unwrap_or(self.running),
            weight: changes.weight.unwrap_or(self.weight).max(1),
            priorities: changes.priorities.clone().unwrap_or(self.priorities),
        }
    }
}

impl PlanChanges {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
