//! `events` and `diverge`: the trail of a run, and the first event at which two trails part.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::exit::Exit;
use super::{DivergeArgs, EventsArgs, complain, fail, print};
use crate::engine::trail::{Every, run_told};
use crate::engine::{Options, observe::Observations};
use crate::experiment::{Overrides, PointPlan, WarmUp, load_model};
use crate::output::file;
use crate::quantity::SimDuration;

const HEAD: [&str; 6] = ["event", "time_ns", "rank", "number", "what", "digest"];

/// Writes the trail of one replication.
pub fn events(args: &EventsArgs) -> Exit {
    let overrides = Overrides {
        duration: args.duration.map(SimDuration::nanos),
        warm_up: args.warm_up.map(SimDuration::nanos),
        seed: args.seed,
        set: args.set.clone(),
        coin: args.coin,
        ..Overrides::default()
    };
    let loaded = load_model(&args.file, &overrides);
    complain(&loaded.sheets);
    let Some(point) = loaded.experiment.and_then(|e| e.points.into_iter().next()) else {
        return Exit::Impossible;
    };
    let (folder, name) = match (args.out.parent(), args.out.file_name()) {
        (Some(folder), Some(name)) => (folder, name.to_string_lossy()),
        _ => {
            fail(&format!("`{}` is no name of a file", args.out.display()));
            return Exit::Impossible;
        }
    };
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let mut outcome = Ok(());
    let written = file::write(folder, &name, "the trail", |out| {
        outcome = tell(args, &point, out)?;
        Ok(())
    });
    match (outcome, written) {
        (Err(broken), _) => {
            fail(&format!("a bug in plimsoll: {broken}"));
            Exit::Bug
        }
        (_, Err(why)) => {
            fail(&why.to_string());
            Exit::Impossible
        }
        _ => Exit::Done,
    }
}

/// Runs and writes; the inner error is an identity that broke.
fn tell(args: &EventsArgs, point: &PointPlan, out: &mut dyn Write) -> std::io::Result<Result<(), String>> {
    let s = &point.settings;
    let options = Options {
        seed: s.seed,
        replication: args.replication,
        duration: s.duration,
        warm_up: match s.warm_up {
            WarmUp::Told(nanos) => nanos,
            WarmUp::Find | WarmUp::Nothing => 0,
        },
        windows: args.windows,
        coin: s.coin,
        budget: crate::engine::Budget {
            events: args.max_events.unwrap_or(u64::MAX),
            ..s.budget
        },
    };
    let every = Every {
        events: args.every.max(1),
        from: args.from,
        to: args.to.unwrap_or(u64::MAX),
    };
    let mut table = csv::Writer::from_writer(BufWriter::new(out));
    table.write_record(HEAD)?;
    let mut failed = None;
    let ran = run_told(&point.model, &options, every, &mut |row| {
        if failed.is_none() {
            let record = [
                row.event.to_string(),
                row.nanos.to_string(),
                row.rank.to_string(),
                row.number.to_string(),
                row.what,
                format!("{:016x}", row.digest),
            ];
            failed = table.write_record(record).err();
        }
    });
    if let Some(why) = failed {
        return Err(why.into());
    }
    let (seen, digest) = match ran {
        Ok(ran) => ran,
        Err(broken) => return Ok(Err(broken.0)),
    };
    end(&mut table, &seen, digest)?;
    table.flush()?;
    Ok(Ok(()))
}

/// The figures to the last bit: runs of the same events can still be measured differently.
fn end<W: Write>(table: &mut csv::Writer<W>, seen: &Observations, digest: u64) -> csv::Result<()> {
    for f in &seen.figures {
        let what = format!("figure {} {}", f.subject, f.name);
        table.write_record(["", "", "", "", &what, &format!("{:016x}", f.value.to_bits())])?;
    }
    let (events, what) = (seen.events.to_string(), "the end");
    table.write_record([&events, "", "", "", what, &format!("{digest:016x}")])
}

/// Names the first row in which two trails differ.
pub fn diverge(args: &DivergeArgs) -> Exit {
    match compare(&args.one, &args.other) {
        Ok(None) => {
            print("the same to the last event and figure\n");
            Exit::Done
        }
        Ok(Some(text)) => {
            print(&text);
            Exit::NotMet
        }
        Err(why) => {
            fail(&why);
            Exit::Impossible
        }
    }
}

/// A file whose lines are short: a device or a wrong file must not fill the memory.
struct ShortLines {
    file: File,
    line: usize,
}

impl Read for ShortLines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const LONGEST: usize = 1 << 20;
        let n = self.file.read(buffer)?;
        self.line = match buffer[..n].iter().rposition(|b| *b == b'\n') {
            Some(end) => n - end - 1,
            None => self.line + n,
        };
        if self.line > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line is longer than 1 MiB",
            ));
        }
        Ok(n)
    }
}

pub(super) fn compare(one: &Path, other: &Path) -> Result<Option<String>, String> {
    let open = |path: &Path| {
        File::open(path)
            .map(|file| csv::Reader::from_reader(ShortLines { file, line: 0 }))
            .map_err(|why| format!("cannot read the trail `{}`: {why}", path.display()))
    };
    let (mut a, mut b) = (open(one)?, open(other)?);
    for (reader, path) in [(&mut a, one), (&mut b, other)] {
        if reader.headers().map(|h| h.iter().eq(HEAD)).ok() != Some(true) {
            return Err(format!("`{}` is not the trail of a run", path.display()));
        }
    }
    let (mut a, mut b) = (a.records(), b.records());
    let mut same = 0;
    loop {
        let (x, y) = match (a.next().transpose(), b.next().transpose()) {
            (Ok(x), Ok(y)) => (x, y),
            (Err(why), _) => return Err(format!("`{}`: {why}", one.display())),
            (_, Err(why)) => return Err(format!("`{}`: {why}", other.display())),
        };
        if x.is_none() && y.is_none() {
            return Ok(None);
        }
        if x != y {
            return Ok(Some(told(one, x.as_ref(), other, y.as_ref(), same)));
        }
        same = x.as_ref().and_then(event).unwrap_or(same);
    }
}

fn event(row: &csv::StringRecord) -> Option<u64> {
    row.get(0)?.parse().ok()
}

/// `same` is the last event up to which both trails agree.
fn told(
    one: &Path,
    x: Option<&csv::StringRecord>,
    other: &Path,
    y: Option<&csv::StringRecord>,
    same: u64,
) -> String {
    let line = |path: &Path, row: Option<&csv::StringRecord>| match row {
        Some(row) => {
            let field = |i: usize| row.get(i).unwrap_or_default();
            match field(1) {
                "" => format!("  {}: {} {}\n", path.display(), field(4), field(5)),
                time => format!(
                    "  {}: event {} at {time} ns, rank {}, number {}: {} (digest {})\n",
                    path.display(),
                    field(0),
                    field(2),
                    field(3),
                    field(4),
                    field(5)
                ),
            }
        }
        None => format!("  {}: ended before\n", path.display()),
    };
    let mut text = format!("the trails differ:\n{}{}", line(one, x), line(other, y));
    let next = x.and_then(event).into_iter().chain(y.and_then(event)).max();
    if let Some(next) = next.filter(|next| *next > same + 1) {
        text.push_str(&format!(
            "the first event that differs is one of {} to {next}; write both again with --every 1 --from {} --to {next}\n",
            same + 1,
            same + 1
        ));
    }
    text
}
