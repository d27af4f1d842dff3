//! What the readers of laws and popularities share: numbers, weights, lists and near names.

/// `name value` or the value alone.
pub(super) fn named(name: &str, text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = match text.strip_prefix(name) {
        Some(rest) => rest.trim_start().trim_start_matches('='),
        None => text,
    };
    match plain_number(number) {
        Ok(number) => Ok(number),
        Err(_) => Err(format!(
            "found `{text}`: write a plain number, as in `{name} 1.5`"
        )),
    }
}

/// `weight: rest`.
pub(super) fn weighted(text: &str) -> Result<(f64, &str), String> {
    match text.split_once(':') {
        Some((weight, rest)) => Ok((share(weight)?, rest)),
        None => Err(format!(
            "`{}` has no weight: write the weight and a colon before it, as in `0.9: {0}`",
            text.trim()
        )),
    }
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match split_number(text.trim()) {
        (Some(number), "") if number >= 0.0 => Ok(number),
        (Some(number), "%") if number >= 0.0 => Ok(number / 100.0),
        _ => Err(format!(
            "found `{}` as a weight: write a number such as `0.9`, `3` or `90%`",
            text.trim()
        )),
    }
}

pub(super) fn plain_number(text: &str) -> Result<f64, String> {
    match split_number(text.trim()) {
        (Some(number), "") => Ok(number),
        _ => Err(format!("found `{}`: write a plain number", text.trim())),
    }
}

/// A finite number (digits may be set apart by `_`) and what follows it.
pub(super) fn split_number(text: &str) -> (Option<f64>, &str) {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let exponent = end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        let fits = match bytes[end] {
            b'0'..=b'9' | b'.' | b'_' => true,
            b'+' | b'-' => end == 0 || exponent,
            b'e' | b'E' => {
                end > 0
                    && bytes[end - 1].is_ascii_digit()
                    && matches!(bytes.get(end + 1), Some(b'0'..=b'9' | b'+' | b'-'))
            }
            _ => false,
        };
        if !fits {
            break;
        }
        end += 1;
    }
    let digits: String = text[..end].chars().filter(|c| *c != '_').collect();
    let number = digits.parse().ok().filter(|number: &f64| number.is_finite());
    (number, text[end..].trim_start())
}

/// Cuts at a sign that stands outside parentheses and, for a plus, outside numbers like `1e+3`.
pub(super) fn split(text: &str, sign: char) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, found) in text.char_indices() {
        match found {
            '(' => depth += 1,
            ')' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Err(format!("`{text}` closes a parenthesis that was not opened")),
            },
            _ if found == sign && depth == 0 && !(sign == '+' && in_exponent(text, at)) => {
                parts.push(text[start..at].trim());
                start = at + found.len_utf8();
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(format!("`{text}` lacks a closing parenthesis"));
    }
    parts.push(text[start..].trim());
    Ok(parts)
}

fn in_exponent(text: &str, at: usize) -> bool {
    let before = text.as_bytes()[..at].last_chunk::<2>();
    let after = text.as_bytes().get(at + 1);
    matches!(before, Some([b'0'..=b'9', b'e' | b'E'])) && matches!(after, Some(b'0'..=b'9'))
}

/// The known name that is close enough to be meant.
pub(super) fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
