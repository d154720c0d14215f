-- Text beyond ASCII: accents in two spellings, right to left, emoji of many code points, beyond 16 bits.
SELECT 'größe' AS composed, 'gro' || chr(776) AS combining, 'שלום' AS hebrew, '日本語' AS kanji, '👩‍👩‍👧' AS family, '𝕏' AS astral,
    chr(65279) || 'x' AS bom, chr(8232) AS line_separator, 'größe' AS "größe", 1 AS "Upper Case", 2 AS "with ""quotes"""
