//! Everything that Redis holds, asked for over the wire: its files may have it compressed.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use crate::stack::Stack;

/// A connection that asks one thing after the other.
struct Connection(BufReader<TcpStream>);

impl Connection {
    /// The strings of an answer, whatever lists they stand in.
    fn ask(&mut self, words: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend_from_slice(word);
            request.extend(b"\r\n");
        }
        self.0.get_mut().write_all(&request).expect("Redis reads");
        let mut strings = Vec::new();
        self.answer(&mut strings);
        strings
    }

    fn answer(&mut self, strings: &mut Vec<Vec<u8>>) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("Redis answers");
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "*" => {
                for _ in 0..rest.parse::<i64>().expect("a count").max(0) {
                    self.answer(strings);
                }
            }
            "$" => {
                let Ok(length) = usize::try_from(rest.parse::<i64>().expect("a length")) else {
                    return;
                };
                let mut text = vec![0; length + 2];
                self.0.read_exact(&mut text).expect("a whole string");
                text.truncate(length);
                strings.push(text);
            }
            "-" => panic!("Redis refuses: {rest}"),
            _ => strings.push(rest.as_bytes().to_vec()),
        }
    }
}

/// How many keys there are, and all that is in them, each with its name.
pub fn contents(stack: &Stack) -> (usize, Vec<u8>) {
    let mut redis = Connection(BufReader::new(stack.redis()));
    let mut keys = Vec::new();
    let mut cursor = b"0".to_vec();
    loop {
        let mut page = redis.ask(&[b"SCAN", &cursor, b"COUNT", b"1000"]).into_iter();
        cursor = page.next().expect("a cursor");
        keys.extend(page);
        if cursor == b"0" {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    let mut all = Vec::new();
    for key in &keys {
        let kind = redis.ask(&[b"TYPE", key]).pop().unwrap_or_default();
        let held = match kind.as_slice() {
            b"string" => redis.ask(&[b"GET", key]),
            b"hash" => redis.ask(&[b"HGETALL", key]),
            b"list" => redis.ask(&[b"LRANGE", key, b"0", b"-1"]),
            b"set" => redis.ask(&[b"SMEMBERS", key]),
            b"zset" => redis.ask(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]),
            b"stream" => redis.ask(&[b"XRANGE", key, b"-", b"+"]),
            // It ran out meanwhile.
            b"none" => Vec::new(),
            other => panic!("a key of the kind {}", String::from_utf8_lossy(other)),
        };
        all.extend_from_slice(key);
        for text in held {
            all.push(b'\n');
            all.extend(text);
        }
        all.push(b'\n');
    }
    (keys.len(), all)
}
