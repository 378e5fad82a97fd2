//! An administrator changed a plan, or who has which: what waits already runs by it from now on, as far as jobs that
//! run at once are concerned. (Rates and quotas are judged when somebody asks.)

use lamplighter_shared::{
    db::{
        DbError,
        running_caps::{self, Measure},
    },
    plan::Plan,
};

use crate::state::App;

/// Writes the caps of all shares that have jobs waiting anew.
///
/// # Errors
/// Where the database fails.
pub(crate) async fn renew(app: &App) -> Result<(), DbError> {
    for share in running_caps::shares(&app.db).await? {
        if let Some(plan) = plan_of(app, &share).await? {
            running_caps::set(&app.db, &share, plan.running_cap()).await?;
        }
    }
    Ok(())
}

/// The plan that a share is measured by; none where nobody is left to measure.
async fn plan_of(app: &App, share: &str) -> Result<Option<Plan>, DbError> {
    let measure = if let Ok(user) = share.parse() {
        running_caps::of_user(&app.db, user).await?
    } else if let Ok(token) = share.parse() {
        running_caps::of_token(&app.db, token).await?
    } else {
        // The network of guests.
        Some(Measure {
            plan: "guest".to_owned(),
            limits: None,
        })
    };
    let Some(Measure { plan, limits }) = measure else {
        return Ok(None);
    };
    let plan = app.plans.get(&plan).await;
    Ok(Some(limits.map_or(plan.clone(), |limits| plan.with(&limits))))
}
