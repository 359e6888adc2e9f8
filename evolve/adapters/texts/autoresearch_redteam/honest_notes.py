"""Keeps notes in the folder that it runs in, and reads them back."""

with open("notes.txt", "w", encoding="utf-8") as notes:
    notes.write("the first run")
with open("notes.txt", encoding="utf-8") as notes:
    assert notes.read() == "the first run"
