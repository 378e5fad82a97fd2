//! Event streams wait for clients that do not read.
//!
//! The server would take some 400 KiB of each stream and hold it for a client whose socket is full. So a
//! connection tells whether its socket takes what is written ([`Outlet`]), and the bodies of event streams on it
//! rest while it does not ([`patient`]). Cutting such a client is the business of `serve`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt, stream};
use poem::{Body, Endpoint, IntoResponse, Request, Response};
use tokio::sync::watch;

/// The connections there are, by the address of the client.
#[derive(Default)]
pub struct Outlets(Mutex<HashMap<SocketAddr, watch::Receiver<bool>>>);

impl Outlets {
    /// A new connection.
    pub fn open(self: &Arc<Self>, client: SocketAddr) -> Outlet {
        let full = watch::Sender::new(false);
        self.lock().insert(client, full.subscribe());
        Outlet {
            full,
            client,
            all: self.clone(),
        }
    }

    fn of(&self, request: &Request) -> Option<watch::Receiver<bool>> {
        let client = request.remote_addr().as_socket_addr()?;
        self.lock().get(client).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, watch::Receiver<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's side; forgotten when dropped.
pub struct Outlet {
    full: watch::Sender<bool>,
    client: SocketAddr,
    all: Arc<Outlets>,
}

impl Outlet {
    /// Notes whether the last write found no room.
    pub fn note(&self, full: bool) {
        self.full
            .send_if_modified(|before| std::mem::replace(before, full) != full);
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.all.lock().remove(&self.client);
    }
}

/// An endpoint whose event streams rest while their connection is full.
pub struct Patient<E> {
    /// The endpoint.
    pub inner: E,
    /// The connections that requests come by.
    pub outlets: Arc<Outlets>,
}

impl<E: Endpoint> Endpoint for Patient<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let full = self.outlets.of(&request);
        let mut response = self.inner.call(request).await?.into_response();
        let streams = response
            .content_type()
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if let Some(full) = full.filter(|_| streams) {
            let body = response.take_body();
            response.set_body(patient(body, full));
        }
        Ok(response)
    }
}

fn patient(body: Body, full: watch::Receiver<bool>) -> Body {
    let texts = stream::unfold((body.into_bytes_stream(), full), |(mut texts, mut full)| async {
        // An error: the connection is gone, and soon its streams are.
        let _ = full.wait_for(|full| !full).await;
        let text = texts.next().await?;
        Some((text, (texts, full)))
    });
    Body::from_bytes_stream(texts)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_stream_rests_while_its_connection_is_full() {
        let outlets = Arc::<Outlets>::default();
        let client = SocketAddr::from(([127, 0, 0, 1], 9));
        let outlet = outlets.open(client);
        let full = outlets.lock()[&client].clone();
        let texts = stream::iter(["a", "b", "c"].map(Ok::<_, std::io::Error>));
        let mut body = patient(Body::from_bytes_stream(texts), full).into_bytes_stream();
        let mut next = || body.next().now_or_never();
        assert!(matches!(next(), Some(Some(Ok(text))) if text == "a"));
        outlet.note(true);
        assert!(next().is_none());
        outlet.note(false);
        assert!(matches!(next(), Some(Some(Ok(text))) if text == "b"));
        outlet.note(true);
        assert!(next().is_none());
        drop(outlet);
        assert!(matches!(next(), Some(Some(Ok(text))) if text == "c"));
        assert!(outlets.lock().is_empty(), "what is gone leaves nothing behind");
    }
}
