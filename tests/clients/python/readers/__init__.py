"""The outside readers: each opens a lake's tables with its own means and answers the same questions.

`python -m readers NAME` reads one question a line from standard input, as JSON, and answers each with a line:

    {"lake": "/tmp/lake", "ask": ["total", "spans", "duration_nano"]}   ->   {"answer": [[1234]]}

A module a reader (`in_*.py`); `questions.py` says what each question means; `plain.py` is the form of the answers.
Nothing here knows what the right answer is: the Rust test (`tests/it/readers/`) has it from SQL.
"""
