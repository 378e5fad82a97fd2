//! Sentences to embed: always the same, of the lengths that sentences have.

const WORDS: [&str; 64] = [
    "the", "a", "lamp", "of", "and", "street", "to", "in", "worker", "is", "that", "queue", "was", "for",
    "evening", "it", "with", "model", "as", "window", "his", "on", "be", "river", "at", "by", "harbour",
    "had", "not", "she", "are", "but", "from", "morning", "or", "have", "an", "they", "which", "one", "you",
    "were", "letter", "her", "all", "would", "there", "their", "market", "when", "garden", "who", "more",
    "no", "if", "winter", "said", "slowly", "carried", "lit", "number", "question", "answer", "result",
];

/// `count` sentences of 4 to 60 words; the middle one has about 17, and a few are long.
pub fn sentences(count: usize) -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    // xorshift: good enough for words, the same on every machine.
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 33
    };
    (0..count)
        .map(|_| {
            // The product of three even chances leans to the short side, as lengths of sentences do.
            let spread = (0..3)
                .map(|_| 0.4 + (next() % 1000) as f64 / 700.0)
                .product::<f64>();
            let length = ((15.0 * spread) as usize).clamp(4, 60);
            let words: Vec<&str> = (0..length)
                .map(|_| WORDS[next() as usize % WORDS.len()])
                .collect();
            let mut sentence = words.join(" ");
            sentence.push('.');
            sentence
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_sentences() {
        let lengths: Vec<f64> = sentences(2000)
            .iter()
            .map(|s| s.split(' ').count() as f64)
            .collect();
        let (middle, mean) = (
            crate::stats::median(&lengths),
            lengths.iter().sum::<f64>() / 2000.0,
        );
        println!("words: median {middle}, mean {mean}");
        assert!((12.0..20.0).contains(&middle) && (14.0..22.0).contains(&mean));
        assert_eq!(sentences(3), sentences(3));
    }
}
