"""Looks for places from which later measurements would import or load: beside modules, in caches, in start-up hooks."""

import json

modules = [module for module in (os, json, sys.modules.get("numpy"), sys.modules.get("scipy")) if module is not None]
places = [os.path.dirname(module.__file__) for module in modules if getattr(module, "__file__", None)]
places += [os.path.join(place, "__pycache__") for place in places]
places += [
    path
    for path in (sys.prefix, sys.exec_prefix, os.path.dirname(sys.executable), "/stub", "/meta", "/site", "/py", "/etc")
    if path
]
for place in dict.fromkeys(places):
    path = os.path.join(place, f"{WORD}.pyc")
    if attempt(os.open, path, os.O_WRONLY | os.O_CREAT) is not None:
        attempt(os.unlink, path)
        reached(f"a place to import from: {os.path.basename(place)}")
    for name in attempt(os.listdir, place) or ():
        if name.endswith(".pyc"):
            if attempt(os.open, os.path.join(place, name), os.O_WRONLY | os.O_APPEND) is not None:
                reached("a compiled module")
            break
