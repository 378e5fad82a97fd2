//! From messages to the text that a model was trained to see: the template in its file, in Jinja as
//! transformers reads it. A template comes from a stranger: its steps, its depth and what it writes are bounded,
//! and it sees nothing but the messages, the names of tokens and the date.

use std::{collections::BTreeMap, io};

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior, Value, filters, syntax::SyntaxConfig, value::Kwargs,
};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::date;

/// The longest template, bytes.
const MAX_SOURCE: usize = 256 << 10;

/// Steps of one rendering; the engine counts what filters go through, too.
const FUEL: u64 = 2_000_000;

/// Calls and loops in each other.
const DEPTH: usize = 64;

/// What one rendering may write beyond twice its messages, bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// Whose it is.
    pub role: &'static str,
    /// What it says.
    pub content: String,
}

/// A template, parsed.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    names: BTreeMap<&'static str, String>,
}

impl Template {
    /// Parses a template. `names` are those of tokens (`bos_token`), `now` gives seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(
        source: String,
        names: BTreeMap<&'static str, String>,
        now: fn() -> i64,
    ) -> Result<Self, String> {
        if source.len() > MAX_SOURCE {
            return Err(format!("it has {} bytes; the most is {MAX_SOURCE}", source.len()));
        }
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().map_err(|e| e.to_string())?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_filter("tojson", tojson);
        environment.add_function("raise_exception", |message: String| {
            Err::<String, Error>(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", move |format: String| date::format(now(), &format));
        environment.add_template_owned("chat", source).map_err(|e| e.to_string())?;
        Ok(Self { environment, names })
    }

    /// The text of these messages, and the beginning of the answer to them.
    ///
    /// # Errors
    /// What the template has against them, or which bound it met.
    pub(super) fn render(&self, messages: &[Message]) -> Result<String, String> {
        let message = |message: &Message| {
            let fields = [("role", message.role), ("content", message.content.as_str())];
            Value::from(BTreeMap::from(fields.map(|(name, text)| (name, Value::from(text)))))
        };
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let mut context: BTreeMap<&str, Value> =
            self.names.iter().map(|(name, token)| (*name, Value::from(token.as_str()))).collect();
        context.insert("messages", messages.iter().map(message).collect());
        context.insert("add_generation_prompt", true.into());
        for absent in ["tools", "documents"] {
            context.insert(absent, ().into());
        }
        let mut out = Bounded {
            text: Vec::new(),
            left: MAX_OUTPUT + 2 * bytes,
        };
        let template = self.environment.get_template("chat").map_err(|e| sentence(&e))?;
        template.render_captured_to(Value::from(context), &mut out).map_err(|e| sentence(&e))?;
        String::from_utf8(out.text).map_err(|e| e.to_string())
    }
}

/// As `json.dumps` writes it: the engine's own filter writes for pages, and hides what could be a tag.
fn tojson(value: &Value, indent: Option<Value>, args: Kwargs) -> Result<Value, Error> {
    let hidden = filters::tojson(value, indent, args)?;
    let mut rest = hidden.as_str().unwrap_or_default();
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let codes = [("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&"), ("\\u0027", "'")];
        let (code, shown) = codes.into_iter().find(|(code, _)| rest.starts_with(code)).unwrap_or_else(|| {
            // Another code, or a backslash of the text: two characters that belong together.
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
            (&rest[..end], &rest[..end])
        });
        out.push_str(shown);
        rest = &rest[code.len()..];
    }
    out.push_str(rest);
    Ok(out.into())
}

/// An error of the engine without the place, which is no business of whoever sent messages.
fn sentence(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps".to_owned(),
        (ErrorKind::WriteFailure, _) => "it writes too much".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    }
}

/// Takes so many bytes and no more.
struct Bounded {
    text: Vec<u8>,
    left: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("the output is too long"))?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        now: i64,
        names: BTreeMap<String, String>,
        templates: Vec<Source>,
        conversations: Vec<Vec<Said>>,
        renderings: Vec<Rendering>,
    }

    #[derive(Deserialize)]
    struct Source {
        name: String,
        source: String,
    }

    #[derive(Deserialize)]
    struct Said {
        role: String,
        content: String,
    }

    #[derive(Deserialize)]
    struct Rendering {
        template: usize,
        conversation: usize,
        text: Option<String>,
        error: Option<String>,
    }

    const NOW: i64 = 1_764_547_200;

    fn messages(said: &[Said]) -> Vec<Message> {
        let message = |said: &Said| Message {
            role: ["system", "user", "assistant"].into_iter().find(|r| **r == said.role).expect("a role"),
            content: said.content.clone(),
        };
        said.iter().map(message).collect()
    }

    fn names() -> BTreeMap<&'static str, String> {
        BTreeMap::from([("bos_token", "<s>".to_owned()), ("eos_token", "</s>".to_owned())])
    }

    fn hello() -> Vec<Message> {
        vec![Message {
            role: "user",
            content: "Hello".to_owned(),
        }]
    }

    fn render(source: &str) -> Result<String, String> {
        Template::new(source.to_owned(), names(), || NOW)?.render(&hello())
    }

    #[test]
    fn templates_render_as_transformers_renders_them() {
        let golden = include_str!("../../../tests/fixtures/chat_templates.json");
        let golden: Golden = serde_json::from_str(golden).expect("the fixture");
        assert_eq!(golden.now, NOW);
        assert_eq!(golden.names.get("bos_token").map(String::as_str), Some("<s>"));
        assert!(golden.renderings.len() >= 30, "{}", golden.renderings.len());
        for rendering in &golden.renderings {
            let source = &golden.templates[rendering.template];
            let template = Template::new(source.source.clone(), names(), || NOW).expect(&source.name);
            let conversation = messages(&golden.conversations[rendering.conversation]);
            let place = format!("{} {}", source.name, rendering.conversation);
            match (template.render(&conversation), &rendering.text, &rendering.error) {
                (Ok(text), Some(expected), _) => assert_eq!(text, *expected, "{place}"),
                (Err(error), _, Some(expected)) => assert_eq!(error, *expected, "{place}"),
                (got, expected, _) => panic!("{place}: {got:?} for {expected:?}"),
            }
        }
    }

    #[test]
    fn a_template_can_not_run_for_ever() {
        let started = std::time::Instant::now();
        let cases = [
            ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "too many"),
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
            ("{{ 'x' * 100000000000 }}", ""),
            ("{% for a in range(9000) %}{{ messages[0]['content'] * 4000 }}{% endfor %}", ""),
            ("{% set ns = namespace(x='ab') %}{% for a in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}", ""),
        ];
        for (source, says) in cases {
            let error = render(source).expect_err(source);
            assert!(error.contains(says), "{source}: {error}");
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    #[test]
    fn a_template_that_is_none_is_an_error() {
        assert!(render("{% if %}").is_err());
        assert!(render(&"x".repeat(MAX_SOURCE + 1)).expect_err("too long").contains("bytes"));
        assert!(render(&"{% if true %}".repeat(10_000)).is_err());
        assert!(render(&format!("{{{{ {} 1 }}}}", "(".repeat(100_000))).is_err());
    }

    #[test]
    fn a_template_sees_no_files_and_no_other_templates() {
        for source in ["{% include 'chat' %}", "{% extends '/etc/passwd' %}", "{% import '/etc/passwd' as x %}"] {
            assert!(render(source).is_err(), "{source}");
        }
    }
}
