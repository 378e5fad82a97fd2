//! A hub on a port of this machine.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use lamplighter_worker::weights::Origins;
use serde_json::{Value, json};

use crate::{FILES, sha256};

/// Answers like a hub: `/OWNER/NAME/resolve/REVISION/FILE`, with the headers a client looks at.
pub struct Hub {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, PartialEq)]
pub enum Manner {
    Right,
    /// Says this for ETag and commit.
    Says(String),
    /// Sends whoever wants a file to this address.
    Elsewhere(String),
    WrongBytes,
    /// Says one size and sends more.
    Endless,
    /// Ends the connection in the middle.
    CutOff,
    /// Ends it in the middle of the weights, the first time.
    CutOffOnce,
    NoHeaders,
    Missing,
}

impl Hub {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log, manner) = (stream.expect("a connection"), log.clone(), manner.clone());
                thread::spawn(move || while serve(&stream, &manner, &log).unwrap_or(false) {});
            }
        });
        Self { address, requests }
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    pub fn origins(&self) -> Origins {
        Origins {
            hub: Some(self.address.clone()),
            hub_token: Some("hf_secret".to_owned()),
            pips: Vec::new(),
        }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("unpoisoned").clone()
    }
}

/// Answers one request; says whether the connection may go on.
fn serve(stream: &TcpStream, manner: &Manner, log: &Mutex<Vec<String>>) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream);
    let (mut path, mut range, mut token) = (String::new(), None, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "range" => range = value.trim().strip_prefix("bytes=").map(str::to_owned),
            "authorization" => token = value.trim() == "Bearer hf_secret",
            _ => {}
        }
    }
    let seen = {
        let mut log = log.lock().expect("unpoisoned");
        let from = range.as_deref().and_then(|range| range.strip_suffix('-'));
        let from = from.map(|from| format!(" from={from}")).unwrap_or_default();
        log.push(format!("{path} token={token}{from}"));
        let this = log
            .iter()
            .filter(|line| line.contains(&path) && line.contains("from="));
        this.count()
    };
    let file = path
        .strip_prefix("/owner/name/resolve/abc123/")
        .unwrap_or_default();
    if path == "/api/models/owner/name/revision/abc123?blobs=true" {
        let file = |(name, bytes): &(&str, &[u8])| json!({"rfilename": name, "size": bytes.len()});
        let mut files: Vec<Value> = FILES.iter().map(file).collect();
        files.push(json!({"rfilename": "../evil.json", "size": 4}));
        files.push(json!({"rfilename": "pytorch_model.bin", "size": 4}));
        let body = json!({"siblings": files, "sha": "abc123"}).to_string();
        write!(
            &*stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        return Ok(true);
    }
    if let Manner::Elsewhere(address) = manner {
        write!(
            &*stream,
            "HTTP/1.1 302 Found\r\nLocation: {address}{path}\r\nContent-Length: 0\r\n\r\n"
        )?;
        return Ok(true);
    }
    let Some((_, bytes)) = FILES
        .iter()
        .find(|(name, _)| *name == file && *manner != Manner::Missing)
    else {
        write!(&*stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(true);
    };
    let mut bytes = bytes.to_vec();
    if *manner == Manner::WrongBytes {
        bytes[0] ^= 1;
    }
    let total = bytes.len();
    let (from, to) = range
        .as_deref()
        .and_then(|r| r.split_once('-'))
        .unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let part = &bytes[from..to.parse::<usize>().map_or(total, |to| (to + 1).min(total))];
    let whole = to.is_empty();
    let mut head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}\r\n",
        total - 1
    );
    match manner {
        Manner::NoHeaders => {}
        Manner::Says(what) => head += &format!("ETag: {what}\r\nX-Repo-Commit: {what}\r\n"),
        _ => head += &format!("ETag: \"{}\"\r\nX-Repo-Commit: abc123\r\n", sha256(&bytes)),
    }
    match manner {
        Manner::Endless if whole => {
            write!(&*stream, "{head}Connection: close\r\n\r\n")?;
            loop {
                (&*stream).write_all(&[7; 65_536])?;
            }
        }
        Manner::CutOff | Manner::CutOffOnce
            if whole && (*manner == Manner::CutOff || (seen == 1 && total > 100_000)) =>
        {
            write!(&*stream, "{head}Content-Length: {}\r\n\r\n", part.len())?;
            (&*stream).write_all(&part[..part.len().div_ceil(2)])?;
            Ok(part.len() == 1)
        }
        _ => {
            write!(&*stream, "{head}Content-Length: {}\r\n\r\n", part.len())?;
            (&*stream).write_all(part)?;
            Ok(true)
        }
    }
}

pub const HF: &str = "hf:owner/name@abc123";
