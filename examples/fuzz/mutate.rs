//! The seeds, and the ways in which a text is spoilt.

use std::path::Path;

/// SplitMix64: input n of a seed is the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, number: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }

    fn of<'a>(&mut self, list: &'a [String]) -> &'a str {
        &list[self.below(list.len())]
    }
}

/// What is shipped, and what it is made of.
pub struct Seeds {
    pub models: Vec<String>,
    /// Those of them that can be run.
    pub shipped: Vec<String>,
    pub experiments: Vec<String>,
    pub tables: Vec<String>,
    /// Rows that `validate` reads.
    pub rows: Vec<String>,
    /// Left and right sides of all `key = value` lines and inline keys.
    keys: Vec<String>,
    values: Vec<String>,
    /// Everything under one header.
    sections: Vec<String>,
}

/// Texts no longer than this are seeds: a check of them takes well under a millisecond.
const LONGEST: usize = 6_000;

fn texts(folder: &Path, ending: &str, out: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            texts(&path, ending, out);
        } else if path.extension().is_some_and(|e| e == ending)
            && let Ok(mut text) = std::fs::read_to_string(&path)
            && (text.len() <= LONGEST || ending != "toml")
        {
            // The first lines of a long recording or log are as good as all of it.
            text.truncate(boundary(&text, LONGEST.min(text.len())));
            out.push(text);
        }
    }
}

impl Seeds {
    pub fn read(root: &Path) -> Seeds {
        let (mut models, mut experiments, mut tables) = (Vec::new(), Vec::new(), Vec::new());
        texts(&root.join("models"), "toml", &mut models);
        let shipped = models.clone();
        texts(&root.join("tests/refusal"), "toml", &mut models);
        // What is shipped comes as often as what is refused.
        for _ in 0..models.len() / (2 * shipped.len().max(1)) {
            models.extend(shipped.iter().cloned());
        }
        texts(&root.join("experiments"), "toml", &mut experiments);
        texts(&root.join("tests"), "csv", &mut tables);
        texts(&root.join("models"), "csv", &mut tables);
        for folder in ["tests", "models"] {
            texts(&root.join(folder), "log", &mut tables);
        }
        let mut rows = Vec::new();
        for page in ["docs/cases.toml", "docs/testbed.toml"] {
            // A few rows at a time, after whatever stands in front of the first.
            let text = std::fs::read_to_string(root.join(page)).unwrap_or_default();
            let pieces: Vec<&str> = text.split("\n[[row]]").collect();
            let head = pieces.first().copied().unwrap_or_default();
            for few in pieces.get(1..).unwrap_or_default().chunks(4) {
                rows.push(format!("{head}\n[[row]]{}", few.join("\n[[row]]")));
            }
        }
        tables.extend(TABLES.iter().map(|t| (*t).to_owned()));
        let mut seeds = Seeds {
            models,
            shipped,
            experiments,
            tables,
            rows,
            keys: Vec::new(),
            values: EXTREME.iter().map(|v| (*v).to_owned()).collect(),
            sections: Vec::new(),
        };
        for text in seeds.models.iter().chain(&seeds.experiments) {
            for section in text.split("\n[") {
                seeds
                    .sections
                    .push(format!("[{}\n", section.trim_start_matches('[')));
            }
            for line in text.lines().filter(|l| !l.starts_with('#')) {
                for piece in line.split(['{', '}', ',']) {
                    if let Some((key, value)) = piece.split_once('=') {
                        seeds.keys.push(key.trim().to_owned());
                        seeds.values.push(value.trim().to_owned());
                    }
                }
            }
        }
        seeds.keys.sort();
        seeds.keys.dedup();
        seeds.values.sort();
        seeds.values.dedup();
        seeds
    }

    /// A text of its own making out of a shipped one.
    pub fn spoilt(&self, dice: &mut Dice, from: &[String]) -> String {
        let mut text = dice.of(from).to_owned();
        let rounds = 1 + (dice.next().trailing_zeros() as usize).min(6);
        for _ in 0..rounds {
            self.spoil(dice, &mut text);
            if text.len() > 200_000 {
                break;
            }
        }
        text
    }

