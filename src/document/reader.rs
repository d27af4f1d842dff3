//! How the keys of a table are declared, and the reading of one table against them.

use std::ops::RangeInclusive;

use super::{Item, Table, Value, clipped, code};
use crate::diagnostic::{Sink, Span, nearest};
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

pub const fn key(
    name: &'static str,
    form: Form,
    default: Option<&'static str>,
    about: &'static str,
) -> Key {
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

/// A value with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// Why a value will not do.
struct Refusal {
    id: &'static str,
    /// Goes on after the name of the key: "is not a duration".
    problem: String,
    label: String,
    help: String,
}

/// What was found, short enough for a message.
fn found(value: &Value) -> String {
    match value {
        Value::String(text) => format!("found the text \"{}\"", clipped(text)),
        Value::Integer(number) => format!("found the number {number}"),
        Value::Float(number) => format!("found the number {number:?}"),
        Value::Boolean(flag) => format!("found {flag}"),
        other => format!("found {}", other.describe()),
    }
}

fn wrong_type(value: &Value, wanted: &str, help: &str) -> Refusal {
    Refusal {
        id: "wrong-type",
        problem: format!("is not {wanted}"),
        label: found(value),
        help: help.to_owned(),
    }
}

fn quantity<T: Quantity>(value: &Value) -> Result<T, Refusal> {
    let (id, label) = match value {
        Value::String(text) => match T::read(text) {
            Ok(quantity) => return Ok(quantity),
            Err(problem) => ("bad-quantity", problem),
        },
        Value::Integer(number) => ("bad-quantity", format!("the number {number} has no unit")),
        Value::Float(number) => ("bad-quantity", format!("the number {number:?} has no unit")),
        other => ("wrong-type", found(other)),
    };
    Err(Refusal {
        id,
        problem: format!("is not {}", T::NAME),
        label,
        help: T::HELP.to_owned(),
    })
}

fn share(value: &Value) -> Result<Share, Refusal> {
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

fn count(value: &Value, allowed: &RangeInclusive<u64>) -> Result<u64, Refusal> {
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

fn number(value: &Value) -> Result<f64, Refusal> {
    match value {
        Value::Integer(number) => Ok(*number as f64),
        Value::Float(number) if number.is_finite() => Ok(*number),
        Value::Float(number) => Err(Refusal {
            id: "out-of-range",
            problem: "is out of range".to_owned(),
            label: format!("found {number}"),
            help: "write a finite number".to_owned(),
        }),
        other => Err(wrong_type(
            other,
            "a number",
            "write a number such as 2 or 0.5",
        )),
    }
}

fn boolean(value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Boolean(flag) => Ok(*flag),
        other => Err(wrong_type(
            other,
            "true or false",
            "write true or false, without quotation marks",
        )),
    }
}

fn text(value: &Value, form: Form) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(match form {
            Form::Law => wrong_type(
                other,
                "a law",
                r#"write a law or a constant with its unit, such as "exp(2ms)" or "50ms""#,
            ),
            Form::Name => wrong_type(
                other,
                "a name",
                "write the name of a table, in quotation marks",
            ),
            _ => wrong_type(other, "a text", "write a text in quotation marks"),
        }),
    }
}

fn choice(value: &Value, choices: &'static [&'static str]) -> Result<&'static str, Refusal> {
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

/// Reads single values for which no [`Key`] is declared, such as those under names the modeller
/// chose. `what` opens the message: "`purchase` in the mix of workload `shoppers`".
impl Item {
    fn read<T>(
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
            other => Err(wrong_type(
                other,
                "a table",
                "write a table such as { key = 1 }",
            )),
        })?;
        self.as_table()
    }

    pub fn list(&self, what: &str, sink: &mut Sink) -> Option<&[Item]> {
        self.read(what, sink, |value| match value {
            Value::Array(_) => Ok(()),
            other => Err(wrong_type(other, "a list", "write a list such as [1, 2]")),
        })?;
        self.as_array()
    }
}

/// Reads one table against its keys; every problem goes to the sink, none stops the others.
///
/// A value that is present is read or reported; an absent one takes the default of its key; without
/// a default there is none, silently, unless it is asked for with `required`.
pub struct Reader<'a> {
    what: String,
    table: &'a Table,
    keys: &'static [Key],
    sink: &'a mut Sink,
}

