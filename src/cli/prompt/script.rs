//! A text as statements and backslash commands, in order.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::scan::scan;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// The line of the text it begins on, from 1.
    pub(super) line: usize,
    pub(super) what: What<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// A statement without its `;`.
    Statement(&'a str),
    /// A line that begins with a backslash.
    Command(&'a str),
}

/// The steps of a text. The last statement needs no `;`; a backslash counts where a statement could begin.
pub(super) fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let begin = at + (rest.len() - rest.trim_start().len());
        let Some(rest) = text.get(begin..).filter(|rest| !rest.is_empty()) else { break };
        if rest.starts_with('\\') {
            let line = rest.lines().next().unwrap_or_default();
            steps.push(Step { line: line_of(text, begin), what: What::Command(line.trim_end()) });
            at = begin + line.len();
        } else {
            at = begin + push_statements(&mut steps, text, begin);
        }
    }
    steps
}

/// Takes statements from `begin` up to the next command or the end; answers how many bytes they are.
fn push_statements<'a>(steps: &mut Vec<Step<'a>>, text: &'a str, begin: usize) -> usize {
    let rest = &text[begin..];
    let scan = scan(rest);
    let mut start = 0;
    for semicolon in scan.words().filter(|piece| piece.token == Token::SemiColon) {
        push_statement(steps, text, begin + start, &rest[start..semicolon.start]);
        start = semicolon.end;
        if rest[start..].trim_start().starts_with('\\') {
            return start;
        }
    }
    push_statement(steps, text, begin + start, &rest[start..]);
    rest.len()
}

fn push_statement<'a>(steps: &mut Vec<Step<'a>>, text: &str, start: usize, statement: &'a str) {
    let trimmed = statement.trim();
    if !scan(trimmed).is_blank() {
        let start = start + (statement.len() - statement.trim_start().len());
        steps.push(Step { line: line_of(text, start), what: What::Statement(trimmed) });
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(usize, &str)> {
        let text_of = |what| match what {
            What::Statement(text) | What::Command(text) => text,
        };
        steps(text).into_iter().map(|step| (step.line, text_of(step.what))).collect()
    }

    #[rstest::rstest]
    #[case("select 1;", &[(1, "select 1")])]
    #[case("select 1; select ';' ;", &[(1, "select 1"), (1, "select ';'")])]
    #[case("\n\nselect 1", &[(3, "select 1")])]
    #[case("\\d logs\nselect 1;\n\\x on\nselect\n2;", &[(1, "\\d logs"), (2, "select 1"), (3, "\\x on"), (4, "select\n2")])]
    #[case("select 'a\n\\x\n';", &[(1, "select 'a\n\\x\n'")])]
    #[case("-- nothing\n;;", &[])]
    #[case("select 1; -- why\n", &[(1, "select 1")])]
    #[case("select 'open", &[(1, "select 'open")])]
    #[case("", &[])]
    fn statements_and_commands_come_in_order(#[case] text: &str, #[case] expected: &[(usize, &str)]) {
        assert_eq!(told(text), expected);
    }
}
