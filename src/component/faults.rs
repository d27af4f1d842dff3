//! Reading sets of faults, as `on`, `record` and `ignore` list them.

use crate::diagnostic::{Sink, nearest};
use crate::document::{Item, Reader};
use crate::kernel::{Fault, Faults};

/// Reads a list of faults' names; `absent` where the key is not given.
pub fn read(reader: &mut Reader, key: &str, absent: Faults) -> Option<Faults> {
    if !reader.has(key) {
        return Some(absent);
    }
    let what = format!("a fault in `{key}` of {}", reader.what());
    let items = reader.list(key)?;
    named(items, &what, reader.sink())
}

/// The set that a list names.
pub fn named(items: &[Item], what: &str, sink: &mut Sink) -> Option<Faults> {
    let mut set = Some(Faults::NONE);
    for item in items {
        let Some(name) = item.text(what, sink) else {
            set = None;
            continue;
        };
        let found = Fault::ALL.iter().find(|f| f.name() == name.replace('-', "_"));
        match (found, &mut set) {
            (Some(fault), Some(set)) => set.insert(*fault),
            (Some(_), None) => {}
            (None, _) => {
                let names: Vec<&str> = Fault::ALL.iter().map(|f| f.name()).collect();
                let added = sink.error(
                    item.span.clone(),
                    "unknown-fault",
                    format!("there is no fault `{name}`"),
                );
                let added = match nearest(&name, names.iter().copied()) {
                    Some(near) => added.label(format!("did you mean `{near}`?")),
                    None => added,
                };
                added.help(format!("the faults are `{}`", names.join("`, `")));
                set = None;
            }
        }
    }
    set
}