impl<'a> Reader<'a> {
    /// Reports unknown keys at once. `what` names the table: "connection pool `orders-db`".
    pub fn new(what: String, table: &'a Table, keys: &'static [Key], sink: &'a mut Sink) -> Self {
        let mut names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        names.sort_unstable();
        let mut told = false;
        for entry in &table.entries {
            if names.binary_search(&entry.key.as_str()).is_ok() {
                continue;
            }
            let message = format!("{what} has no key {}", code(&entry.key));
            let mut added = sink.error(entry.key_span.clone(), "unknown-key", message);
            added = added.label(match nearest(&entry.key, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "not a key of this table".to_owned(),
            });
            if !told {
                let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                added.help(match listed.len() {
                    0 => "it has no keys".to_owned(),
                    1 => format!("its only key is {}", listed[0]),
                    _ => format!("its keys are {}", listed.join(", ")),
                });
                told = true;
            }
        }
        Reader {
            what,
            table,
            keys,
            sink,
        }
    }

    fn key(&self, name: &str) -> &'static Key {
        match self.keys.iter().find(|key| key.name == name) {
            Some(key) => key,
            None => panic!(
                "`{name}` is read from {} but is not declared among its keys",
                self.what
            ),
        }
    }

    fn read<T>(
        &mut self,
        key: &str,
        convert: impl FnOnce(&Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        let declared = self.key(key);
        if let Some(item) = self.table.get(key) {
            return item.read(&format!("`{key}` of {}", self.what), self.sink, convert);
        }
        let default = declared.default?;
        let value = Value::parse(default).map_err(|problem| Refusal {
            id: "bad-default",
            problem: format!("has a default that is not TOML: {problem}"),
            label: String::new(),
            help: String::new(),
        });
        match value.and_then(|value| convert(&value)) {
            Ok(value) => Some(value),
            Err(refusal) => panic!(
                "the default {default} of `{key}` of {} {}: {}",
                self.what, refusal.problem, refusal.label
            ),
        }
    }

    pub fn duration(&mut self, key: &str) -> Option<SimDuration> {
        self.read(key, quantity)
    }

    /// A duration that may not be zero.
    pub fn positive_duration(&mut self, key: &str) -> Option<SimDuration> {
        self.read(key, |value| {
            quantity(value).and_then(|length: SimDuration| match length.is_zero() {
                true => Err(zero(value, "longer than nothing", SimDuration::HELP)),
                false => Ok(length),
            })
        })
    }

    pub fn rate(&mut self, key: &str) -> Option<Rate> {
        self.read(key, quantity)
    }

    /// A rate that may not be zero.
    pub fn positive_rate(&mut self, key: &str) -> Option<Rate> {
        self.read(key, |value| {
            quantity(value).and_then(|rate: Rate| match rate.per_second > 0.0 {
                false => Err(zero(value, "above nothing", Rate::HELP)),
                true => Ok(rate),
            })
        })
    }

    pub fn bytes(&mut self, key: &str) -> Option<Bytes> {
        self.read(key, quantity)
    }

    pub fn money(&mut self, key: &str) -> Option<Money> {
        self.read(key, quantity)
    }

    pub fn share(&mut self, key: &str) -> Option<Share> {
        self.read(key, share)
    }

    pub fn count(&mut self, key: &str) -> Option<u64> {
        self.count_in(key, 0..=u64::MAX)
    }

    pub fn count_in(&mut self, key: &str, allowed: RangeInclusive<u64>) -> Option<u64> {
        self.read(key, |value| count(value, &allowed))
    }

    pub fn number(&mut self, key: &str) -> Option<f64> {
        self.read(key, number)
    }

    pub fn number_in(&mut self, key: &str, allowed: RangeInclusive<f64>) -> Option<f64> {
        self.read(key, |value| match number(value)? {
            number if allowed.contains(&number) => Ok(number),
            number => Err(Refusal {
                id: "out-of-range",
                problem: "is out of range".to_owned(),
                label: format!(
                    "found {number}, allowed is from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
                help: format!(
                    "write a number from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            }),
        })
    }

    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        self.read(key, boolean)
    }

    pub fn text(&mut self, key: &str) -> Option<String> {
        self.read(key, |value| text(value, Form::Text))
    }

    pub fn name(&mut self, key: &str) -> Option<Spanned<String>> {
        let name = self.read(key, |value| text(value, Form::Name))?;
        Some(Spanned {
            value: name,
            span: self.span(key),
        })
    }

    /// The text of a law; its meaning is read elsewhere, with this place.
    pub fn law(&mut self, key: &str) -> Option<Spanned<String>> {
        let law = self.read(key, |value| text(value, Form::Law))?;
        Some(Spanned {
            value: law,
            span: self.span(key),
        })
    }

    /// One of the choices in the key's form.
    pub fn choice(&mut self, key: &str) -> Option<&'static str> {
        let Form::Choice(choices) = self.key(key).form else {
            panic!(
                "`{key}` of {} is read as a choice but declared otherwise",
                self.what
            );
        };
        self.read(key, |value| choice(value, choices))
    }

    /// The value as it stands; a default does not apply.
    pub fn item(&self, key: &str) -> Option<&'a Item> {
        self.key(key);
        self.table.get(key)
    }

    /// The entries of a list; a default does not apply.
    pub fn list(&mut self, key: &str) -> Option<&'a [Item]> {
        let what = format!("`{key}` of {}", self.what);
        self.item(key)?.list(&what, self.sink)
    }

    /// A table within this one; a default does not apply.
    pub fn table(&mut self, key: &str) -> Option<&'a Table> {
        let what = format!("`{key}` of {}", self.what);
        self.item(key)?.table(&what, self.sink)
    }

    /// Reports a key that is absent; says whether it is there.
    pub fn required(&mut self, key: &str) -> bool {
        let form = self.key(key).form;
        if self.has(key) {
            return true;
        }
        let message = format!("{} has no `{key}`", self.what);
        self.sink
            .error(self.table.span.clone(), "missing-key", message)
            .label(format!("`{key}` is needed here"))
            .help(format!("add `{key} = {}`", example(form)));
        false
    }

    /// Whether the key is written in the table.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Of the key's value, or of the table's header if it is absent.
    pub fn span(&self, key: &str) -> Span {
        self.table
            .get(key)
            .map_or_else(|| self.table_span(), |item| item.span.clone())
    }

    /// Of the key itself, or of the table's header if it is absent.
    pub fn key_span(&self, key: &str) -> Span {
        self.table
            .entry(key)
            .map_or_else(|| self.table_span(), |entry| entry.key_span.clone())
    }

    pub fn table_span(&self) -> Span {
        self.table.span.clone()
    }

    pub fn sink(&mut self) -> &mut Sink {
        self.sink
    }

    pub fn what(&self) -> &str {
        &self.what
    }
}

/// The same readings for keys that must be there: `missing-key` if they are not.
macro_rules! required {
    ($($required:ident = $read:ident -> $type:ty;)*) => {
        impl<'a> Reader<'a> {
            $(pub fn $required(&mut self, key: &str) -> Option<$type> {
                if self.required(key) { self.$read(key) } else { None }
            })*
        }
    };
}

required! {
    required_duration = duration -> SimDuration;
    required_rate = rate -> Rate;
    required_bytes = bytes -> Bytes;
    required_money = money -> Money;
    required_share = share -> Share;
    required_count = count -> u64;
    required_number = number -> f64;
    required_boolean = boolean -> bool;
    required_text = text -> String;
    required_name = name -> Spanned<String>;
    required_law = law -> Spanned<String>;
    required_choice = choice -> &'static str;
    required_list = list -> &'a [Item];
    required_table = table -> &'a Table;
}

fn zero(value: &Value, wanted: &str, help: &str) -> Refusal {
    Refusal {
        id: "out-of-range",
        problem: "is zero".to_owned(),
        label: format!("{}, must be {wanted}", found(value)),
        help: help.to_owned(),
    }
}

/// What a value of this form looks like in TOML.
fn example(form: Form) -> String {
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
