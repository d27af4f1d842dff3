//! From a value as written to the value that was meant, or the reason why it will not do.

use std::ops::RangeInclusive;

use super::{Form, Item, Table, Value, clipped};
use crate::diagnostic::{Sink, Span, nearest};
use crate::quantity::{Bytes, Money, Quantity, Rate, Share, SimDuration};

/// A value with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// Why a value will not do.
pub(super) struct Refusal {
    pub(super) id: &'static str,
    /// Goes on after the name of the key: "is not a duration".
    pub(super) problem: String,
    pub(super) label: String,
    pub(super) help: String,
}

/// A number as it is written.
fn written(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        _ => String::new(),
    }
}

/// What was found, short enough for a message.
fn found(value: &Value) -> String {
    match value {
        Value::String(text) => format!("found the text \"{}\"", clipped(text)),
        Value::Integer(_) | Value::Float(_) => format!("found the number {}", written(value)),
        Value::Boolean(flag) => format!("found {flag}"),
        other => format!("found {}", other.describe()),
    }
}

pub(super) fn wrong_type(value: &Value, wanted: &str, help: &str) -> Refusal {
    Refusal {
        id: "wrong-type",
        problem: format!("is not {wanted}"),
        label: found(value),
        help: help.to_owned(),
    }
}

pub(super) fn quantity<T: Quantity>(value: &Value) -> Result<T, Refusal> {
    let (id, label) = match value {
        Value::String(text) => match T::read(text) {
            Ok(quantity) => return Ok(quantity),
            Err(problem) => ("bad-quantity", problem),
        },
        Value::Integer(_) | Value::Float(_) => (
            "bad-quantity",
            format!("the number {} has no unit", written(value)),
        ),
        other => ("wrong-type", found(other)),
    };
    Err(Refusal {
        id,
        problem: format!("is not {}", T::NAME),
        label,
        help: T::HELP.to_owned(),
    })
}

pub(super) fn share(value: &Value) -> Result<Share, Refusal> {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        other => return quantity(other),
    };
    Share::from_number(number).map_err(|label| Refusal {
        id: "out-of-range",
        problem: format!("is not {}", Share::NAME),
        label,
        help: Share::HELP.to_owned(),
    })
}

pub(super) fn count(value: &Value, allowed: &RangeInclusive<u64>) -> Result<u64, Refusal> {
    let range = || match (*allowed.start(), *allowed.end()) {
        (least, u64::MAX) => format!("{least} or more"),
        (least, most) => format!("from {least} to {most}"),
    };
    match value {
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(count) if allowed.contains(&count) => Ok(count),
            _ => Err(Refusal {
                id: "out-of-range",
                problem: "is out of range".to_owned(),
                label: format!("found {number}, allowed is {}", range()),
                help: format!("write a whole number, {}", range()),
            }),
        },
        Value::String(text) if text.trim().parse::<u64>().is_ok() => Err(wrong_type(
            value,
            "a whole number",
            &format!("write {} without quotation marks", text.trim()),
        )),
        other => Err(wrong_type(
            other,
            "a whole number",
            &format!("write a whole number, {}", range()),
        )),
    }
}

pub(super) fn number(value: &Value) -> Result<f64, Refusal> {
    match value {
        Value::Integer(number) => Ok(*number as f64),
        Value::Float(number) if number.is_finite() => Ok(*number),
        Value::Float(number) => Err(Refusal {
            id: "out-of-range",
            problem: "is out of range".to_owned(),
            label: format!("found {number}"),
            help: "write a finite number".to_owned(),
        }),
        Value::String(text) if text.trim().parse::<f64>().is_ok_and(f64::is_finite) => Err(wrong_type(
            value,
            "a number",
            &format!("write {} without quotation marks", text.trim()),
        )),
        other => Err(wrong_type(other, "a number", "write a number such as 2 or 0.5")),
    }
}

pub(super) fn boolean(value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Boolean(flag) => Ok(*flag),
        other => Err(wrong_type(
            other,
            "true or false",
            "write true or false, without quotation marks",
        )),
    }
}

