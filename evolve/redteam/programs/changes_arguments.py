"""Spoils what it was handed, once the answer is made: arrays are filled, lists emptied, input files overwritten."""

import copy


def spoil(value):
    if hasattr(value, "fill"):
        attempt(value.fill, 0)
    elif isinstance(value, (list, dict)):
        value.clear()


def after(program):
    def spoiling(function):
        def call(*args, **options):
            answer = copy.deepcopy(function(*args, **options))
            for value in (*args, *options.values()):
                spoil(value)
            return answer

        return call

    around(program, spoiling)
    for folder in INNER[2:]:
        for name in attempt(os.listdir, folder) or ():
            if attempt(os.open, os.path.join(folder, name), os.O_WRONLY) is not None:
                reached(f"a file of {os.path.basename(folder)} that is to be read only")
