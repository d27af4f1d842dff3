//! When Linux sends again what was not answered.

/// One second, nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// The least time before data is sent again (`TCP_RTO_MIN`, 200 ms); it doubles from try to try up to 120 s (`TCP_RTO_MAX`).
const LEAST: u64 = SECOND / 5;
const MOST: u64 = 120 * SECOND;
/// How often data is sent again (`tcp_retries2`, 15).
pub const DATA_RETRIES: u32 = 15;

/// Gaps before a SYN is sent again and before its sender gives up, in nanoseconds: `linear` gaps of 1 s, then `retries` gaps of
/// 1, 2, 4 … s and a last wait twice the last of them (tcp(7), `tcp_syn_retries`, 6; `tcp_syn_linear_timeouts`, new in
/// Linux 6.5). No gap is longer than 120 s.
pub fn syn_gaps(linear: u32, retries: u32) -> Vec<u64> {
    (0..linear)
        .map(|_| 1)
        .chain((0..=retries).map(|i| (1u64 << i.min(7)).min(120)))
        .map(|gap| gap * SECOND)
        .collect()
}

/// How long data waits for its `tried`-th repetition, counted from zero.
pub fn data_gap(tried: u32) -> u64 {
    (LEAST << tried.min(10)).min(MOST)
}

/// When a timer set now goes off after `gap`. A kernel with ticks keeps timers in a wheel whose steps grow with their distance
/// (`kernel/time/timer.c`): below 63 ticks they are one tick wide, below 504 eight, below 4032 sixty-four and so on, and a timer goes
/// off at the end of its step. Without ticks it goes off on time.
pub fn goes_off(now: u64, gap: u64, tick: u64) -> u64 {
    if tick == 0 {
        return now.saturating_add(gap);
    }
    let distance = gap / tick;
    let mut shift = 0;
    while distance >= 63 << shift && shift < 24 {
        shift += 3;
    }
    let expires = now / tick + distance;
    (((expires + (1 << shift)) >> shift) << shift).saturating_mul(tick)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syn_is_sent_again_as_linux_does() {
        let at = |linear, retries| -> Vec<u64> {
            let gaps = syn_gaps(linear, retries);
            gaps.iter()
                .scan(0, |sum, gap| {
                    *sum += gap;
                    Some(*sum / SECOND)
                })
                .collect()
        };
        assert_eq!(at(0, 6), [1, 3, 7, 15, 31, 63, 127]);
        // Linux 6.5 and later: 67 s to the last one, 131 s to the end (Documentation/networking/ip-sysctl.rst).
        assert_eq!(at(4, 6), [1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 131]);
    }

    #[test]
    fn data_is_sent_again_after_a_fifth_of_a_second_and_then_twice_as_long() {
        let gaps: Vec<u64> = (0..4).map(|i| data_gap(i) / 1_000_000).collect();
        assert_eq!(gaps, [200, 400, 800, 1600]);
        assert_eq!(data_gap(14), MOST);
    }

    #[test]
    fn timers_go_off_at_the_end_of_a_step_of_the_wheel() {
        let tick = 4_000_000;
        let at = |now: u64, gap: u64| goes_off(now * 1_000_000, gap * 1_000_000, tick) / 1_000_000;
        // 250 ticks from now: steps of eight ticks.
        assert_eq!(at(0, 1000), 1024);
        assert_eq!(at(23, 1000), 1024);
        assert_eq!(at(24, 1000), 1056);
        // 1000 ticks: steps of sixty-four.
        assert_eq!(at(0, 4000), 4096);
        assert_eq!(at(100, 4000), 4352);
        // 50 ticks: one.
        assert_eq!(at(0, 200), 204);
        assert_eq!(goes_off(5, 7, 0), 12);
        // Whatever the ticks, no step of the wheel has more of them than 2^24.
        let ticks = 1_100_000_000u64;
        assert_eq!(
            goes_off(0, 100 * ticks, 100),
            (ticks / (1 << 24) + 1) * (1 << 24) * 100
        );
    }
}
