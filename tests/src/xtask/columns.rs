//! Tables for people.

/// Prints rows, the columns as wide as they must be: the first `words` to the left, the others, which are numbers, to the right.
pub(super) fn print<const N: usize>(rows: &[[String; N]], words: usize) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (text, width))| match column < words {
            true => format!("{text:width$}"),
            false => format!("{text:>width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
