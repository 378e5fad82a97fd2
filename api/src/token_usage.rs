//! What was used with one token, as its owner sees it beside the token. The whole of it, by hour and by model, is
//! `/v1/usage`.

use lamplighter_shared::{
    db::usage::{self, Counts, Grain, Group, Point, Query},
    id::{TokenId, UserId},
};
use poem_openapi::Object;
use serde::Serialize;

use crate::{
    error::ApiError,
    routes::usage::{UsageCounts, UsagePoint},
    state::App,
};

/// What was used with a token: jobs count when they end, if they ran.
#[derive(Debug, Serialize, Object)]
pub(crate) struct TokenUsage {
    /// Jobs of this token that ended in this hour.
    used_this_hour: i64,
    /// Jobs of this token that ended today (UTC).
    used_today: i64,
    /// The sum of the series.
    totals: UsageCounts,
    /// One point for each day (UTC) on which jobs ended, oldest first; the last 400 days.
    data: Vec<UsagePoint>,
}

impl TokenUsage {
    /// Of a token of a user.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn of(app: &App, user: UserId, token: TokenId) -> Result<Self, ApiError> {
        let now = app.db.now().await?;
        let start = |grain: Grain| now.div_euclid(grain.ms()) * grain.ms();
        let this_hour = Query {
            from: start(Grain::Hour),
            to: now + 1,
            grain: Grain::Hour,
            model: None,
            token: Some(token),
            group: Group::Nothing,
        };
        let hour = usage::series(&app.db, user, &this_hour).await?;
        let days = usage::of_token(&app.db, user, token).await?;
        let today = days.iter().filter(|point| point.starts_at == start(Grain::Day));
        Ok(Self {
            used_this_hour: sum(&hour).requests,
            used_today: today.map(|point| point.counts.requests).sum(),
            totals: sum(&days).into(),
            data: days.into_iter().map(UsagePoint::from).collect(),
        })
    }
}

fn sum(points: &[Point]) -> Counts {
    points
        .iter()
        .fold(Counts::default(), |sum, point| sum.and(point.counts))
}
