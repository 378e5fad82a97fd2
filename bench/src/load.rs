//! Many clients at once: each has one connection and one job at a time, and takes the next job of a
//! common list when its own has ended.

use std::{
    cell::{Cell, RefCell},
    io,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use lamplighter_testkit::server::Server;

use crate::client::{Answer, Client};

/// What a load came to.
pub struct Load {
    /// From the first request sent to the last answer received.
    pub took: Duration,
    /// The answers, in the order of the jobs.
    pub answers: Vec<Answer>,
    /// How long each request took, in no order.
    pub each: Vec<Duration>,
}

/// Who is asked, and as whom.
pub struct Target {
    /// `HOST:PORT` of each API; clients take them in turns.
    pub addresses: Vec<String>,
    /// The token.
    pub token: String,
}

impl From<&Server> for Target {
    fn from(server: &Server) -> Self {
        Self {
            addresses: vec![server.address()],
            token: server.token().to_owned(),
        }
    }
}

impl Target {
    /// Connections of `count` clients.
    ///
    /// # Errors
    /// Where nobody listens there.
    pub async fn clients(&self, count: usize) -> io::Result<Vec<Client>> {
        let addresses = self.addresses.iter().cycle().take(count);
        try_join_all(addresses.map(|address| Client::connect(address, &self.token))).await
    }
}

/// Has `clients` clients submit `jobs` (JSON texts) with this preference. Their connections are made
/// before the time runs.
///
/// # Errors
/// Where a connection breaks, or a job is not accepted.
pub async fn submit(
    target: impl Into<Target>,
    clients: usize,
    jobs: &[String],
    prefer: &str,
) -> io::Result<Load> {
    let clients = target.into().clients(clients).await?;
    let next = Cell::new(0);
    let done = RefCell::new(Vec::with_capacity(jobs.len()));
    let started = Instant::now();
    // All of them on this one thread: cells are enough.
    let (next_job, answers) = (&next, &done);
    try_join_all(clients.into_iter().map(|mut client| async move {
        loop {
            let index = next_job.replace(next_job.get() + 1);
            let Some(job) = jobs.get(index) else {
                return io::Result::Ok(());
            };
            let asked = Instant::now();
            let answer = client.submit(job, prefer).await?;
            answers.borrow_mut().push((index, answer, asked.elapsed()));
        }
    }))
    .await?;
    let took = started.elapsed();
    let mut done = done.into_inner();
    done.sort_by_key(|(index, ..)| *index);
    let each = done.iter().map(|(.., each)| *each).collect();
    Ok(Load {
        took,
        answers: done.into_iter().map(|(_, answer, _)| answer).collect(),
        each,
    })
}
