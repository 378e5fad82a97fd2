//! The plans: those of the settings.

use std::{collections::BTreeMap, sync::Arc};

use lamplighter_shared::{config::Config, plan::Plan};

/// The plans, by name.
pub struct Plans {
    configured: BTreeMap<String, Plan>,
}

impl Plans {
    /// Those of the settings.
    pub fn new(config: &Arc<Config>) -> Self {
        Self {
            configured: config.plans.clone(),
        }
    }

    /// The plan of this name. One that is not there any more is as narrow as a guest's.
    pub async fn get(&self, name: &str) -> Plan {
        let plan = self.configured.get(name).or_else(|| self.configured.get("guest"));
        plan.cloned().unwrap_or(Plan::NOTHING)
    }
}
