//! The rows of jobs as the fleet left them.

use crate::postgres::Sql;

/// A job's row, as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its public id.
    pub id: String,
    /// Its state.
    pub state: String,
    /// Runs that were not handed back.
    pub attempt: i64,
    /// Claims.
    pub epoch: i64,
    /// Runs that ended with their runner.
    pub crashes: i64,
    /// Runs whose worker was lost.
    pub lease_losses: i64,
    /// The worker of the last run.
    pub worker: String,
}

/// All rows of jobs.
///
/// # Panics
/// Where the database is away.
pub async fn rows(sql: &Sql) -> Vec<Row> {
    let text = "SELECT id, state, attempt, epoch, crashes, lease_losses, worker FROM jobs";
    let number = |cell: &Option<String>| cell.as_deref().and_then(|n| n.parse().ok()).unwrap_or(-1);
    let read = |row: Vec<Option<String>>| Row {
        id: job_id(row[0].as_deref().unwrap_or_default()),
        state: row[1].clone().unwrap_or_default(),
        attempt: number(&row[2]),
        epoch: number(&row[3]),
        crashes: number(&row[4]),
        lease_losses: number(&row[5]),
        worker: row[6].clone().unwrap_or_default(),
    };
    sql.query(text).await.into_iter().map(read).collect()
}

/// The public id of a job whose row has this UUID: its 128 bits in 26 digits of Crockford's base 32.
///
/// # Panics
/// Where the text is no UUID.
pub fn job_id(uuid: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bits = u128::from_str_radix(&uuid.replace('-', ""), 16).unwrap_or_else(|_| panic!("no UUID: {uuid}"));
    let digit = |place: u32| char::from(DIGITS[(bits >> (5 * place)) as usize & 31]);
    format!("job_{}", (0..26).rev().map(digit).collect::<String>())
}
