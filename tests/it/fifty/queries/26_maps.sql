-- Maps, and a list of them.
SELECT MAP {'b': 1, 'a': NULL} AS numbers, MAP {'k': 'v', 'q"': ''} AS texts, [MAP {'k': 1}, MAP {'l': 2}] AS list
