//! Labels that must be cut to fit: those that differ go on differing.

use std::collections::BTreeSet;

use crate::output::table::cells;

/// Shares of what is kept that come before the cut. The middle is tried first, since the ends of names tell most.
const PLACES: [f64; 9] = [0.5, 0.4, 0.6, 0.25, 0.75, 0.1, 0.9, 0.0, 1.0];

/// Each text in at most `width` columns of characters.
pub fn apart(texts: &[String], width: usize) -> Vec<String> {
    apart_by(texts, |text| cells(text) <= width)
}

/// Each text cut until it `fits`, all of them at the place that leaves the fewest alike; where some still are, those are
/// cut where they are the same, and numbered if that does not help.
pub fn apart_by(texts: &[String], fits: impl Fn(&str) -> bool) -> Vec<String> {
    let distinct = |texts: &[String]| texts.iter().collect::<BTreeSet<_>>().len();
    let wanted = distinct(texts);
    let mut best: Vec<String> = Vec::new();
    for place in PLACES {
        let cut: Vec<String> = texts.iter().map(|text| cut(text, place, &fits)).collect();
        if best.is_empty() || distinct(&cut) > distinct(&best) {
            best = cut;
        }
        if distinct(&best) == wanted {
            return best;
        }
    }
    let confused =
        |at: &usize| (0..texts.len()).any(|other| best[other] == best[*at] && texts[other] != texts[*at]);
    let alike: BTreeSet<String> = (0..texts.len())
        .filter(confused)
        .map(|at| best[at].clone())
        .collect();
    for shown in alike {
        let members: Vec<usize> = (0..best.len()).filter(|at| best[*at] == shown).collect();
        let group: Vec<&str> = members.iter().map(|at| texts[*at].as_str()).collect();
        let same = shared(&group);
        for at in &members {
            best[*at] = around(&texts[*at], same, &fits);
        }
    }
    if distinct(&best) < wanted {
        number(texts, &mut best, &fits);
    }
    best
}

/// As much of a text as fits, with `…` at this place of what is kept.
fn cut(text: &str, place: f64, fits: &impl Fn(&str) -> bool) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    longest(chars.len().saturating_sub(1), fits, |kept| {
        // Of an odd number the head has the one more, as it is read first.
        let head = (kept as f64 * place).ceil() as usize;
        joined(&chars, head, kept - head)
    })
}

/// How many characters at the start and at the end all texts share.
fn shared(texts: &[&str]) -> (usize, usize) {
    let common = |reversed: bool| {
        let of = |text: &&str| -> Vec<char> {
            let chars = text.chars();
            if reversed {
                chars.rev().collect()
            } else {
                chars.collect()
            }
        };
        let all: Vec<Vec<char>> = texts.iter().map(of).collect();
        let least = all.iter().map(Vec::len).min().unwrap_or(0);
        (0..least)
            .take_while(|at| all.iter().all(|text| text[*at] == all[0][*at]))
            .count()
    };
    let (start, end) = (common(false), common(true));
    // Numbers and words that differ are shown whole.
    let Some(first) = texts.first().map(|text| text.chars().collect::<Vec<_>>()) else {
        return (start, end);
    };
    let word = |at: &usize| first[*at].is_alphanumeric() || first[*at] == '.';
    let back = (0..start).rev().take_while(word).count();
    let on = (first.len() - end..first.len()).take_while(word).count();
    (start - back, end - on)
}

/// A text cut within the longer of the stretches that it shares with others.
fn around(text: &str, (start, end): (usize, usize), fits: &impl Fn(&str) -> bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let all = chars.len();
    let shown = if start >= end {
        longest(start, fits, |kept| joined(&chars, kept, all - start))
    } else {
        longest(end.min(all), fits, |kept| {
            joined(&chars, all - end.min(all), kept)
        })
    };
    if fits(&shown) {
        return shown;
    }
    let differing = &chars[start.min(all)..all - end.min(all - start.min(all))];
    longest(differing.len(), fits, |kept| {
        let middle: String = differing[..kept].iter().collect();
        format!("…{middle}…")
    })
}

/// Gives those that are alike though their texts differ a number at the end.
fn number(texts: &[String], shown: &mut [String], fits: &impl Fn(&str) -> bool) {
    for at in 1..shown.len() {
        let taken = |label: &String, shown: &[String]| {
            (0..at).any(|before| shown[before] == *label && texts[before] != texts[at])
        };
        if let Some(known) = (0..at).find(|before| texts[*before] == texts[at]) {
            shown[at] = shown[known].clone();
            continue;
        }
        let chars: Vec<char> = shown[at].chars().filter(|char| *char != '…').collect();
        let mut next = 2;
        while taken(&shown[at], shown) && next <= shown.len() + 1 {
            shown[at] = longest(chars.len(), fits, |kept| {
                let head: String = chars[..kept].iter().collect();
                format!("{head}…{next}")
            });
            next += 1;
        }
    }
}

fn joined(chars: &[char], head: usize, tail: usize) -> String {
    let (head, tail) = (&chars[..head], &chars[chars.len() - tail..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// What `make` gives for the greatest number up to `most` that fits; for zero if none does.
fn longest(most: usize, fits: &impl Fn(&str) -> bool, make: impl Fn(usize) -> String) -> String {
    let (mut low, mut high) = (0, most + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(&make(middle)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    make(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_to(width: usize, texts: &[&str]) -> Vec<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let shown = apart(&texts, width);
        assert!(shown.iter().all(|text| cells(text) <= width), "{shown:?}");
        for (one, text) in shown.iter().zip(&texts) {
            for (other, against) in shown.iter().zip(&texts) {
                assert_eq!(one == other, text == against, "{shown:?}");
            }
        }
        shown
    }

    #[test]
    fn labels_that_differ_are_cut_where_they_are_alike() {
        // In the middle, as long as that tells them apart.
        assert_eq!(cut_to(8, &["connection", "pool"]), ["conn…ion", "pool"]);
        assert_eq!(
            cut_to(8, &["limit 500/s", "limit 100/s"]),
            ["li…500/s", "li…100/s"]
        );
        assert_eq!(
            cut_to(10, &["lognormal(200ms, cv 0.5)", "lognormal(240ms, cv 0.5)"]),
            ["…200ms…", "…240ms…"]
        );
        cut_to(7, &["2 replicas, none", "2 replicas, one"]);
        cut_to(
            9,
            &["order-a-service", "order-b-service", "order-a-service", "else"],
        );
    }

    #[test]
    fn whatever_the_width_no_two_become_one() {
        for width in 2..20 {
            cut_to(width, &["first attempt", "final", "first contempt", "final"]);
        }
    }
}
