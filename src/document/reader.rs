//! The reading of one table against its keys.

use std::ops::RangeInclusive;

use super::convert::{Refusal, boolean, choice, count, number, quantity, share, text, zero};
use super::key::{STEPS, example};
use super::{Form, Item, Key, Spanned, Table, Value, code};
use crate::diagnostic::{Sink, Span, nearest};
use crate::quantity::{Bytes, Money, Quantity, Rate, Share, SimDuration};

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

    /// The key, which the documentation describes in the same form in which it is read.
    fn declared(&self, name: &str, form: Form) -> &'static Key {
        let key = self.key(name);
        let agrees = match form {
            Form::List => matches!(key.form, Form::List | Form::Steps),
            Form::Text => matches!(key.form, Form::Text | Form::Name | Form::Law),
            Form::Number => matches!(key.form, Form::Number | Form::Count),
            form => key.form == form,
        };
        debug_assert!(
            agrees || key.form == Form::Value,
            "`{name}` of {} is read as {} but declared as {}",
            self.what,
            form.describe(),
            key.form.describe()
        );
        key
    }

    fn read<T>(
        &mut self,
        key: &str,
        form: Form,
        convert: impl FnOnce(&Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        let declared = self.declared(key, form);
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
        self.read(key, Form::Duration, quantity)
    }

    /// A duration that may not be zero.
    pub fn positive_duration(&mut self, key: &str) -> Option<SimDuration> {
        self.read(key, Form::Duration, |value| {
            quantity(value).and_then(|length: SimDuration| match length.is_zero() {
                true => Err(zero(value, "longer than nothing", SimDuration::HELP)),
                false => Ok(length),
            })
        })
    }

    pub fn rate(&mut self, key: &str) -> Option<Rate> {
        self.read(key, Form::Rate, quantity)
    }

    /// A rate that may not be zero.
    pub fn positive_rate(&mut self, key: &str) -> Option<Rate> {
        self.read(key, Form::Rate, |value| {
            quantity(value).and_then(|rate: Rate| match rate.per_second > 0.0 {
                false => Err(zero(value, "above nothing", Rate::HELP)),
                true => Ok(rate),
            })
        })
    }

    pub fn bytes(&mut self, key: &str) -> Option<Bytes> {
        self.read(key, Form::Bytes, quantity)
    }

    pub fn money(&mut self, key: &str) -> Option<Money> {
        self.read(key, Form::Money, quantity)
    }

    pub fn share(&mut self, key: &str) -> Option<Share> {
        self.read(key, Form::Share, share)
    }

    pub fn count(&mut self, key: &str) -> Option<u64> {
        self.count_in(key, 0..=u64::MAX)
    }

    pub fn count_in(&mut self, key: &str, allowed: RangeInclusive<u64>) -> Option<u64> {
        self.read(key, Form::Count, |value| count(value, &allowed))
    }

    pub fn number(&mut self, key: &str) -> Option<f64> {
        self.read(key, Form::Number, number)
    }

    pub fn number_in(&mut self, key: &str, allowed: RangeInclusive<f64>) -> Option<f64> {
        self.read(key, Form::Number, |value| match number(value)? {
            number if allowed.contains(&number) => Ok(number),
            number => Err(Refusal {
                id: "out-of-range",
                problem: "is out of range".to_owned(),
                label: format!(
                    "found {number}, allowed is from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
                help: format!("write a number from {} to {}", allowed.start(), allowed.end()),
            }),
        })
    }

    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        self.read(key, Form::Boolean, boolean)
    }

    pub fn text(&mut self, key: &str) -> Option<String> {
        self.read(key, Form::Text, |value| text(value, Form::Text))
    }

    pub fn name(&mut self, key: &str) -> Option<Spanned<String>> {
        let name = self.read(key, Form::Name, |value| text(value, Form::Name))?;
        Some(Spanned {
            value: name,
            span: self.span(key),
        })
    }

    /// The text of a law; its meaning is read elsewhere, with this place.
    pub fn law(&mut self, key: &str) -> Option<Spanned<String>> {
        let law = self.read(key, Form::Law, |value| text(value, Form::Law))?;
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
        self.read(key, Form::Choice(choices), |value| choice(value, choices))
    }

    /// The value as it stands; a default does not apply.
    pub fn item(&self, key: &str) -> Option<&'a Item> {
        self.key(key);
        self.table.get(key)
    }

    /// The entries of a list; a default does not apply.
    pub fn list(&mut self, key: &str) -> Option<&'a [Item]> {
        self.declared(key, Form::List);
        let what = format!("`{key}` of {}", self.what);
        let help = match self.key(key).form {
            Form::Steps => format!("write `{key} = {STEPS}`"),
            _ => "write a list such as [1, 2]".to_owned(),
        };
        self.item(key)?.list_as(&what, &help, self.sink)
    }

    /// The tables under `[[key]]`; a default does not apply.
    pub fn tables(&mut self, key: &str) -> Option<&'a [Item]> {
        self.declared(key, Form::List);
        let what = format!("`{key}` of {}", self.what);
        let help = format!("write [[{key}]], with two brackets, above the keys of each");
        self.item(key)?.list_as(&what, &help, self.sink)
    }

    /// A table within this one; a default does not apply.
    pub fn table(&mut self, key: &str) -> Option<&'a Table> {
        self.declared(key, Form::Table);
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

#[cfg(test)]
mod tests;
