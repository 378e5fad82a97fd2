//! A reader of Prometheus' text form that takes nothing on trust: every sample belongs to a family with a
//! type and a help, names end as their type demands, histograms add up.

use std::collections::{BTreeMap, BTreeSet};

use lamplighter_testkit::fleet::Node;

/// The labels of a series, in order.
pub type Labels = BTreeMap<String, String>;

/// What one process told at one time.
#[derive(Debug, Default)]
pub struct Scrape {
    /// `counter`, `gauge` or `histogram`, by family.
    kinds: BTreeMap<String, String>,
    helps: BTreeSet<String>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Scrape {
    /// Asks a process and judges its answer.
    pub async fn of(node: &Node) -> Self {
        let (status, text) = node.page("/metrics").await.expect("an answer");
        assert_eq!(status.as_u16(), 200, "{text}");
        let scrape = Self::read(&text);
        scrape.judge();
        scrape
    }

    fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                let before = scrape.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "a family stands there twice: {name}");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(!help.is_empty() && scrape.helps.insert(name.to_owned()), "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').expect(line);
                let value: f64 = value.parse().expect(line);
                let before = scrape.samples.insert(read_series(series), value);
                assert_eq!(before, None, "a series stands there twice: {line}");
            }
        }
        scrape
    }

    /// The family of a sample, and what the sample is of it (`bucket`, `sum`, `count`, or nothing).
    fn family<'a>(&self, name: &'a str) -> (&'a str, &'a str) {
        for part in ["bucket", "sum", "count"] {
            if let Some(family) = name.strip_suffix(part).and_then(|n| n.strip_suffix('_'))
                && self.kinds.get(family).is_some_and(|kind| kind == "histogram")
            {
                return (family, part);
            }
        }
        (name, "")
    }

    fn judge(&self) {
        for ((name, labels), value) in &self.samples {
            let (family, part) = self.family(name);
            let kind = self.kinds.get(family).map_or("", String::as_str);
            assert!(self.helps.contains(family), "{family} has no help");
            assert!(family.starts_with("lamplighter_"), "{family}");
            match kind {
                "counter" => assert!(family.ends_with("_total") && *value >= 0.0, "{family} {value}"),
                "gauge" => assert!(!family.ends_with("_total"), "{family}"),
                "histogram" => assert!(!part.is_empty() && *value >= 0.0, "{name}"),
                other => panic!("{name} is of type {other:?}"),
            }
            // Who asked and for what never stands there.
            for (label, text) in labels {
                let id = ["job_", "lmp_", "tok_", "usr_", "@"]
                    .iter()
                    .any(|mark| text.contains(mark));
                assert!(!id && text.len() <= 64, "{name} {label}={text}");
            }
        }
        self.judge_histograms();
        assert!(self.samples.len() < 2000, "{} series", self.samples.len());
    }

    fn judge_histograms(&self) {
        let mut buckets = BTreeMap::<(String, Labels), Vec<(f64, f64)>>::new();
        for ((name, labels), value) in &self.samples {
            if let (family, "bucket") = self.family(name) {
                let mut labels = labels.clone();
                let end = labels.remove("le").expect("a bucket has an end");
                let end = end.parse().expect("a number or +Inf");
                buckets
                    .entry((family.to_owned(), labels))
                    .or_default()
                    .push((end, *value));
            }
        }
        for ((family, labels), mut ends) in buckets {
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(
                ends.iter().map(|(_, count)| count).is_sorted(),
                "{family}: {ends:?}"
            );
            let (last, all) = *ends.last().expect("some");
            assert!(last.is_infinite(), "{family} has no last bucket");
            let count = self.samples[&(format!("{family}_count"), labels)];
            assert_eq!(all, count, "{family}");
        }
    }

    /// The sum of all series of this name that carry these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |own: &Labels| {
            let mut wanted = labels.iter();
            wanted.all(|(label, text)| own.get(*label).is_some_and(|t| t == text))
        };
        let name = format!("lamplighter_{name}");
        let fitting = self
            .samples
            .iter()
            .filter(|((n, own), _)| *n == name && fits(own));
        fitting.map(|(_, value)| value).sum()
    }

    /// Fails where something that only grows has shrunk or gone since `earlier`.
    pub fn grew_from(&self, earlier: &Self) {
        for ((name, labels), before) in &earlier.samples {
            let (family, _) = earlier.family(name);
            if earlier.kinds[family] == "gauge" {
                continue;
            }
            let now = self.samples.get(&(name.clone(), labels.clone()));
            assert!(
                now.is_some_and(|now| now >= before),
                "{name} {labels:?}: {before}, then {now:?}"
            );
        }
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.samples.len()
    }
}

/// `name{label="text",…}`; our texts hold neither quotes nor backslashes.
fn read_series(series: &str) -> (String, Labels) {
    let Some((name, rest)) = series.split_once('{') else {
        return (series.to_owned(), Labels::new());
    };
    let inside = rest.strip_suffix('}').expect(series);
    let labels = inside.split("\",").map(|pair| {
        let (label, text) = pair.split_once("=\"").expect(series);
        let text = text.trim_end_matches('"');
        assert!(!text.contains(['"', '\\']), "{series}");
        (label.to_owned(), text.to_owned())
    });
    (name.to_owned(), labels.collect())
}
