//! The columns of a terminal that text takes, and text made to fit them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text without control characters takes.
pub(in crate::cli) fn display_width(text: &str) -> usize {
    text.width()
}

/// Parts a text before the first character that `width` columns do not hold.
pub(in crate::cli) fn take_width(text: &str, width: usize) -> (&str, &str) {
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += character.width().unwrap_or(0);
        if taken > width {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// The text in at most `width` columns, with `…` where something is left out.
pub(super) fn cut(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if display_width(text) <= width {
        return text.into();
    }
    let (head, _) = take_width(text, width.saturating_sub(1));
    format!("{head}…").into()
}

/// Appends the text and the spaces that make it `width` columns wide.
pub(super) fn push_left(out: &mut String, text: &str, width: usize) {
    out.push_str(text);
    push_spaces(out, width.saturating_sub(display_width(text)));
}

/// Appends the text behind the spaces that make it `width` columns wide.
pub(super) fn push_right(out: &mut String, text: &str, width: usize) {
    push_spaces(out, width.saturating_sub(display_width(text)));
    out.push_str(text);
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// The lines of a text at most `width` columns wide, broken behind spaces where there are any.
pub(in crate::cli) fn wrap(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let mut rest = line;
        loop {
            let (head, tail) = take_width(rest, width.max(1));
            if tail.is_empty() || head.is_empty() {
                lines.push(rest);
                break;
            }
            // A word that would leave more than half of the line empty is broken.
            let after_space = if tail.starts_with(' ') { Some(head.len()) } else { head.rfind(' ').map(|at| at + 1) };
            let at = after_space.filter(|at| *at > head.len() / 2).unwrap_or(head.len());
            let (head, tail) = rest.split_at(at);
            lines.push(head.trim_end());
            rest = tail.trim_start_matches(' ');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("short", 5, "short")]
    #[case("longer", 5, "long…")]
    #[case("日本語", 6, "日本語")]
    #[case("日本語", 5, "日本…")]
    #[case("日本語", 4, "日…")]
    #[case("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…")]
    fn what_is_cut_says_so_and_fits(#[case] text: &str, #[case] width: usize, #[case] expected: &str) {
        assert_eq!(cut(text, width), expected);
        assert!(display_width(&cut(text, width)) <= width);
    }

    #[rstest::rstest]
    #[case("one two three", 8, &["one two", "three"])]
    #[case("one two three", 7, &["one two", "three"])]
    #[case("abcdefghij", 4, &["abcd", "efgh", "ij"])]
    #[case("a bcdefghij", 6, &["a bcde", "fghij"])]
    #[case("one\n\n  two", 8, &["one", "", "  two"])]
    #[case("日本語日本語", 4, &["日本", "語日", "本語"])]
    #[case("", 4, &[""])]
    fn lines_are_wrapped_and_lose_only_spaces(#[case] text: &str, #[case] width: usize, #[case] expected: &[&str]) {
        assert_eq!(wrap(text, width), expected);
    }
}
