//! What drivers ask about this server: its name, what its SQL has, and what it does not do.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity, SqlSupportedGroupBy,
    SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions,
};
use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS};

use super::statement::MAX_SQL;

static INFO: LazyLock<Result<SqlInfoData, FlightError>> = LazyLock::new(|| infos().build());

/// The rows of the infos that are asked for, of all where none is named.
pub(super) fn rows(asked: &[u32]) -> Result<RecordBatch, FlightError> {
    match &*INFO {
        Ok(info) => info.record_batch(asked.iter().copied()),
        Err(error) => Err(FlightError::protocol(error.to_string())),
    }
}

/// The columns of those rows.
pub(super) fn schema() -> SchemaRef {
    SqlInfoDataBuilder::schema().clone().into()
}

fn infos() -> SqlInfoDataBuilder {
    let mut infos = SqlInfoDataBuilder::new();
    infos.append(SqlInfo::FlightSqlServerName, "telestrata");
    infos.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    infos.append(SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    infos.append(SqlInfo::FlightSqlServerReadOnly, true);
    infos.append(SqlInfo::FlightSqlServerSql, true);
    infos.append(SqlInfo::FlightSqlServerSubstrait, false);
    infos.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    infos.append(SqlInfo::FlightSqlServerCancel, true);
    infos.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    infos.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    // Neither ends by itself.
    infos.append(SqlInfo::FlightSqlServerStatementTimeout, 0_i32);
    infos.append(SqlInfo::FlightSqlServerTransactionTimeout, 0_i32);

    for definition in [SqlInfo::SqlDdlCatalog, SqlInfo::SqlDdlSchema, SqlInfo::SqlDdlTable] {
        infos.append(definition, false);
    }
    infos.append(SqlInfo::SqlIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32);
    infos.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    infos.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    infos.append(SqlInfo::SqlKeywords, keywords());
    infos.append(SqlInfo::SqlSearchStringEscape, "\\");
    infos.append(SqlInfo::SqlExtraNameCharacters, "");
    infos.append(SqlInfo::SqlMaxStatementLength, MAX_SQL as i64);
    infos.append(SqlInfo::SqlCatalogTerm, "catalog");
    infos.append(SqlInfo::SqlSchemaTerm, "schema");
    infos.append(SqlInfo::SqlCatalogAtStart, true);

    for present in [
        SqlInfo::SqlAllTablesAreSelectable,
        SqlInfo::SqlSupportsColumnAliasing,
        SqlInfo::SqlNullPlusNullIsNull,
        SqlInfo::SqlSupportsTableCorrelationNames,
        SqlInfo::SqlSupportsExpressionsInOrderBy,
        SqlInfo::SqlSupportsOrderByUnrelated,
        SqlInfo::SqlSupportsLikeEscapeClause,
        SqlInfo::SqlCorrelatedSubqueriesSupported,
    ] {
        infos.append(present, true);
    }
    for absent in [
        SqlInfo::SqlSupportsDifferentTableCorrelationNames,
        SqlInfo::SqlSupportsNonNullableColumns,
        SqlInfo::SqlSupportsIntegrityEnhancementFacility,
        SqlInfo::SqlSelectForUpdateSupported,
        SqlInfo::SqlStoredProceduresSupported,
    ] {
        infos.append(absent, false);
    }
    let group_by =
        [SqlSupportedGroupBy::SqlGroupByUnrelated as i32, SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32];
    infos.append(SqlInfo::SqlSupportedGroupBy, bits(&group_by));
    infos.append(SqlInfo::SqlOuterJoinsSupportLevel, bits(&[SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32]));
    let subqueries = [
        SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
        SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
        SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
    ];
    infos.append(SqlInfo::SqlSupportedSubqueries, bits(&subqueries));
    let unions = [SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32];
    infos.append(SqlInfo::SqlSupportedUnions, bits(&unions));
    infos
}

/// A set of an enumeration's values, each the bit of that number.
fn bits(values: &[i32]) -> i32 {
    values.iter().fold(0, |set, value| set | 1 << value)
}

/// The words that can't be an alias unless they are quoted.
fn keywords() -> Vec<String> {
    let mut words: Vec<_> = RESERVED_FOR_COLUMN_ALIAS.iter().chain(RESERVED_FOR_TABLE_ALIAS).collect();
    words.retain(|word| **word != Keyword::NoKeyword);
    let mut words: Vec<_> = words.into_iter().map(|word| format!("{word:?}")).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_asked_for_and_have_the_schema() {
        let one = rows(&[SqlInfo::FlightSqlServerReadOnly as u32]).unwrap();
        assert_eq!((one.num_rows(), one.schema()), (1, schema()));
        assert!(rows(&[]).unwrap().num_rows() > 40);
        assert_eq!(rows(&[9_999]).unwrap().num_rows(), 0);
        assert!(keywords().contains(&"SELECT".to_owned()));
    }
}
