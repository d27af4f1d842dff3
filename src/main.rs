//! Exit code only.
fn main() {
    let path = std::env::args().nth(1).unwrap_or_default();
    let seconds: f64 = std::env::args()
        .nth(2)
        .and_then(|s| s.parse().ok())
        .unwrap_or(10.0);
    let source = std::fs::read_to_string(&path).unwrap_or_default();
    let mut sink = plimsoll::diagnostic::Sink::default();
    let model = plimsoll::model::load("m", &source, None, &mut sink);
    eprint!(
        "{}",
        plimsoll::diagnostic::render(sink.diagnostics(), &path, &source, true)
    );
    let Some(model) = model else { std::process::exit(2) };
    println!("{}", model.program.listing());
    let options = plimsoll::engine::Options {
        seed: 1,
        replication: 0,
        duration: (seconds * 1e9) as u64,
        warm_up: (seconds * 1e8) as u64,
        windows: 200,
        coin: false,
        budget: Default::default(),
    };
    let t = std::time::Instant::now();
    let o = plimsoll::engine::run(&model, &options);
    let dt = t.elapsed().as_secs_f64();
    match o {
        Ok(o) => {
            for f in &o.figures {
                println!("{} {} {:.6}", f.subject, f.name, f.value);
            }
            println!(
                "events {} in {dt:.3} s: {:.1} ns/event",
                o.events,
                dt * 1e9 / o.events as f64
            );
        }
        Err(e) => println!("{}", e.0),
    }
}
