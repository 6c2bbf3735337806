//! Figures of several rounds.

/// The least, the middle and the greatest of some figures.
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// All three with so many digits; one where all are the same.
    pub(crate) fn show(&self, digits: usize) -> String {
        let (Some(least), Some(most)) = (self.0.first(), self.0.last()) else {
            return String::from("none");
        };
        let [least, middle, most] =
            [*least, self.median(), *most].map(|figure| format!("{figure:.digits$}"));
        if least == most { middle } else { format!("{least} / {middle} / {most}") }
    }
}
