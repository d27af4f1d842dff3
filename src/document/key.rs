//! How the keys of a table are declared.

use super::Value;
use super::convert::{boolean, choice, count, number, quantity, share, text, wrong_type};
use crate::quantity::{Bytes, Money, Quantity, Rate, Share, SimDuration};

/// How a key of a table is declared, once: read by the checker, by the documentation and by
/// "did you mean".
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Key {
    pub name: &'static str,
    pub form: Form,
    /// As it would be written in TOML: `"30s"` with its quotation marks, `200` without.
    pub default: Option<&'static str>,
    /// One line, with the source of the default.
    pub about: &'static str,
}

/// What a key may hold.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Form {
    Duration,
    Rate,
    Bytes,
    Share,
    Money,
    /// A whole number from zero up.
    Count,
    Number,
    Boolean,
    Text,
    /// The name of another table.
    Name,
    Choice(&'static [&'static str]),
    /// A law of chance such as `"exp(2ms)"`; what it means is read elsewhere.
    Law,
    Steps,
    List,
    Table,
    /// Anything; read elsewhere.
    Value,
}

pub const fn key(name: &'static str, form: Form, default: Option<&'static str>, about: &'static str) -> Key {
    Key {
        name,
        form,
        default,
        about,
    }
}

impl Form {
    /// In words for the documentation, such as "a duration".
    pub fn describe(&self) -> String {
        match self {
            Form::Duration => SimDuration::NAME.to_owned(),
            Form::Rate => Rate::NAME.to_owned(),
            Form::Bytes => Bytes::NAME.to_owned(),
            Form::Share => Share::NAME.to_owned(),
            Form::Money => Money::NAME.to_owned(),
            Form::Count => "a whole number".to_owned(),
            Form::Number => "a number".to_owned(),
            Form::Boolean => "true or false".to_owned(),
            Form::Text => "a text".to_owned(),
            Form::Name => "the name of a table".to_owned(),
            Form::Choice(choices) => {
                let quoted: Vec<String> = choices.iter().map(|c| format!("\"{c}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Form::Law => "a law".to_owned(),
            Form::Steps => "a list of steps".to_owned(),
            Form::List => "a list".to_owned(),
            Form::Table => "a table".to_owned(),
            Form::Value => "a value".to_owned(),
        }
    }
}

impl Key {
    /// Whether the declaration itself holds: its default is TOML and of its form. For tests.
    ///
    /// # Errors
    /// Says what is wrong with the default.
    pub fn check(&self) -> Result<(), String> {
        let Some(default) = self.default else {
            return Ok(());
        };
        let value = Value::parse(default)?;
        let refusal = match self.form {
            Form::Duration => quantity::<SimDuration>(&value).err(),
            Form::Rate => quantity::<Rate>(&value).err(),
            Form::Bytes => quantity::<Bytes>(&value).err(),
            Form::Money => quantity::<Money>(&value).err(),
            Form::Share => share(&value).err(),
            Form::Count => count(&value, &(0..=u64::MAX)).err(),
            Form::Number => number(&value).err(),
            Form::Boolean => boolean(&value).err(),
            Form::Text | Form::Name | Form::Law => text(&value, self.form).err(),
            Form::Choice(choices) => choice(&value, choices).err(),
            Form::Steps | Form::List => match value {
                Value::Array(_) => None,
                other => Some(wrong_type(&other, "a list", "")),
            },
            Form::Table => match value {
                Value::Table(_) => None,
                other => Some(wrong_type(&other, "a table", "")),
            },
            Form::Value => None,
        };
        match refusal {
            Some(refusal) => Err(format!("{}: {}", refusal.problem, refusal.label)),
            None => Ok(()),
        }
    }
}

/// A list of steps.
pub const STEPS: &str = "[{ cpu = \"2ms\" }]";

/// What a value of this form looks like in TOML.
pub(super) fn example(form: Form) -> String {
    match form {
        Form::Duration => "\"200ms\"".to_owned(),
        Form::Rate => "\"40/s\"".to_owned(),
        Form::Bytes => "\"8MiB\"".to_owned(),
        Form::Share => "\"62%\"".to_owned(),
        Form::Money => "\"12 USD\"".to_owned(),
        Form::Count => "10".to_owned(),
        Form::Number => "1.5".to_owned(),
        Form::Boolean => "true".to_owned(),
        Form::Text | Form::Value => "\"…\"".to_owned(),
        Form::Name => "\"its name\"".to_owned(),
        Form::Choice(choices) => format!("\"{}\"", choices.first().copied().unwrap_or("…")),
        Form::Law => "\"exp(2ms)\"".to_owned(),
        Form::Steps | Form::List => "[…]".to_owned(),
        Form::Table => "{ … }".to_owned(),
    }
}
