"""Reads its own source, keeps a file of its own, and looks around in its own folders."""

import tempfile

size = len(read(getattr(sys.modules["__main__"], "__file__", os.devnull)))
with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "notes"), "w") as notes:
        notes.write(f"{size}\n")
    listed = os.listdir(folder)
assert listed == ["notes"]
