//! What a worker is to do: serve, unless an admin has asked for something else, of the worker or of one of
//! its models. It is heard with every report (`board`); feeders and dispatchers follow it.

use std::{collections::BTreeSet, sync::Arc};

use lamplighter_shared::db::workers::{Order, Phase};
use tokio::sync::watch::{Receiver, error::RecvError};

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

/// All that is asked of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Of the worker.
    pub duty: Duty,
    /// The models that are switched off, everywhere.
    pub disabled: BTreeSet<String>,
}

impl Orders {
    /// What is asked of one of its models: one that is switched off is in maintenance by itself.
    pub fn of_model(&self, model: &str) -> Duty {
        match self.duty {
            Duty::Serve | Duty::Drain if self.disabled.contains(model) => Duty::Maintain,
            duty => duty,
        }
    }
}

/// What is asked of one model, as its parts follow it.
#[derive(Clone)]
pub struct ModelDuty {
    orders: Receiver<Orders>,
    model: Arc<str>,
    seen: Duty,
}

impl ModelDuty {
    /// Follows the orders about `model`; what is asked now counts as seen.
    pub fn new(orders: Receiver<Orders>, model: &str) -> Self {
        let seen = orders.borrow().of_model(model);
        Self {
            orders,
            model: model.into(),
            seen,
        }
    }

    /// What is asked now.
    pub fn now(&self) -> Duty {
        self.orders.borrow().of_model(&self.model)
    }

    /// What is asked now, which counts as seen.
    pub fn look(&mut self) -> Duty {
        self.seen = self.now();
        self.seen
    }

    /// Whether an admin has switched the model off.
    pub fn is_disabled(&self) -> bool {
        self.orders.borrow().disabled.contains(&*self.model)
    }

    /// Waits until something else is asked than was seen; that counts as seen then.
    ///
    /// # Errors
    /// Where nobody gives orders any more.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        while self.now() == self.seen {
            self.orders.changed().await?;
        }
        self.look();
        Ok(())
    }

    /// Waits until what is asked fits.
    ///
    /// # Errors
    /// Where nobody gives orders any more.
    pub async fn wait_for(&mut self, fits: impl Fn(Duty) -> bool) -> Result<(), RecvError> {
        let model = self.model.clone();
        self.orders
            .wait_for(|orders| fits(orders.of_model(&model)))
            .await?;
        self.look();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn a_model_that_is_switched_off_leaves_and_the_others_do_not_notice() {
        let (tell, orders) = watch::channel(Orders::default());
        let (mut off, mut other) = (
            ModelDuty::new(orders.clone(), "off"),
            ModelDuty::new(orders, "other"),
        );
        assert_eq!((off.now(), other.now()), (Duty::Unknown, Duty::Unknown));
        tell.send_modify(|orders| {
            orders.duty = Duty::Serve;
            orders.disabled.insert("off".to_owned());
        });
        off.changed().await.expect("somebody gives orders");
        other.changed().await.expect("somebody gives orders");
        assert_eq!((off.now(), other.now()), (Duty::Maintain, Duty::Serve));
        assert!(off.is_disabled() && !other.is_disabled());
        tell.send_modify(|orders| orders.disabled.clear());
        off.wait_for(|duty| duty == Duty::Serve)
            .await
            .expect("somebody gives orders");
        let unchanged = tokio::time::timeout(std::time::Duration::from_millis(20), other.changed());
        assert!(unchanged.await.is_err(), "nothing else is asked of the other");
        drop(tell);
        assert!(off.changed().await.is_err());
    }
}
