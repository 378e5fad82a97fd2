//! Lists of the API: read page after page, shown as a table on a terminal, else one JSON object a line.

use std::io::{self, IsTerminal, Write};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Failure, http::Connection, render::aligned};

/// Items in one answer of the API, at most.
const PAGE: u64 = 100;

#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// Reads page after page until there are enough.
///
/// # Errors
/// Where the server refuses or can't be reached.
pub async fn fetch(
    connection: &Connection,
    path: &[&str],
    query: &[(&str, &str)],
    most: u64,
) -> Result<Vec<Box<RawValue>>, Failure> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    while (items.len() as u64) < most {
        let limit = (most - items.len() as u64).min(PAGE).to_string();
        let mut wanted = vec![("limit", limit.as_str())];
        wanted.extend(query);
        wanted.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let request = connection.request(Method::GET, path, &wanted)?;
        let page: Page = serde_json::from_str(&connection.text(request).await?).map_err(unreadable)?;
        items.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(items)
}

/// Prints the items: as they came, or, on a terminal and unless `json` is wanted, as rows under `head`.
///
/// # Errors
/// Where standard output can't be written, or an item can't be read.
pub fn show<const N: usize>(
    items: Vec<Box<RawValue>>,
    json: bool,
    head: [&str; N],
    row: impl Fn(&Value) -> [String; N],
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if !json && out.is_terminal() {
        let mut rows = vec![head.map(str::to_owned)];
        for item in &items {
            rows.push(row(&value(item)?));
        }
        aligned(&mut out, &rows)?;
    } else {
        for item in items {
            writeln!(out, "{}", item.get())?;
        }
    }
    Ok(out.flush()?)
}

/// A field, for a cell.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// An item, to be looked into.
///
/// # Errors
/// Where it can't be read.
pub fn value(raw: &RawValue) -> Result<Value, Failure> {
    serde_json::from_str(raw.get()).map_err(unreadable)
}

/// For an answer that is not what the API says.
pub fn unreadable(error: serde_json::Error) -> Failure {
    Failure::Failed(format!("the server's answer can't be read: {error}"))
}
