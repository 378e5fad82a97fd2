//! Where files come from on this machine, and how far they have come.

/// How far fetching has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    /// The model.
    pub model: String,
    /// What is being fetched: a file, or a package that holds them.
    pub file: String,
    /// Bytes so far.
    pub done: u64,
    /// Bytes in the end; where it is a package, of the files in it.
    pub total: u64,
}

/// Where files come from on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// Address of the model hub; none: the public one that the client library knows.
    pub hub: Option<String>,
    /// Sent to the hub.
    pub hub_token: Option<String>,
    /// The ways to call pip, in the order they are tried: program and first arguments.
    pub pips: Vec<Vec<String>>,
}

impl Origins {
    /// The hub that `HF_ENDPOINT` names (else the public one) with the token `HF_TOKEN`, and the machine's pip.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let pip = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Self {
            hub: variable("HF_ENDPOINT"),
            hub_token: variable("HF_TOKEN"),
            pips: vec![pip(&["pip"]), pip(&["pip3"]), pip(&["python3", "-m", "pip"])],
        }
    }
}

/// Called now and then while files are fetched.
pub type OnProgress<'a> = &'a dyn Fn(&PullProgress);
