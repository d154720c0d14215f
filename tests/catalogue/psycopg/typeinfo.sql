-- psycopg 3.3, TypeInfo.fetch: what PostgreSQL 15.18 logged under SQLAlchemy.
-- parameters: $1 = 'hstore'
SELECT
    typname AS name, oid, typarray AS array_oid,
    oid::regtype::text AS regtype, typdelim AS delimiter
FROM pg_type t
WHERE t.oid = to_regtype($1)
ORDER BY t.oid
