"""Drives `telestrata sql` as a person does: drive.py SCENARIO PROGRAM HOME [flags of the program ...]"""

import json
import os
import re
import stat
import subprocess
import sys
import urllib.request

from terminal import CTRL_C, ENTER, UP, Terminal

scenario, program, home, *flags = sys.argv[1:]
work = os.path.join(home, "work")
os.makedirs(work, exist_ok=True)
os.chdir(work)


def start(columns=80, lines=24, pager="cat"):
    env = dict(os.environ, HOME=home, PAGER=pager, TERM="xterm-256color")
    env.pop("XDG_STATE_HOME", None)
    terminal = Terminal([program, "sql", *flags], env, columns, lines)
    terminal.prompt()
    return terminal


def rows_of(shown):
    """The lines of tables and records, without what was typed."""
    lines = shown.replace("\r", "").split("\n")
    return [line for line in lines if line.startswith(("+-", "| ", "-["))]


def many_lines():
    terminal = start()
    typed = ["select service_name,", "count(*) as n -- not yet ;", "from logs where body <> ';'", "group by 1 order by 1;"]
    shown = terminal.ask(ENTER.join(typed), r"2 rows \([^)]+\)")
    assert re.search(r"\| one +\| +5 \|\r?\n\| two +\| +5 \|", shown), shown
    shown = terminal.ask("select 1 as a; select 2 as b;", r"\| b \|(.|\n)*1 row")
    assert "| 1 |" in shown and "| 2 |" in shown, shown
    assert terminal.leave() == 0


def completion():
    terminal = start()
    terminal.complete("select count(*) as total from lo", "from logs")
    shown = terminal.ask(";", r"1 row ")
    assert re.search(r"\| +10 \|", shown), shown
    terminal.complete("select attributes['num", r"attributes\['number'\]")
    shown = terminal.ask(" as n from logs order by attributes['number']::int desc limit 1;", r"1 row ")
    assert "| 9 |" in shown, shown
    terminal.complete("select resource_attributes['serv", r"resource_attributes\['service\.name'\]")
    terminal.type(CTRL_C)
    terminal.prompt()
    terminal.complete("\\form", r"\\format")
    terminal.type(CTRL_C)
    terminal.prompt()
    assert terminal.leave() == 0


def commands():
    terminal = start(lines=200)
    shown = terminal.ask("\\d", "trace_timeline")
    assert re.search(r"logs +table +One row a log record", shown), shown
    shown = terminal.ask("\\d logs", "user_id")
    assert re.search(r"body +text +the log's text", shown), shown
    assert re.search(r"attributes +map ", shown), shown
    shown = terminal.ask("\\d span_logs", "span_duration_ms +double")
    assert "with the span it was written in" in shown, shown
    shown = terminal.ask("\\d trace_tree", "child_count")
    assert "Macro trace_tree(trace_id). One row a span" in shown, shown
    shown = terminal.ask("\\d system.files", "max_service_name +text")
    assert re.search(r"row_count +bigint +rows", shown) and "One row a live file" in shown, shown
    terminal.ask("\\x on", "records")
    shown = terminal.ask("select body, event_name from logs where body = 'log 7';", r"1 row ")
    assert re.search(r"-\[ 1 \]-+\r?\nbody +\| log 7\r?\nevent_name \| NULL\r?\n", shown), shown
    terminal.ask("\\x off", "tables")
    terminal.ask("\\timing off", "timing is off")
    terminal.ask("select 5 as five;", r"1 row\r?\n")
    terminal.ask("\\o out.csv", "results go to out.csv")
    terminal.ask("select 1 as a, 'x,y' as b;", "1 row to out.csv")
    terminal.ask("\\o", "to the screen")
    with open("out.csv", encoding="utf-8") as file:
        assert file.read() == 'a,b\n1,"x,y"\n'
    with open("in.sql", "w", encoding="utf-8") as file:
        file.write("\\format csv\nselect 6 as six,\n  ';' as s;\n\\format table\nselect 'a' as good;\n\nselect bad;\nselect 9;\n")
    shown = terminal.ask("\\i in.sql", r"line 7\r?\n")
    assert "six,s\r\n6,;" in shown and "| good |" in shown and "1 | select bad" in shown, shown
    terminal.ask("\\nonsense", r"no command; \\\? lists")
    terminal.ask("\\?", "completes names")
    terminal.type("\\q" + ENTER)
    terminal.expect(r"\\q")
    assert terminal.leave() == 0


def own_views():
    terminal = start(columns=120, lines=200)
    shown = terminal.ask("\\d", "system.views")
    assert re.search(r"latest +view +One row a service, with its last log", shown), shown
    assert re.search(r"loud\(at_least = 3\) +macro +One row a loud service", shown), shown
    shown = terminal.ask("\\d latest", "last +text")
    assert "View latest. One row a service" in shown, shown
    shown = terminal.ask("select * from loud();", "2 rows")
    assert terminal.leave() == 0


