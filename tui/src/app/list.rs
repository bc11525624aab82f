//! A list that a person moves through: what is chosen, which rows pass the filter, by which column they stand.

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// By name; the first row when it is gone.
    pub chosen: Option<String>,
    /// A row passes when it contains the text, in any case; with `!` before it, when it does not.
    pub filter: String,
    /// By the title of the column; without it by name.
    pub sort: Option<&'static str>,
    pub turned: bool,
}

impl List {
    pub(crate) fn place(&self, names: &[String]) -> usize {
        let chosen = self.chosen.as_deref();
        chosen
            .and_then(|chosen| names.iter().position(|name| name == chosen))
            .unwrap_or(0)
    }

    pub(super) fn go(&mut self, steps: isize, names: &[String]) {
        let last = names.len().saturating_sub(1);
        let place = self.place(names).saturating_add_signed(steps).min(last);
        self.chosen = names.get(place).cloned();
    }

    /// The column after this one, and by name after the last.
    pub(super) fn sort_next(&mut self, titles: &[&'static str]) {
        let next = match self.sort {
            None => 0,
            Some(now) => titles
                .iter()
                .position(|title| *title == now)
                .map_or(0, |n| n + 1),
        };
        self.sort = titles.get(next).copied();
        self.turned = false;
    }

    /// `words` are what a row shows.
    pub(crate) fn passes<'a>(&self, mut words: impl Iterator<Item = &'a str>) -> bool {
        let (inverse, wanted) = match self.filter.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, self.filter.as_str()),
        };
        if wanted.is_empty() {
            return true;
        }
        let wanted = wanted.to_lowercase();
        words.any(|word| word.to_lowercase().contains(&wanted)) != inverse
    }
}
