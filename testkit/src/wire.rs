//! Just enough of Postgres' wire protocol to send a statement and read its answer as text.
//!
//! Not a database client: no TLS, no passwords, no parameters. It is here so that a test can make its
//! database without `psql`, and without this crate depending on a driver.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Rows of an answer; values as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// Runs one simple query on a connection of its own.
pub fn query(port: u16, user: &str, database: &str, sql: &str) -> io::Result<Rows> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut hello = 196_608_u32.to_be_bytes().to_vec();
    for (key, value) in [("user", user), ("database", database)] {
        hello.extend(text(key));
        hello.extend(text(value));
    }
    hello.push(0);
    stream.write_all(&with_length(&hello))?;
    read_answer(&mut stream)?;
    let mut message = vec![b'Q'];
    message.extend(with_length(&text(sql)));
    stream.write_all(&message)?;
    let rows = read_answer(&mut stream)?;
    // `X`: a polite end, so that the server's log stays quiet.
    stream.write_all(&[b'X', 0, 0, 0, 4])?;
    Ok(rows)
}

/// Reads messages until the server is ready for the next query.
fn read_answer(stream: &mut TcpStream) -> io::Result<Rows> {
    let mut rows = Rows::new();
    let mut failure = None;
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'D' => rows.push(read_row(&body).ok_or_else(|| io::Error::other("a row can't be read"))?),
            b'E' => failure = Some(String::from_utf8_lossy(&body).replace('\0', " ")),
            b'Z' => break,
            _ => {}
        }
        // A refused start ends the connection without a `Z`.
        if let (Some(failure), true) = (&failure, head[0] == b'E' && rows.is_empty() && is_fatal(&body)) {
            return Err(io::Error::other(failure.clone()));
        }
    }
    match failure {
        Some(failure) => Err(io::Error::other(failure)),
        None => Ok(rows),
    }
}

fn is_fatal(body: &[u8]) -> bool {
    body.split(|b| *b == 0)
        .any(|field| field == b"SFATAL" || field == b"VFATAL")
}

/// One `DataRow`: a count, then each value as length (-1: null) and bytes.
fn read_row(body: &[u8]) -> Option<Vec<Option<String>>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => row.push(None),
            Ok(length) => {
                row.push(Some(String::from_utf8_lossy(rest.get(..length)?).into_owned()));
                rest = &rest[length..];
            }
        }
    }
    Some(row)
}

/// A message's length counts itself.
fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a test's statement is short");
    [&length.to_be_bytes()[..], body].concat()
}

fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), &[0]].concat()
}