    fn spoil(&self, dice: &mut Dice, text: &mut String) {
        let tokens = tokens(text);
        let token = (!tokens.is_empty()).then(|| tokens[dice.below(tokens.len())]);
        match dice.below(24) {
            // A value becomes another value.
            0..=6 => {
                let values: Vec<_> = tokens.iter().filter(|t| t.2 != Sort::Word).collect();
                if !values.is_empty() {
                    let at = values[dice.below(values.len())];
                    let new = if dice.below(2) == 0 {
                        dice.pick(EXTREME).to_owned()
                    } else {
                        dice.of(&self.values).to_owned()
                    };
                    text.replace_range(at.0..at.1, &new);
                }
            }
            // What stands inside a text becomes something else, mostly a law or a quantity.
            7..=9 => {
                let texts: Vec<_> = tokens
                    .iter()
                    .filter(|t| t.2 == Sort::Text && t.1 - t.0 >= 2)
                    .collect();
                if !texts.is_empty() {
                    let at = texts[dice.below(texts.len())];
                    let (from, to) = (at.0 + 1, at.1 - 1);
                    let new = law(dice, 0).replace(['"', '\''], "");
                    text.replace_range(from..to, &new);
                }
            }
            // A word becomes another key or name of the same file.
            10 | 11 => {
                if let Some((from, to, _)) = token {
                    let new = dice.of(&self.keys).to_owned();
                    text.replace_range(from..to, &new);
                }
            }
            12 | 13 => {
                let (a, b) = (dice.below(tokens.len()), dice.below(tokens.len()));
                if let (Some(a), Some(b)) = (tokens.get(a), tokens.get(b)) {
                    let new = text[b.0..b.1].to_owned();
                    text.replace_range(a.0..a.1, &new);
                }
            }
            // Lines go, come twice, change places.
            14 | 15 => {
                let mut lines: Vec<&str> = text.lines().collect();
                if !lines.is_empty() {
                    let (a, b) = (dice.below(lines.len()), dice.below(lines.len()));
                    match dice.below(4) {
                        0 => drop(lines.remove(a)),
                        1 => lines.insert(b, lines[a]),
                        _ => lines.swap(a, b),
                    }
                    *text = lines.join("\n") + "\n";
                }
            }
            // A table of another file, or a second one of this file under a new name.
            16 | 17 => text.push_str(&format!("\n{}", dice.of(&self.sections))),
            18 => {
                let sections: Vec<&str> = text.split("\n[").collect();
                let again = sections[dice.below(sections.len())].replacen(']', "2]", 1);
                text.push_str(&format!("\n[{again}\n"));
            }
            // A line of a key and a value.
            19 => {
                let line = format!("\n{} = {}\n", dice.of(&self.keys), dice.of(&self.values));
                let ends: Vec<usize> = text.match_indices('\n').map(|m| m.0).collect();
                let at = ends.get(dice.below(ends.len())).copied().unwrap_or(text.len());
                text.insert_str(at, &line);
            }
            // A value is wrapped.
            20 => {
                if let Some((from, to, _)) = token {
                    let inner = text[from..to].to_owned();
                    let new = match dice.below(4) {
                        0 => format!("[{inner}]"),
                        1 => format!("{{ a = {inner} }}"),
                        2 => format!("[{inner}, {inner}]"),
                        _ => format!("{}{inner}{}", "[".repeat(60), "]".repeat(60)),
                    };
                    text.replace_range(from..to, &new);
                }
            }
            21 => {
                let at = boundary(text, dice.below(text.len() + 1));
                text.truncate(at);
            }
            // A piece comes many times.
            22 => {
                let from = boundary(text, dice.below(text.len() + 1));
                let to = boundary(text, (from + dice.below(60)).min(text.len()));
                if from < to {
                    let piece = text[from..to].to_owned();
                    text.insert_str(to, &piece.repeat(1 + dice.below(300)));
                }
            }
            _ => {
                let from = boundary(text, dice.below(text.len() + 1));
                let to = boundary(text, (from + dice.below(8)).min(text.len()));
                let new = match dice.below(3) {
                    0 => dice.pick(ODD).to_owned(),
                    1 => char::from_u32(dice.below(0x11_0000) as u32).map_or(String::new(), String::from),
                    _ => (0..dice.below(6))
                        .map(|_| char::from(dice.below(128) as u8))
                        .collect(),
                };
                text.replace_range(from..to.max(from), &new);
            }
        }
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[derive(Clone, Copy, PartialEq)]
pub enum Sort {
    Text,
    Number,
    Word,
}

/// Begin, end and sort of the texts, numbers and bare words, comments left out.
pub fn tokens(text: &str) -> Vec<(usize, usize, Sort)> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let from = i;
        match bytes[i] {
            b'#' => {
                while i < bytes.len() && bytes[i] != b'\n' {
                    i += 1;
                }
            }
            quote @ (b'"' | b'\'') => {
                i += 1;
                while i < bytes.len() && bytes[i] != quote && bytes[i] != b'\n' {
                    i += 1;
                }
                i = (i + 1).min(bytes.len());
                // A text that never ends may end in the middle of a character.
                if i - from >= 2 && text.is_char_boundary(i - 1) && text.is_char_boundary(i) {
                    out.push((from, i, Sort::Text));
                }
            }
            c if c.is_ascii_alphanumeric() || c == b'-' => {
                while i < bytes.len()
                    && (bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'-' | b'_' | b'.'))
                {
                    i += 1;
                }
                let number = c.is_ascii_digit() || c == b'-';
                out.push((from, i, if number { Sort::Number } else { Sort::Word }));
            }
            _ => i += 1,
        }
    }
    out
}

