"""Trains a candidate in a copy of its checkout and writes down what it printed and when.

Runs in the sandbox only, beside the program that it starts: what is written here is no more than what that side says.  Seeds that
the program's text sets are replaced by the measurement's in the copy that runs; data and the rest of the checkout are as they were.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT, HEAD = 64 << 10, 8 << 10  # bytes of the end of what is printed, and of its beginning
STEP = re.compile(rb"\bstep[ :=]*(\d{1,9})")
UNCOUNTED = 10  # the steps up to this one, in which things are compiled, are not part of the budget
SEEDING = {"manual_seed", "manual_seed_all", "seed", "default_rng", "RandomState"}


def with_seed(text, seed):
    """The program with every number that seeds something replaced; without one, torch's is set."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    named = {
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
    }
    places = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, (ast.Attribute, ast.Name)):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            first = node.args[0]
            number = isinstance(first, ast.Constant) and isinstance(first.value, int)
            if name in SEEDING and (number or (isinstance(first, ast.Name) and first.id in named)):
                places.append(first)
    lines = text.encode().splitlines(keepends=True)
    if not places:
        imports = [(node, one) for node in tree.body if isinstance(node, ast.Import) for one in node.names if one.name == "torch"]
        if imports:
            node, one = imports[0]
            line, at = node.end_lineno - 1, node.end_col_offset
            lines[line] = lines[line][:at] + f"; {one.asname or 'torch'}.manual_seed({seed})".encode() + lines[line][at:]
        return b"".join(lines).decode()
    for one in sorted(places, key=lambda one: (one.lineno, one.col_offset), reverse=True):
        if one.lineno == one.end_lineno:
            line = lines[one.lineno - 1]
            lines[one.lineno - 1] = line[: one.col_offset] + str(seed).encode() + line[one.end_col_offset :]
    return b"".join(lines).decode()


def lay(options):
    """A copy of the checkout, and a home folder in which the data lies where prepare.py left it."""
    folder, home = os.path.join(os.getcwd(), "checkout"), os.path.join(os.getcwd(), "home")
    shutil.copytree(os.path.join(HERE, "theirs"), folder)
    os.makedirs(home, exist_ok=True)
    for name, target in options["files"].items():
        place = os.path.normpath(os.path.join(home, options["cache"], name))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(os.path.join(HERE, target), place)
    return folder, home


def begin(options, seed):
    """The same with the candidate's files in it."""
    folder, home = lay(options)
    for name in options["editable"]:
        place = os.path.join(folder, name)
        with open(os.path.join("/candidate", name), encoding="utf-8-sig", newline="") as file:
            text = file.read()
        if name.endswith(".py"):
            text = with_seed(text, seed)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.lexists(place):
            os.chmod(place, 0o644)
        with open(place, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    return folder, home


def hashes(folder, names):
    found = {}
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            found[name] = ""
    return found


def train(folder, home, options):
    """Run the program; the beginning and the end of what it printed, its status, and when its first and last step were told."""
    environment = {**os.environ, **options["settings"], "HOME": home, "PYTHONUNBUFFERED": "1"}
    if options["evaluate"] == "strict":
        environment["EVOLVE_WEIGHTS"] = os.path.join(os.environ["EVOLVE_OUTPUT"], "weights.bin")
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, *options["command"]], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    head, tail, marks = b"", b"", {"first": None, "counted": None, "last": None}
    while piece := os.read(child.stdout.fileno(), 1 << 16):
        now, steps = time.monotonic() - began, [int(one) for one in STEP.findall(piece)]
        if steps:
            marks["last"] = now
            marks["first"] = now if marks["first"] is None else marks["first"]
            if marks["counted"] is None and steps[-1] >= UNCOUNTED:
                marks["counted"] = now
        head += piece[: HEAD - len(head)]
        tail = (tail + piece)[-KEPT:]
    code = child.wait()
    return head, tail, code, marks


def main():
    seed = int(sys.argv[1])
    with open(os.path.join(HERE, "options.json"), encoding="utf-8") as file:
        options = json.load(file)
    folder, home = begin(options, seed)
    before = hashes(folder, options["protected"])
    head, tail, code, marks = train(folder, home, options)
    after = hashes(folder, options["protected"])
    answer = {
        "head": head.decode("utf-8", "replace"),
        "log": tail.decode("utf-8", "replace"),
        "code": code,
        "marks": marks,
        "changed": [name for name in before if before[name] != after[name]],
    }
    with open(os.path.join(os.environ["EVOLVE_OUTPUT"], "result.json"), "w", encoding="utf-8") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()
