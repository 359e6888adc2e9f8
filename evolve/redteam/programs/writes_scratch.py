"""Keeps notes in its scratch folder and takes them away again."""

path = os.path.join(INNER[0], f"notes-{os.getpid()}")
with open(path, "w") as file:
    file.write("step 1\n")
assert read(path) == b"step 1\n"
os.unlink(path)