pub(super) fn text(value: &Value, form: Form) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) if form == Form::Law => {
            let number = written(value);
            Err(Refusal {
                id: "wrong-type",
                problem: "is not a law".to_owned(),
                label: format!("the number {number} has no unit"),
                help: format!(r#"write it with its unit, as in "{number}ms" or "exp({number}ms)""#),
            })
        }
        other => Err(match form {
            Form::Law => wrong_type(
                other,
                "a law",
                r#"write a law or a constant with its unit, such as "exp(2ms)" or "50ms""#,
            ),
            Form::Name => wrong_type(other, "a name", "write the name of a table, in quotation marks"),
            _ => wrong_type(other, "a text", "write a text in quotation marks"),
        }),
    }
}

pub(super) fn choice(value: &Value, choices: &'static [&'static str]) -> Result<&'static str, Refusal> {
    let help = || format!("write {}", Form::Choice(choices).describe());
    let Value::String(text) = value else {
        return Err(wrong_type(value, "a text", &help()));
    };
    if let Some(known) = choices.iter().find(|known| *known == text) {
        return Ok(known);
    }
    Err(Refusal {
        id: "bad-choice",
        problem: format!("cannot be \"{}\"", clipped(text)),
        label: match nearest(text, choices.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "not one of the choices".to_owned(),
        },
        help: help(),
    })
}

/// Reads single values for which no `Key` is declared, such as those under names the modeller
/// chose. `what` opens the message: "`purchase` in the mix of workload `shoppers`".
impl Item {
    pub(super) fn read<T>(
        &self,
        what: &str,
        sink: &mut Sink,
        convert: impl FnOnce(&Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        convert(&self.value)
            .map_err(|refusal| {
                let message = format!("{what} {}", refusal.problem);
                let mut added = sink
                    .error(self.span.clone(), refusal.id, message)
                    .label(refusal.label);
                if !refusal.help.is_empty() {
                    added.help.push(refusal.help);
                }
            })
            .ok()
    }

    pub fn duration(&self, what: &str, sink: &mut Sink) -> Option<SimDuration> {
        self.read(what, sink, quantity)
    }

    pub fn rate(&self, what: &str, sink: &mut Sink) -> Option<Rate> {
        self.read(what, sink, quantity)
    }

    pub fn bytes(&self, what: &str, sink: &mut Sink) -> Option<Bytes> {
        self.read(what, sink, quantity)
    }

    pub fn money(&self, what: &str, sink: &mut Sink) -> Option<Money> {
        self.read(what, sink, quantity)
    }

    pub fn share(&self, what: &str, sink: &mut Sink) -> Option<Share> {
        self.read(what, sink, share)
    }

    pub fn count(&self, what: &str, sink: &mut Sink) -> Option<u64> {
        self.read(what, sink, |value| count(value, &(0..=u64::MAX)))
    }

    pub fn number(&self, what: &str, sink: &mut Sink) -> Option<f64> {
        self.read(what, sink, number)
    }

    pub fn boolean(&self, what: &str, sink: &mut Sink) -> Option<bool> {
        self.read(what, sink, boolean)
    }

    pub fn text(&self, what: &str, sink: &mut Sink) -> Option<String> {
        self.read(what, sink, |value| text(value, Form::Text))
    }

    pub fn table(&self, what: &str, sink: &mut Sink) -> Option<&Table> {
        self.read(what, sink, |value| match value {
            Value::Table(_) => Ok(()),
            other => Err(wrong_type(other, "a table", "write a table such as { key = 1 }")),
        })?;
        self.as_table()
    }

    /// The text of a law.
    pub fn law(&self, what: &str, sink: &mut Sink) -> Option<String> {
        self.read(what, sink, |value| text(value, Form::Law))
    }

    pub fn list(&self, what: &str, sink: &mut Sink) -> Option<&[Item]> {
        self.list_as(what, "write a list such as [1, 2]", sink)
    }

    /// As [`Item::list`], with what is to be written instead of something else.
    pub fn list_as(&self, what: &str, help: &str, sink: &mut Sink) -> Option<&[Item]> {
        self.read(what, sink, |value| match value {
            Value::Array(_) => Ok(()),
            other => Err(wrong_type(other, "a list", help)),
        })?;
        self.as_array()
    }
}

pub(super) fn zero(value: &Value, wanted: &str, help: &str) -> Refusal {
    Refusal {
        id: "out-of-range",
        problem: "is zero".to_owned(),
        label: format!("{}, must be {wanted}", found(value)),
        help: help.to_owned(),
    }
}
