#!/usr/bin/env python3
"""Judges one row of the interop matrix by the origin's record and by what the client printed.

    check.py RECORD FIRST OUTPUT EXIT SECRETS KEY=VALUE...

RECORD is the origin's file, in which the row's lines begin at number FIRST (from 0); OUTPUT is what the client and authsome printed
and EXIT the client's exit code. SECRETS is a file with the credentials, `NAME VALUE` a line. The keys:

    name=, version=      the row's
    table=FILE           where its line for table.py goes
    answer=TEXT          must be in the client's output
    requests=N or N+     that many requests, or at least that many, reached the origin
    host=NAME[,NAME]     and all of them were for this host, or one of these
    credential=KIND      what each request carried, once and nothing else: bearer:NAME, basic:NAME[:USER] (x-access-token),
                         field:NAME:FIELD (the credential alone), none
    beside=HOST/KIND,... hosts that the client may also ask for something, and what it has to carry there
    stream=yes           the output has the events, as lines `EVENT SENT ARRIVED` in seconds
    needs=TEXT           what a person has to give the client by an option or a variable: for the README
    fails=proxy or ca    the client can't do it, since it ignores the proxy or the certificates: nothing may reach the origin
    reason=TEXT          for the README: why it fails, or needs something (one row of a client says it)
    listed=no            not in the README's table

Prints the cells proxy, CA, answer, credential, placeholder and streaming with tabs between, then a line for each thing that is wrong.
Exit code 1 when there is one.
"""

import base64
import json
import pathlib
import sys

PLACEHOLDER = "authsome-proxy-managed"
EVENTS = 20
KEYS = set("name version table answer requests host credential beside stream needs fails reason listed".split())


# What authsome says of a client that hung up on its certificate: with an alert, without a word, as Node does, or politely, as apt-get
# does.
NOT_TRUSTED = (
    "a client did not accept the certificate",
    "the client ended before TLS was set up",
    "the client ended without a request",
    "TLS with the client failed: received fatal alert: CloseNotify",
)


def carried(kind, secrets):
    """The field that the row's requests have to have, in small letters, and its value; None for none."""
    scheme, name, more = [*kind.split(":"), "", ""][:3]
    if scheme == "none":
        return "authorization", None
    if scheme == "basic":
        user = more or "x-access-token"
        return "authorization", "Basic " + base64.b64encode(f"{user}:{secrets[name]}".encode()).decode()
    if scheme == "field":
        return more.lower(), secrets[name]
    return "authorization", f"Bearer {secrets[name]}"


def forms(text):
    """How a text may look in a head: as it is, and in base64 at each of the three offsets that it can have there."""
    yield text
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + text.encode()).decode()
        # The first and the last characters depend on what stands around the text.
        yield coded[4 if shift else 0 : -4]


def credential_problems(heads, kinds, secrets):
    for number, (head, kind) in enumerate(zip(heads, kinds), 1):
        field, expected = carried(kind, secrets)
        lines = head.split("\r\n")[1:]
        found = [line.split(":", 1)[1].strip() for line in lines if line.lower().startswith(f"{field}:")]
        if found != ([] if expected is None else [expected]):
            # How many, not what: a credential belongs in no log, not even one of a test.
            matching = sum(value == expected for value in found)
            yield f"request {number}: {len(found)} {field} lines, {matching} of them right"
        for name, value in secrets.items():
            allowed = 1 if expected is not None and kind.split(":")[1] == name else 0
            times = sum(head.count(form) for form in forms(value))
            if times != allowed:
                yield f"request {number}: the credential {name} is there {times} times, not {allowed}"


def placeholder_problems(records):
    for number, record in enumerate(records, 1):
        if any(form in record["head"] for form in forms(PLACEHOLDER)):
            yield f"request {number}: the placeholder is in the head"
        if record["placeholder_in_body"]:
            yield f"request {number}: the placeholder is in the body"


