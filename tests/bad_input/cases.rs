//! A kind of bad input, and what it gets. The kinds stand in `bodies` and `requests`.

use lamplighter_testkit::server::Server;
use serde_json::{Value, json};

use crate::{bodies, requests, wire::Body};

/// The code of answers that come from below HTTP's rules, where there is no request to speak of yet.
pub const BARE: &str = "(bare)";

/// What an answer must be.
pub struct Expect {
    pub status: u16,
    pub code: &'static str,
    /// `pointer` or `parameter`, and its value.
    pub place: Option<(&'static str, &'static str)>,
}

/// One kind of bad input.
pub struct Case {
    pub name: &'static str,
    pub head: Vec<u8>,
    pub body: Body,
    pub expect: Expect,
}

/// Makes the cases of one server.
pub struct Maker {
    pub address: String,
    token: String,
    cases: Vec<Case>,
}

pub type Place = Option<(&'static str, &'static str)>;

pub const MALFORMED: (u16, &str) = (400, "malformed_request");
pub const INVALID: (u16, &str) = (422, "validation_failed");
pub const JSON: &str = "Content-Type: application/json\r\n";

impl Maker {
    pub fn head(&self, line: &str, headers: &str) -> Vec<u8> {
        let (address, token) = (&self.address, &self.token);
        format!("{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{headers}")
            .into_bytes()
    }

    pub fn add(
        &mut self,
        name: &'static str,
        head: Vec<u8>,
        body: Body,
        (status, code): (u16, &'static str),
        place: Place,
    ) {
        let expect = Expect { status, code, place };
        self.cases.push(Case {
            name,
            head,
            body,
            expect,
        });
    }

    /// A body for `POST /v1/jobs`.
    pub fn post(
        &mut self,
        name: &'static str,
        body: impl Into<Vec<u8>>,
        answer: (u16, &'static str),
        pointer: Option<&'static str>,
    ) {
        let head = self.head("POST /v1/jobs", JSON);
        let place = pointer.map(|pointer| ("pointer", pointer));
        self.add(name, head, Body::Sized(body.into()), answer, place);
    }

    /// A good body with one field that is not.
    pub fn field(&mut self, name: &'static str, field: &str, value: Value, pointer: &'static str) {
        let mut body = json!({"model": "echo", "input": {}});
        body[field] = value;
        self.post(name, body.to_string(), INVALID, Some(pointer));
    }

    /// A good body with other headers.
    pub fn headers(&mut self, name: &'static str, headers: &str, answer: (u16, &'static str), place: Place) {
        let head = self.head("POST /v1/jobs", headers);
        self.add(name, head, Body::Sized(good()), answer, place);
    }

    /// A request line without a body.
    pub fn line(&mut self, name: &'static str, line: &str, answer: (u16, &'static str), place: Place) {
        let head = self.head(line, "");
        self.add(name, head, Body::None, answer, place);
    }
}

pub fn good() -> Vec<u8> {
    json!({"model": "echo", "input": {"a": 1}})
        .to_string()
        .into_bytes()
}

/// One body of 100 MB that says so.
pub fn large_body(server: &Server) -> Case {
    let maker = maker(server);
    Case {
        name: "100 MB",
        head: maker.head("POST /v1/jobs", JSON),
        body: Body::Blanks(100_000_000),
        expect: Expect {
            status: 413,
            code: "payload_too_large",
            place: None,
        },
    }
}

/// A request that is to be taken, to see that the others are refused for their faults.
pub fn nothing_wrong(server: &Server) -> Case {
    let maker = maker(server);
    Case {
        name: "nothing wrong",
        head: maker.head("POST /v1/jobs", JSON),
        body: Body::Chunked(good()),
        expect: Expect {
            status: 202,
            code: BARE,
            place: None,
        },
    }
}

fn maker(server: &Server) -> Maker {
    Maker {
        address: server.address(),
        token: server.token().to_owned(),
        cases: Vec::new(),
    }
}

/// Every kind.
pub fn all(server: &Server) -> Vec<Case> {
    let mut maker = maker(server);
    bodies::texts(&mut maker);
    bodies::fields(&mut maker);
    bodies::models_input(&mut maker);
    requests::framing(&mut maker);
    requests::headers(&mut maker);
    requests::addresses(&mut maker);
    requests::below_http(&mut maker);
    maker.cases.push(large_body(server));
    maker.cases
}
