//! Two ways to run a program, compared: by pairs of runs, as many as it takes to tell.
//!
//! Times of equal runs differ by a tenth on a machine that others use too, and a limit of some per cent cannot be
//! judged by a fixed number of them. What disturbs one run is likely to disturb its neighbour.

use std::time::{Duration, Instant};

use crate::common::{Preload, Program};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::report::{Line, Verdict};

/// The heading of the cells of a [`compare`].
pub(crate) const METHOD: &str = "seconds, median (the middle half) of runs in pairs; the ratio of a pair, and between \
                                 what it lies by 99 per cent; pairs are run until that is clear of the limit, or \
                                 time is up";
/// How many standard deviations a normal variable stays within with a probability of 99 per cent.
const DEVIATIONS: f64 = 2.576;

/// How long a program takes in one way and in another, which may take `factor` times as long.
pub(crate) fn compare(
    name: &str,
    ways: [(&Program, Preload); 2],
    factor: f64,
    effort: Effort,
) -> Line {
    let least = effort.pick(10, 3);
    let most = Duration::from_secs(effort.pick(150, 10));
    let begin = Instant::now();
    let mut times = [Vec::new(), Vec::new()];
    let ratio = loop {
        // The first of a pair finds what ran before it, the second the first: they take turns.
        let turns = if times[0].len() % 2 == 0 { [0, 1] } else { [1, 0] };
        for way in turns {
            times[way].push(seconds(ways[way]));
        }
        let ratio = Ratio::of(&times);
        let clear = times[0].len() >= least && ratio.is_clear_of(factor);
        if clear || begin.elapsed() > most {
            break ratio;
        }
    };
    eprintln!("{name}: {ratio} in {} pairs", times[0].len());
    let [first, second] = times.map(|times| Figures::of(times).with_spread(1.0, 2));
    let cells = vec![name.to_owned(), first, second, ratio.to_string()];
    Line::judged(cells, Verdict::new(format!("{factor:.2}"), ratio.estimate <= factor))
}

fn seconds((program, preload): (&Program, Preload)) -> f64 {
    let begin = Instant::now();
    program.run(preload).succeeded();
    begin.elapsed().as_secs_f64()
}

/// The second time of a pair divided by the first.
struct Ratio {
    /// The median of the means of any two pairs (Hodges and Lehmann, 1963).
    estimate: f64,
    /// Between these it lies, as far as the signed ranks of the pairs say (Wilcoxon, 1945).
    bounds: [f64; 2],
}

impl Ratio {
    fn of([first, second]: &[Vec<f64>; 2]) -> Self {
        let pairs: Vec<f64> = first.iter().zip(second).map(|(a, b)| (b / a).ln()).collect();
        let with_later = |(i, a)| pairs[i..].iter().map(move |b| (a + b) / 2.0);
        let mut means: Vec<f64> = pairs.iter().enumerate().flat_map(with_later).collect();
        means.sort_by(f64::total_cmp);
        let n = pairs.len() as f64;
        let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
        // Converts to zero if negative: of a few pairs, all lie within the bounds.
        let outside = (n * (n + 1.0) / 4.0 - DEVIATIONS * deviation) as usize;
        let [low, estimate, high] =
            [outside, means.len() / 2, means.len() - 1 - outside].map(|rank| means[rank].exp());
        Self { estimate, bounds: [low, high] }
    }

    fn is_clear_of(&self, limit: f64) -> bool {
        self.bounds[1] <= limit || self.bounds[0] > limit
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { estimate, bounds: [low, high] } = self;
        write!(text, "{estimate:.3} ({low:.3}-{high:.3})")
    }
}
