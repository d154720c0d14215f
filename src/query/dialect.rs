//! The dialect of queries: the parser's generic one, in which `->` and `->>` bind as tightly as one reads them.
//!
//! sqlparser's generic dialect lets `=` bind tighter, so that `body ->> 'k' = 'v'` would be `body ->> ('k' = 'v')`, and
//! so with LIKE, IN, IS NULL and `||`. Here they bind tighter than all but `::` and `.`, as in PostgreSQL except for `+` and
//! `*`, which have no meaning inside of a key.

use std::any::TypeId;

use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, Precedence};

/// Between `AT TIME ZONE` (41) and `::` (50).
const JSON_OPERATORS: u8 = 45;

/// The dialect of queries.
#[derive(Debug)]
pub(super) struct QueryDialect;

// The methods that the generic dialect overrides, in sqlparser 0.62. What is missing here after an upgrade is syntax that is
// refused; `derive_dialect!`, a feature of sqlparser's that DataFusion does not enable, would need no list.
macro_rules! as_generic {
    ($($method:ident),* $(,)?) => {
        $(
            fn $method(&self) -> bool {
                GenericDialect.$method()
            }
        )*
    };
}

impl Dialect for QueryDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::PgOther => JSON_OPERATORS,
            other => GenericDialect.prec_value(other),
        }
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GenericDialect.is_identifier_part(ch)
    }

    as_generic! {
        allow_extract_custom, allow_extract_single_quotes, support_map_literal_syntax, supports_array_join_syntax,
        supports_array_typedef_with_brackets, supports_asc_desc_in_column_definition,
        supports_bitwise_shift_operators, supports_comma_separated_set_assignments, supports_comma_separated_trim,
        supports_comment_on, supports_comment_optimizer_hint, supports_connect_by,
        supports_constraint_keyword_without_name, supports_create_index_with_clause,
        supports_create_view_comment_syntax, supports_cte_without_as, supports_data_type_signed_suffix,
        supports_detach, supports_dictionary_syntax, supports_empty_projections,
        supports_explain_with_utility_options, supports_extract_comma_syntax, supports_filter_during_aggregation,
        supports_from_first_select, supports_group_by_expr, supports_group_by_with_modifier, supports_install,
        supports_interpolate, supports_interval_options, supports_key_column_option,
        supports_left_associative_joins_without_parens, supports_limit_by, supports_limit_comma,
        supports_load_extension, supports_match_against, supports_match_recognize,
        supports_multiline_comment_hints, supports_named_fn_args_with_assignment_operator,
        supports_nested_comments, supports_optimize_table, supports_parens_around_table_factor,
        supports_parenthesized_set_variables, supports_partition_by_after_order_by, supports_pipe_operator,
        supports_prewhere, supports_projection_trailing_commas, supports_quote_delimited_string,
        supports_select_format, supports_select_item_multi_column_alias, supports_select_wildcard_except,
        supports_select_wildcard_exclude, supports_select_wildcard_ilike, supports_select_wildcard_rename,
        supports_select_wildcard_replace, supports_set_names, supports_settings,
        supports_start_transaction_modifier, supports_string_escape_constant, supports_struct_literal,
        supports_try_convert, supports_unicode_string_literal, supports_update_order_by,
        supports_user_host_grantee, supports_values_as_table_factor, supports_window_clause_named_window_reference,
        supports_window_function_null_treatment_arg, supports_with_fill, supports_xml_expressions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::ast::{Expr, VisitMut, VisitorMut};
    use datafusion::sql::sqlparser::parser::Parser;

    fn parsed(dialect: &dyn Dialect, text: &str) -> Expr {
        Parser::new(dialect).try_with_sql(text).unwrap().parse_expr().unwrap()
    }

    #[rstest::rstest]
    #[case("(body ->> 'k') = 'v'")]
    #[case("'v' = (body ->> 'k')")]
    #[case("((body -> 'a') ->> 'k') LIKE 'v%'")]
    #[case("(body ->> 'k') IS NULL")]
    #[case("(body ->> 'k') IN ('v')")]
    #[case("'x' || (body ->> 'k') || 'y'")]
    fn a_key_ends_before_the_next_operator(#[case] meant: &str) {
        // Spaces for the parentheses, so that all else keeps its place in the text.
        let bare =
            meant.replace("((body", "  body").replace("(body", " body").replace("'k')", "'k' ").replace("'a')", "'a' ");
        let mut meant = parsed(&QueryDialect, meant);
        let _ = VisitMut::visit(&mut meant, &mut Bare);
        assert_eq!(parsed(&QueryDialect, &bare), meant);
    }

    /// Takes the parentheses away.
    struct Bare;

    impl VisitorMut for Bare {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> std::ops::ControlFlow<()> {
            if let Expr::Nested(inner) = expr {
                *expr = inner.as_ref().clone();
            }
            std::ops::ControlFlow::Continue(())
        }
    }

    /// All else is read as the generic dialect reads it.
    #[rstest::rstest]
    #[case("a + b * c = d AND NOT e OR f[1]::int <> g AT TIME ZONE 'UTC'")]
    #[case("sum(x) FILTER (WHERE y) OVER (PARTITION BY z ORDER BY t) ")]
    #[case("map {'a': 1}['a']")]
    #[case("a ~ 'b' AND c NOT ILIKE 'd' ESCAPE '!'")]
    fn all_else_is_the_generic_dialects(#[case] text: &str) {
        assert_eq!(parsed(&QueryDialect, text), parsed(&GenericDialect, text));
    }
}
