//! The bound on requests in work: more than that would only make all of them slower. Whoever comes then is
//! told at once to come again, before anything is read or asked. Waits, open streams and clients that take
//! their time to send a body do not count.

use std::{cell::RefCell, sync::Arc, time::Duration};

use lamplighter_shared::{error::ErrorCode, telemetry::metrics::REQUESTS_SHED};
use poem::{Endpoint, Middleware, Request, Result};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task_local,
};

use crate::{error::ApiError, message::message};

task_local! {
    /// The right of the request in hand to be in work.
    static RIGHT: Right;
}

struct Right {
    permits: Arc<Semaphore>,
    held: RefCell<Option<OwnedSemaphorePermit>>,
}

/// Lets somebody else in: the request in hand only waits from here on.
pub fn give_back() {
    // Outside a request there is nothing to give back.
    let _ = RIGHT.try_with(|right| right.held.take());
}

/// Goes on with a request that gave its place back.
///
/// # Errors
/// 503 where all places are taken meanwhile.
pub fn take_again() -> Result<(), ApiError> {
    let taken = RIGHT.try_with(|right| {
        if right.held.borrow().is_none() {
            right.held.replace(Some(admit(&right.permits)?));
        }
        Ok(())
    });
    // Outside a request there is no bound.
    taken.unwrap_or(Ok(()))
}

fn admit(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(permits).try_acquire_owned().map_err(|_| {
        metrics::counter!(REQUESTS_SHED).increment(1);
        overloaded()
    })
}

/// The layer.
pub struct Admission {
    /// Requests in work at once.
    pub limit: usize,
}

/// An endpoint within the layer.
pub struct Admitted<E> {
    inner: E,
    permits: Arc<Semaphore>,
}

impl<E: Endpoint> Middleware<E> for Admission {
    type Output = Admitted<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Admitted {
            inner,
            permits: Arc::new(Semaphore::new(self.limit)),
        }
    }
}

impl<E: Endpoint> Endpoint for Admitted<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> Result<Self::Output> {
        // Whether the server works must be told above all when it has too much to do.
        if !request.uri().path().starts_with("/v1/") {
            return self.inner.call(request).await;
        }
        let right = Right {
            held: RefCell::new(Some(admit(&self.permits)?)),
            permits: self.permits.clone(),
        };
        RIGHT.scope(right, self.inner.call(request)).await
    }
}

fn overloaded() -> ApiError {
    let detail = message!("The server has more to do than it can; try again in a moment.");
    // Not all at the same moment again.
    let again = Duration::from_millis(rand::random_range(500..=2000));
    ApiError::new(ErrorCode::Unavailable, detail).retry_after(again)
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, endpoint::make, http::StatusCode};
    use tokio::sync::Notify;

    use super::*;

    async fn status<E: Endpoint>(endpoint: &E, path: &'static str) -> StatusCode {
        let request = Request::builder().uri(path.parse().expect("a path")).finish();
        endpoint.get_response(request).await.status()
    }

    #[tokio::test]
    async fn one_too_many_is_turned_away_and_whoever_waits_does_not_count() {
        let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, proceed) = (entered.clone(), go.clone());
        let endpoint = make(move |request: Request| {
            let (inside, proceed) = (inside.clone(), proceed.clone());
            async move {
                if request.uri().path() == "/v1/wait" {
                    give_back();
                }
                inside.notify_one();
                proceed.notified().await;
                "done"
            }
        });
        let endpoint = Arc::new(endpoint.with(Admission { limit: 1 }));
        let start = |path| {
            let endpoint = endpoint.clone();
            tokio::spawn(async move { status(&*endpoint, path).await })
        };
        let waits = start("/v1/wait");
        entered.notified().await;
        let works = start("/v1/work");
        entered.notified().await;
        assert_eq!(
            status(&*endpoint, "/v1/work").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        let health = start("/healthz");
        entered.notified().await;
        go.notify_waiters();
        for task in [waits, works, health] {
            assert_eq!(task.await.expect("no panic"), StatusCode::OK);
        }
        go.notify_one();
        assert_eq!(status(&*endpoint, "/v1/work").await, StatusCode::OK);
    }
}
