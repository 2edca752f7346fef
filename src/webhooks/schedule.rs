//! When an event is sent again that was not taken.

use std::time::Duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The pauses between attempts, in seconds; the last attempt is made about a day after the first.
const PAUSES: &[u64] = &[
    5 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    6 * HOUR,
    10 * HOUR,
];

/// The pause after an attempt that failed, the first being 0; none after the last.
///
/// `chance`, from 0 to 1, moves it by up to a tenth either way, so that what failed together does not come
/// back together.
pub(super) fn pause(tries: u32, chance: f64) -> Option<Duration> {
    let seconds = PAUSES.get(usize::try_from(tries).ok()?)?;
    let factor = 0.9 + 0.2 * chance.clamp(0.0, 1.0);
    Some(Duration::from_secs(*seconds).mul_f64(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_over_a_day() {
        let pauses: Vec<Duration> = (0..).map_while(|tries| pause(tries, 0.5)).collect();
        assert_eq!(pauses.len(), 10);
        assert!(pauses.is_sorted());
        let day = Duration::from_secs(24 * HOUR);
        let all: Duration = pauses.iter().sum();
        assert!(all > day.mul_f64(0.95) && all < day, "{all:?}");
    }

    #[test]
    fn chance_moves_them_by_a_tenth_at_most() {
        for (chance, millis) in [(0.0, 4500), (0.5, 5000), (1.0, 5500), (7.0, 5500)] {
            let pause = pause(0, chance).unwrap();
            assert_eq!(pause.as_millis(), millis, "{chance}");
        }
        assert_eq!(pause(u32::MAX, 0.5), None);
    }
}
