#!/usr/bin/env python3
"""Judges one row of the interop matrix by the origin's record and by what the client printed.

    check.py RECORD FIRST OUTPUT EXIT SECRETS KEY=VALUE...

RECORD is the origin's file, in which the row's lines begin at number FIRST (from 0); OUTPUT is what the client printed and EXIT
its exit code. SECRETS is a file with the credentials, `NAME VALUE` a line. The keys:

    answer=TEXT          must be in the client's output
    requests=N or N+     that many requests, or at least that many, reached the origin
    host=NAME            and all of them were for this host
    credential=KIND      bearer:NAME, basic:NAME or none: what each request carried, once and nothing else
    stream=yes           the output has the events, as lines `EVENT SENT ARRIVED` in seconds

Prints the cells answer, credential, placeholder and streaming with tabs between, then a line for each thing that is wrong. Exit
code 1 when there is one.
"""

import base64
import json
import pathlib
import sys

PLACEHOLDER = "authsome-proxy-managed"
EVENTS = 20


def carried(kind, secrets):
    """The Authorization that the row's requests have to have; None for none."""
    scheme, _, name = kind.partition(":")
    if scheme == "none":
        return None
    if scheme == "basic":
        return "Basic " + base64.b64encode(f"x-access-token:{secrets[name]}".encode()).decode()
    return f"Bearer {secrets[name]}"


def forms(text):
    """How a text may look in a head: as it is, and in base64 at each of the three offsets that it can have there."""
    yield text
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + text.encode()).decode()
        # The first and the last characters depend on what stands around the text.
        yield coded[4 if shift else 0 : -4]


def credential_problems(heads, kind, secrets):
    expected = carried(kind, secrets)
    for number, head in enumerate(heads, 1):
        lines = head.split("\r\n")[1:]
        found = [line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("authorization:")]
        if found != ([] if expected is None else [expected]):
            # How many, not what: a credential belongs in no log, not even one of a test.
            matching = sum(value == expected for value in found)
            yield f"request {number}: {len(found)} Authorization lines, {matching} of them right"
        for name, value in secrets.items():
            allowed = 1 if expected and (value in expected or kind == f"basic:{name}") else 0
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


def main():
    record, first, output, code, secrets_file, *pairs = sys.argv[1:]
    wanted = dict(pair.split("=", 1) for pair in pairs)
    output = pathlib.Path(output).read_text(errors="replace")
    secrets = dict(line.split() for line in pathlib.Path(secrets_file).read_text().splitlines())
    records = [json.loads(line) for line in pathlib.Path(record).read_text().splitlines()[int(first) :]]
    heads = [found["head"] for found in records if not found["placeholder_in_body"]]

    answer = []
    if code != "0":
        answer.append(f"exit code {code}")
    if wanted["answer"] not in output:
        answer.append(f"the output lacks {wanted['answer']!r}")
    number = wanted["requests"]
    right = len(heads) >= int(number[:-1]) if number.endswith("+") else len(heads) == int(number)
    if not right:
        answer.append(f"{len(heads)} requests reached the origin, not {number}")
    strange = {found["host"] for found in records} - {wanted["host"]}
    if strange:
        answer.append(f"requests for {sorted(strange)}")
    answer += [f"the child has seen the credential {name}" for name, value in secrets.items() if value in output]
    credential = list(credential_problems(heads, wanted["credential"], secrets))
    placeholder = list(placeholder_problems(records))
    cell, stream = streaming(output) if wanted["stream"] == "yes" else ("-", [])

    once = "none, as due" if wanted["credential"] == "none" else f"once in {len(heads)}"
    # Where no request came, there is nothing to say about what it carried.
    cells = [
        "NO" if answer else "yes",
        "NO" if credential or not heads else once,
        "NO" if placeholder else "never",
        cell,
    ]
    print("\t".join(cells))
    problems = [*answer, *credential, *placeholder, *stream]
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