def errors():
    terminal = start()
    shown = terminal.ask("select body," + ENTER + "  nothing from logs;", r"\^\r?\n")
    assert re.search(r"error: .*nothing(.|\n)*\n  2 \|   nothing from logs\r?\n    \|   \^", shown), shown
    # What is typed is cleared, and the prompt goes on.
    terminal.type("select nonsense" + CTRL_C)
    terminal.prompt()
    terminal.ask("select 6 * 7 as answer;", r"\| +42 \|(.|\n)*1 row")
    assert terminal.leave() == 0


# Ten rows, twelve times: a million million, which no machine counts while a test waits.
ENDLESS = "select count(*) from " + ", ".join(f"logs {name}" for name in "abcdefghijkl") + " where a.body || l.body <> b.body;"


def cancel():
    terminal = start()
    terminal.type(ENDLESS + ENTER)
    # The line editor gives the terminal back: from now on Ctrl-C is a signal.
    terminal.expect(r"\x1b\[\?2004l", escapes=True)
    if "--connect" in flags:
        wait_for_queries(lambda running: running > 0)
    terminal.type(CTRL_C)
    terminal.expect("cancelled")
    terminal.prompt()
    if "--connect" in flags:
        # The server gives up too: nothing but the query itself would end it.
        wait_for_queries(lambda running: running == 0)
    terminal.ask("select 6 * 7 as answer;", r"\| +42 \|(.|\n)*1 row")
    assert terminal.leave() == 0


def wait_for_queries(fits):
    url = flags[flags.index("--connect") + 1]
    # Bounded by the patience of whoever runs this; each turn asks the server anew.
    while True:
        with urllib.request.urlopen(url + "/metrics", timeout=30) as answer:
            text = answer.read().decode()
        if fits(float(re.search(r"^\S*running_queries(?:\{[^}]*\})? (\S+)$", text, re.M).group(1))):
            return


def history():
    first = start()
    first.ask("select 40 +" + ENTER + " 2 as answer;", r"\| +42 \|(.|\n)*1 row")
    first.ask(" select 'a secret behind a space';", "1 row ")
    assert first.leave() == 0
    second = start()
    second.type(UP)
    second.expect("answer;")
    second.type(ENTER)
    second.expect(r"\| +42 \|(.|\n)*1 row")
    second.prompt()
    assert second.leave() == 0
    path = os.path.join(home, ".local/state/telestrata/history")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path, encoding="utf-8") as file:
        assert "secret" not in file.read()
    assert os.listdir(work) == [], "nothing is left in the current folder"


def width():
    terminal = start(columns=80)
    queries = [
        "select time, service_name, body, attributes, repeat(body, 50) as long, 123456789 as n from logs order by time;",
        "select * from logs order by time limit 2;",
        "select repeat('日本語', 40) as wide, body from logs limit 1;",
    ]
    for query in queries:
        lines = rows_of(terminal.ask(query, r"\d+ rows? \("))
        assert lines, query
        for line in lines:
            assert columns_of(line) <= 80, line
    terminal.ask("\\x off", "tables")
    assert max(map(columns_of, rows_of(terminal.ask(queries[1], r"2 rows \(")))) > 80, "asked for, whatever its width"
    assert terminal.leave() == 0


def columns_of(line):
    return sum(2 if ord(character) > 0x2e80 else 1 for character in line)


def paging():
    terminal = start(lines=12, pager="sed 's/^/paged: /'")
    assert "paged: " not in terminal.ask("select body from logs limit 3;", "3 rows ")
    shown = terminal.ask("select body from logs order by body;", "10 rows ")
    assert "paged: | log 9" in shown and "paged: 10 rows" in shown, shown
    terminal.ask("\\pager off", "the pager is off")
    assert "paged: " not in terminal.ask("select body from logs order by body;", "10 rows ")
    assert terminal.leave() == 0
    # A pager that is left before the end ends the query, and nothing else.
    terminal = start(lines=12, pager="head -n 5")
    terminal.type("select a.body from " + ", ".join(f"logs {name}" for name in "abcdefghijkl") + ";" + ENTER)
    terminal.expect(r"\| log ")
    terminal.prompt()
    terminal.ask("select 6 * 7 as answer;", r"\| +42 \|(.|\n)*1 row")
    assert terminal.leave() == 0


def fresh():
    terminal = start()
    terminal.ask("select count(*) as n from logs;", r"\| +10 \|(.|\n)*1 row")
    lake = flags[flags.index("--lake") + 1]
    subprocess.run([program, "import", "--lake", lake, os.path.join(home, "more.jsonl")], check=True, capture_output=True)
    terminal.ask("select count(*) as n from logs;", r"\| +15 \|(.|\n)*1 row")
    assert terminal.leave() == 0


globals()[scenario]()
print(json.dumps({"scenario": scenario, "done": True}))
