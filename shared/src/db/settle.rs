//! What the move of a job changes besides its row: the quota of its share, the counts of its lane, and what its
//! owner used. Written in that order, after the rows of jobs: all transactions take their locks alike.

use sea_orm::{DbErr, QueryResult};
use uuid::Uuid;

use super::{
    Db,
    connection::Txn,
    jobs::{LaneChange, custom, lane_of, leave_lanes},
    shares::give_back,
    usage::{self, Counts, Spent},
};
use crate::{
    error::ErrorCode,
    job::{JobError, JobState, Lane},
};

/// The columns that [`Moved::of`] reads, for `RETURNING`.
pub(super) const COLUMNS: &str =
    "id, epoch, state, model, share_key, priority, owner_id, token_id, units, charged_hour, attempt, error";

/// A job that has moved.
pub(super) struct Moved {
    pub state: JobState,
    lane: Lane,
    change: LaneChange,
    owner: Uuid,
    token: Option<Uuid>,
    units: i64,
    charged_hour: Option<i64>,
    attempt: i32,
    /// Whether it failed for a reason of ours.
    our_fault: bool,
    /// Tokens in its output.
    pub tokens: i64,
    /// Its part of the time that its batch took, microseconds.
    pub compute_us: i64,
}

impl Moved {
    /// A row after its move; `before`: where it stood.
    pub(super) fn of(row: &QueryResult, before: JobState) -> Result<Self, DbErr> {
        let state: JobState = row.try_get::<String>("", "state")?.parse().map_err(custom)?;
        let error: Option<String> = row.try_get("", "error")?;
        let error: Option<JobError> = error.and_then(|text| serde_json::from_str(&text).ok());
        let ran = before == JobState::Processing;
        Ok(Self {
            lane: lane_of(row)?,
            change: LaneChange {
                waiting: i64::from(state == JobState::Queued) - i64::from(!ran),
                running: -i64::from(ran),
            },
            owner: row.try_get("", "owner_id")?,
            token: row.try_get("", "token_id")?,
            units: row.try_get("", "units")?,
            charged_hour: row.try_get("", "charged_hour")?,
            attempt: row.try_get("", "attempt")?,
            our_fault: state == JobState::Failed
                && error
                    .is_some_and(|e| matches!(e.kind, ErrorCode::LeaseLost | ErrorCode::ModelUnavailable)),
            state,
            tokens: 0,
            compute_us: 0,
        })
    }

    /// What it takes from the quota of its share no longer.
    fn refund(&self) -> Option<(String, i64)> {
        let never_ran = matches!(self.state, JobState::Canceled | JobState::Expired) && self.attempt == 0;
        let hour = self.charged_hour.filter(|_| never_ran || self.our_fault)?;
        Some((self.lane.share_key.clone(), hour))
    }

    /// What its owner used, once it has ended and was not only waiting.
    fn spent(&self) -> Option<Spent> {
        let counts = Counts {
            requests: 1,
            succeeded: i64::from(self.state == JobState::Succeeded),
            failed: i64::from(self.state == JobState::Failed),
            units: if self.state == JobState::Succeeded {
                self.units
            } else {
                0
            },
            tokens: self.tokens,
            compute_us: self.compute_us,
        };
        (self.state.is_terminal() && self.attempt > 0).then(|| Spent {
            user: self.owner,
            token: self.token.unwrap_or(Uuid::nil()),
            model: self.lane.model.clone(),
            counts,
        })
    }
}

/// Writes what the moves change.
pub(super) async fn settle(db: &Db, txn: &Txn, moved: &[Moved]) -> Result<(), DbErr> {
    let refunds: Vec<_> = moved.iter().filter_map(Moved::refund).collect();
    give_back(db, txn, &refunds).await?;
    let lanes: Vec<_> = moved.iter().map(|m| (m.lane.clone(), m.change)).collect();
    leave_lanes(db, txn, &lanes).await?;
    let spent: Vec<_> = moved.iter().filter_map(Moved::spent).collect();
    usage::add(db, txn, &spent).await
}
