#!/usr/bin/env python3
"""The README's tables of clients, from what a run of the interop matrix has found.

    table.py show TABLE              prints the count
    table.py check TABLE README      fails where the README says anything else; versions aside
    table.py write TABLE README      puts them there

TABLE has a line of JSON for each row of the matrix (check.py). Rows of one client and version are one line here: a cell is NO when one
of them says so. A row that was to fail has its place in the second table, beside the remedy that another row of that client has
tried; without one the client is in the first table as one that can't. What is between the two lines `<!-- clients -->` of the README is
made here.
"""

import json
import pathlib
import sys

MARK = "<!-- clients -->\n"
HEAD = ("client", "version", "proxy honoured", "CA trusted", "credential arrived", "streaming", "needs")
REMEDIES = "What is under needs, and why:"
REMEDIES_HEAD = ("client", "without it", "remedy")


def client_of(row):
    return row["name"].split(", ", 1)[0]


def cells_of(row):
    """What a row says in the README's columns: yes, NO, or - where there is nothing to say."""
    if row["credential"] == "-":
        arrived = "-"
    else:
        bad = "NO" in (row["answer"], row["credential"], row["placeholder"])
        arrived = "NO" if bad else "yes"
    return (row["proxy"], row["ca"], arrived, row["stream"].split(",")[0])


def together(cells):
    return next((word for word in ("NO", "yes") if word in cells), "-")


def lines_of(rows):
    """The first table's lines, in the order in which the rows ran: client, version, four cells, note."""
    helped = {client_of(row) for row in rows if row["needs"]}
    groups = {}
    for row in rows:
        if row["fails"] and client_of(row) in helped:
            continue
        note = f"can't: {row['reason']}" if row["fails"] else row["needs"]
        groups.setdefault((client_of(row), row["version"], note), []).append(cells_of(row))
    return [
        (client, version, *map(together, zip(*cells)), note) for (client, version, note), cells in groups.items()
    ]


def remedies_of(rows):
    """The second table's lines: clients, why, remedy. Clients that share both share a line."""
    why = {}
    for row in rows:
        if row["reason"]:
            why.setdefault(client_of(row), row["reason"])
    groups = {}
    for row in rows:
        if row["needs"]:
            key = (why.get(client_of(row), ""), row["needs"])
            groups.setdefault(key, {})[client_of(row)] = None
    return [(", ".join(clients), reason, needs) for (reason, needs), clients in groups.items()]


def count_of(lines):
    stated = sum(1 for line in lines if line[-1].startswith("can't: "))
    broken = sum(1 for line in lines if "NO" in line) - stated
    need = sum(1 for line in lines if line[-1] and "NO" not in line)
    rest = f"; {stated} can't" if stated else ""
    return f"{len(lines) - stated - broken} of {len(lines)} clients work, {need} of them with what is under needs{rest}."


def table_of(head, lines):
    rows = [head, ("---",) * len(head), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def text_of(lines, remedies):
    text = f"{table_of(HEAD, lines)}\n{count_of(lines)}\n"
    if remedies:
        text += f"\n{REMEDIES}\n\n{table_of(REMEDIES_HEAD, remedies)}"
    return text


def without_version(text):
    """The lines as cells, but for the version: that differs between machines."""
    lines = [line.split(" | ") for line in text.splitlines()]
    return [line[:1] + line[2:] if len(line) == len(HEAD) else line for line in lines]


def main():
    mode, table, *readme = sys.argv[1:]
    rows = [json.loads(line) for line in pathlib.Path(table).read_text().splitlines()]
    rows = [row for row in rows if row["listed"] == "yes"]
    lines, remedies = lines_of(rows), remedies_of(rows)
    print(f"clients: {count_of(lines)}")
    unexplained = [clients for clients, why, _ in remedies if not why]
    if unexplained:
        print(f"FAIL  no row says why these need something: {', '.join(unexplained)}")
        sys.exit(1)
    if mode == "show":
        return
    path = pathlib.Path(readme[0])
    before, old, after = path.read_text().split(MARK)
    new = text_of(lines, remedies)
    if mode == "write":
        path.write_text(MARK.join([before, new, after]))
        return
    said, found = without_version(old), without_version(new)
    if said == found:
        print("ok    the README's table of clients says the same")
        return
    print("FAIL  the README's table of clients says something else: look at it, then tests/interop/run --write")
    for sign, these, those in (("-", said, found), ("+", found, said)):
        for row in these:
            if row not in those:
                print(f"    {sign} {' | '.join(row)}")
    sys.exit(1)


if __name__ == "__main__":
    main()
