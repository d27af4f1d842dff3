//! Sets of faults, as `on`, `record` and `ignore` list them.

use crate::diagnostic::nearest;
use crate::document::Reader;
use crate::kernel::Fault;

/// A set of faults.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    pub const ALL: Faults = Faults(u32::MAX);
    pub const NONE: Faults = Faults(0);

    pub fn contains(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// Reads a list of faults' names; `absent` where the key is not given.
    pub fn read(reader: &mut Reader, key: &str, absent: Faults) -> Option<Faults> {
        if !reader.has(key) {
            return Some(absent);
        }
        let what = format!("a fault in `{key}` of {}", reader.what());
        let mut set = Some(Faults::NONE);
        for item in reader.list(key)? {
            let Some(name) = item.text(&what, reader.sink()) else {
                set = None;
                continue;
            };
            let found = Fault::ALL.iter().find(|f| f.name() == name.replace('-', "_"));
            match (found, &mut set) {
                (Some(fault), Some(set)) => set.0 |= 1 << *fault as u32,
                (Some(_), None) => {}
                (None, _) => {
                    let names: Vec<&str> = Fault::ALL.iter().map(|f| f.name()).collect();
                    let added = reader.sink().error(
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
}
