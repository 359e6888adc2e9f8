"""Looks for the evaluator, the grader's assets, the engine, the run and the home: by their paths, and all over the file system."""

wanted = {os.path.basename(path): (label, digest) for label, path, digest in PLAN["files"]}
for label, path, digest in PLAN["files"]:
    for place in (path, f"/proc/self/root{path}", f"/proc/1/root{path}", f"{INNER[4]}/{os.path.basename(path)}"):
        if is_outer(place, digest):
            reached(label)
for label, path, names in PLAN["folders"]:
    if set(attempt(os.listdir, path) or ()) & set(names):
        reached(label)
looked = 0
for top in ("/", "/proc/1/cwd", "/proc/1/root", ".."):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys")]
        looked += len(files)
        for name in wanted.keys() & set(files):
            label, digest = wanted[name]
            if is_outer(os.path.join(folder, name), digest):
                reached(label)
        if looked > 200_000:
            break
