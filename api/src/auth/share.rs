//! Whose use is counted together, and how much they may have.

use std::net::IpAddr;

use lamplighter_shared::{
    db::{api_tokens, sessions},
    plan::Plan,
};

use crate::plans::Plans;

/// A share and its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// What it is counted under.
    pub key: String,
    /// The name of its plan.
    pub plan_name: String,
    /// How much it may have.
    pub plan: Plan,
}

impl Share {
    /// That of a token: its user's, unless an admin gave it a plan or limits of its own.
    pub(crate) async fn of_token(plans: &Plans, live: &api_tokens::Live) -> Self {
        let own = live.plan.is_some() || live.limits.as_ref().is_some_and(|limits| !limits.is_empty());
        let name = live.plan.as_ref().unwrap_or(&live.user_plan);
        let plan = plans.get(name).await;
        Self {
            key: if own {
                live.share.to_string()
            } else {
                live.user.to_string()
            },
            plan_name: name.clone(),
            plan: match &live.limits {
                Some(limits) => plan.with(limits),
                None => plan,
            },
        }
    }

    /// That of a logged-in user.
    pub(crate) async fn of_session(plans: &Plans, live: &sessions::Live) -> Self {
        Self {
            key: live.user.to_string(),
            plan_name: live.plan.clone(),
            plan: plans.get(&live.plan).await,
        }
    }

    /// That of a guest: of everybody in their network.
    pub(crate) async fn of_guest(plans: &Plans, address: IpAddr) -> Self {
        Self {
            key: format!("guest:{}", network_of(address)),
            plan_name: "guest".to_owned(),
            plan: plans.get("guest").await,
        }
    }
}

/// Who is counted as one: an IPv4 address, or the /64 that an IPv6 address is in, for whoever has one such
/// address has them all.
pub(crate) fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
