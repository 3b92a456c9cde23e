//! A place in a list whose rows come and go.

/// The chosen row, by its identity: a row that comes in above does not move the choice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cursor<K> {
    chosen: Option<K>,
    index: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { chosen: None, index: 0 }
    }
}

/// Where to go in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    /// So many rows down, or up where negative.
    By(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// Returns the chosen row's index. A row that is gone leaves the choice to whatever took its place; without a
    /// choice it is the first row.
    pub(crate) fn index(&self, rows: &[K]) -> Option<usize> {
        let last = rows.len().checked_sub(1)?;
        let found = self.chosen.as_ref().and_then(|chosen| rows.iter().position(|row| row == chosen));
        Some(found.unwrap_or(self.index.min(last)))
    }

    /// Returns the chosen row.
    pub(crate) fn row<'a>(&self, rows: &'a [K]) -> Option<&'a K> {
        rows.get(self.index(rows)?)
    }

    /// Moves. Returns whether it wanted to go beyond the last row.
    pub(crate) fn go(&mut self, rows: &[K], motion: Motion) -> bool {
        let Some(index) = self.index(rows) else { return true };
        let last = rows.len() - 1;
        let wanted = match motion {
            Motion::By(rows) => index.saturating_add_signed(rows),
            Motion::First => 0,
            Motion::Last => usize::MAX,
        };
        self.index = wanted.min(last);
        // The first row stays chosen by its place, so that what is newest stays in view.
        self.chosen = (self.index > 0).then(|| rows[self.index].clone());
        wanted > last
    }

    /// Chooses a row.
    pub(crate) fn choose(&mut self, row: K) {
        self.chosen = Some(row);
    }
}

/// Returns the first row to show, so that the chosen one is in the middle where that is possible.
pub(crate) fn top(chosen: usize, rows: usize, height: usize) -> usize {
    chosen.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_stays_with_its_row() {
        let mut cursor = Cursor::default();
        let rows = ["c", "b", "a"];
        assert_eq!(cursor.row(&rows), Some(&"c"));
        assert!(!cursor.go(&rows, Motion::By(1)));
        assert_eq!(cursor.row(&["d", "c", "b", "a"]), Some(&"b"));
        assert_eq!(cursor.row(&["c", "a"]), Some(&"a"), "what took its place");
        assert!(!cursor.go(&rows, Motion::By(-9)));
        assert_eq!(cursor.row(&["d", "c"]), Some(&"d"), "the first is the newest");
        assert!(cursor.go(&rows, Motion::Last));
        assert_eq!(cursor.row(&rows), Some(&"a"));
        assert!(cursor.go(&rows, Motion::By(1)), "beyond the end");
        assert_eq!(cursor.row(&[]), None);
    }

    #[test]
    fn the_chosen_row_is_always_shown() {
        for rows in 0..30 {
            for height in 1..12 {
                for chosen in 0..rows {
                    let top = top(chosen, rows, height);
                    assert!((top..top + height).contains(&chosen), "{chosen} of {rows} in {height}");
                    assert!(rows < height || top + height <= rows, "no empty rows: {chosen} of {rows} in {height}");
                }
            }
        }
    }
}