def streaming(output):
    """The cell, and what is wrong."""
    events = [line.split() for line in output.splitlines() if line.startswith("EVENT ")]
    times = [(float(sent), float(arrived)) for _, sent, arrived in events]
    if len(times) != EVENTS:
        return "NO", [f"{len(times)} events arrived, not {EVENTS}"]
    slowest = max(arrived - sent for sent, arrived in times) * 1000
    if times[0][1] > times[-1][0]:
        return "NO", ["the first event arrived after the last was sent"]
    return f"yes, max {slowest:.1f} ms", []


def answer_problems(wanted, output, code, hosts, heads):
    """What is wrong with how it went, seen from both ends."""
    if code != "0":
        yield f"exit code {code}"
    if wanted["answer"] not in output:
        yield f"the output lacks {wanted['answer']!r}"
    number = wanted["requests"]
    right = len(heads) >= int(number[:-1]) if number.endswith("+") else len(heads) == int(number)
    if not right:
        yield f"{len(heads)} requests reached the origin, not {number}"
    strange = hosts - set(wanted["host"].split(","))
    if strange:
        yield f"requests for {sorted(strange)}"


def judge_failure(wanted, output, records):
    """The cells and the problems of a client that can't do it."""
    proxy, trust = reach(output, records)
    expected = {"proxy": ("NO", "-"), "ca": ("yes", "NO")}[wanted["fails"]]
    problems = [] if (proxy, trust) == expected else [f"it was to fail by the {wanted['fails']}"]
    if not wanted["reason"]:
        problems.append("a row that fails has to say why")
    return [proxy, trust, "-", "-", "-", "-"], problems


def reach(output, records):
    """How far the client came: whether it used the proxy, and trusted the certificate. What reached the origin came by the proxy:
    nobody else knows where that is. What did not has left its mark in what authsome prints with --verbose."""
    if records:
        return "yes", "yes"
    return ("yes", "NO") if any(words in output for words in NOT_TRUSTED) else ("NO", "-")


def judge(wanted, output, code, records, secrets):
    """The cells and the problems of a client that is to succeed."""
    beside = dict(pair.split("/") for pair in wanted["beside"].split(",") if pair)
    requests = [found for found in records if not found["placeholder_in_body"]]
    heads = [found["head"] for found in requests]
    meant = [found["head"] for found in requests if found["host"] not in beside]
    answer = list(answer_problems(wanted, output, code, {found["host"] for found in records} - beside.keys(), meant))
    kinds = [beside.get(found["host"], wanted["credential"]) for found in requests]
    credential = list(credential_problems(heads, kinds, secrets))
    placeholder = list(placeholder_problems(records))
    cell, stream = streaming(output) if wanted["stream"] == "yes" else ("-", [])
    once = "none, as due" if wanted["credential"] == "none" else f"once in {len(heads)}"
    # Where no request came, there is nothing to say about what it carried.
    cells = [
        *reach(output, records),
        "NO" if answer else "yes",
        "NO" if credential or not meant else once,
        "NO" if placeholder else "never",
        cell,
    ]
    return cells, [*answer, *credential, *placeholder, *stream]


def main():
    record, first, output, code, secrets_file, *pairs = sys.argv[1:]
    wanted = {"beside": "", "needs": "", "fails": "", "reason": "", "listed": "yes"}
    wanted.update(pair.split("=", 1) for pair in pairs)
    unknown = wanted.keys() - KEYS
    output = pathlib.Path(output).read_text(errors="replace")
    secrets = dict(line.split() for line in pathlib.Path(secrets_file).read_text().splitlines())
    records = [json.loads(line) for line in pathlib.Path(record).read_text().splitlines()[int(first) :]]
    if wanted["fails"]:
        cells, problems = judge_failure(wanted, output, records)
    else:
        cells, problems = judge(wanted, output, code, records, secrets)
    problems += [f"the child has seen the credential {name}" for name, value in secrets.items() if value in output]
    problems += [f"there is no key {key}" for key in sorted(unknown)]
    with open(wanted["table"], "a", encoding="utf-8") as table:
        keys = ("proxy", "ca", "answer", "credential", "placeholder", "stream")
        line = {**{key: wanted[key] for key in ("name", "version", "needs", "fails", "reason", "listed")}, **dict(zip(keys, cells))}
        print(json.dumps(line), file=table)
    print("\t".join(cells))
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
