//! Medians and percentiles of what was measured.

/// Measured values in ascending order; at least one.
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// All values of all lists.
    pub(crate) fn pooled(lists: Vec<Self>) -> Self {
        Self::of(lists.into_iter().flat_map(|list| list.0).collect())
    }

    /// The value that `percent` of the values do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The median, and between which values the middle half of all lies, in units of `1 / scale`.
    pub(crate) fn with_spread(&self, scale: f64, decimals: usize) -> String {
        let [median, low, high] = [50, 25, 75].map(|percent| self.percentile(percent) * scale);
        format!("{median:.decimals$} ({low:.decimals$}-{high:.decimals$})")
    }
}