/// A law as somebody might write it, sound or not.
pub fn law(dice: &mut Dice, depth: u32) -> String {
    let value = |dice: &mut Dice| dice.pick(AMOUNTS).to_owned();
    let inner = |dice: &mut Dice| {
        if depth < 3 && dice.below(3) == 0 {
            law(dice, depth + 1)
        } else {
            dice.pick(AMOUNTS).to_owned()
        }
    };
    let (a, b, c) = (value(dice), value(dice), value(dice));
    match dice.below(16) {
        0 => format!("exp({})", inner(dice)),
        1 => format!("uniform({a}, {b})"),
        2 => format!("triangular({a}, {b}, {c})"),
        3 => format!("normal({a}, {} {b})", dice.pick(&["cv", "sd"])),
        4 => format!("lognormal({a}, {} {b})", dice.pick(&["cv", "sd"])),
        5 => format!("erlang({a}, {b})"),
        6 => format!("gamma({a}, cv {b})"),
        7 => format!("weibull({a}, shape {b})"),
        8 => format!("pareto({a}, alpha {b})"),
        9 => format!("bounded-pareto({a}, {b}, alpha {c})"),
        10 => format!("hyperexp({a}, cv {b})"),
        11 => format!("empirical({a}: {b}, {c}: {})", value(dice)),
        12 => format!("mix({a}: {}, {b}: {})", inner(dice), inner(dice)),
        13 => format!("ceil({a}, {})", inner(dice)),
        14 => format!("{a} + {}", inner(dice)),
        _ => format!(
            "{}({a}, {b})",
            dice.pick(&["zipf", "uniform", "empirical", "list", "Exp", ""])
        ),
    }
}

/// Amounts from nothing to far too much.
pub const AMOUNTS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.5",
    "1.1",
    "2",
    "3",
    "1e-9",
    "1e9",
    "1e18",
    "1e300",
    "1e-300",
    "0s",
    "1ns",
    "0.3ns",
    "1ms",
    "20ms",
    "2s",
    "1h",
    "300000h",
    "1e9h",
    "1e300s",
    "nan",
    "inf",
    "nans",
    "40/s",
    "0/s",
    "1e9/s",
    "1e-9/s",
    "8MiB",
    "0B",
    "1e18B",
    "50%",
    "0%",
    "100%",
    "101%",
    "1 USD",
    "18446744073709551615",
    "9223372036854775807",
    "9223372036854775808",
    "４",
    "",
    "cv 0",
    "1000000",
    "4294967296",
    "65536",
    "65535",
];

/// Values from nothing to far too much, as TOML.
const EXTREME: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "1000",
    "65535",
    "65536",
    "1000000",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "1e9",
    "1e308",
    "-0.0",
    "nan",
    "inf",
    "-inf",
    "0.1",
    "\"\"",
    "\"0s\"",
    "\"1ns\"",
    "\"1e9h\"",
    "\"300000h\"",
    "\"1e-9/s\"",
    "\"1e9/s\"",
    "\"0/s\"",
    "\"0%\"",
    "\"100%\"",
    "\"1e300s\"",
    "\"inf\"",
    "\"8EiB\"",
    "\"pareto(1ms, alpha 1.1)\"",
    "\"pareto(1ms, alpha 0.1)\"",
    "\"lognormal(1ms, cv 100)\"",
    "\"exp(1ns)\"",
    "\"exp(1000h)\"",
    "\"zipf(1000000, 1.1)\"",
    "\"zipf(1e18, 0)\"",
    "\"uniform(0s, 300000h)\"",
    "true",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "1979-05-27",
    "\"a.b.c\"",
    "\"..\"",
    "\"/\"",
    "\"é\"",
    "\"\\u0000\"",
    "\"\\U0001F600\"",
    "'''\n'''",
    "\"-1s\"",
    "[{ at = \"0s\" }]",
    "\"empirical(absent.csv)\"",
    "\"1ms + exp(1ms)\"",
];

const ODD: &[&str] = &[
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\u{1F468}\u{200D}\u{1F469}",
    "\r",
    "\r\n",
    "\t",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\\",
    "e\u{301}",
    "\u{85}",
    "\u{2028}",
    "nan",
    "\n\n",
    "_",
    "-",
];

/// Data files: recorded arrivals, values of laws, pauses, a JVM's log.
const TABLES: &[&str] = &[
    "time\n0.1\n0.2\n0.2\n5\n",
    "0,0\n1e9,1\n",
    "start,length\n0.5,0.01\n1.5,0.2\n",
    "[0.015s][info][gc] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 24M->5M(256M) 3.456ms\n\
     [1.015s][info][gc] GC(1) Pause Full (System.gc()) 24M->5M(256M) 30.456ms\n",
    "[2026-01-01T10:00:00.123+0000][info][gc,phases] GC(0) Y: Pause Mark Start 0.010ms\n",
    "[0.5s] GC(7) Pause Remark 1M->1M(2M) 1e300ms\n[nans] GC(8) Pause Cleanup -1ms\n",
];
