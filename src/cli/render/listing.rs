//! Lines of words in columns, the last of them a sentence that is wrapped below itself.

use super::width::{display_width, push_left, push_right, wrap};

/// Columns of the terminal that the sentences get at least.
const LEAST_SENTENCE: usize = 24;

/// On which side a column's words stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Align {
    Left,
    Right,
}

/// Rows in aligned columns. With a width, the last cell of a row is wrapped; nothing is cut.
pub(in crate::cli) fn listing<const N: usize>(align: [Align; N], rows: &[[String; N]], width: Option<usize>) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = display_width(cell).max(*widest);
        }
    }
    let before = widths.iter().take(N.saturating_sub(1)).map(|width| width + 2).sum::<usize>();
    let sentence = width.map_or(usize::MAX, |width| width.saturating_sub(before).max(LEAST_SENTENCE));
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (nth, ((cell, width), align)) in row.iter().zip(widths).zip(align).enumerate() {
            if nth + 1 < N {
                match align {
                    Align::Left => push_left(&mut line, cell, width),
                    Align::Right => push_right(&mut line, cell, width),
                }
                line.push_str("  ");
                continue;
            }
            for (nth, part) in wrap(cell, sentence).into_iter().enumerate() {
                if nth > 0 {
                    out.push_str(line.trim_end());
                    out.push('\n');
                    line.clear();
                    push_left(&mut line, "", before);
                }
                line.push_str(part);
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_wrapped_below_themselves() {
        let rows = [
            ["name".to_owned(), "12".to_owned(), "a sentence of some more words than fit".to_owned()],
            ["n".to_owned(), "3".to_owned(), String::new()],
        ];
        let align = [Align::Left, Align::Right, Align::Left];
        let expected = "\
name  12  a sentence of some more
          words than fit
n      3
";
        assert_eq!(listing(align, &rows, Some(34)), expected);
        assert_eq!(listing(align, &rows, None).lines().count(), 2);
    }
}
