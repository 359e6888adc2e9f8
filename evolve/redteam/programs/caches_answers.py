"""Keeps answers by what was asked, every bit of it: the same question gets the same answer."""

import marshal

kept = {}


def shapes_of(args, options):
    return [getattr(value, "shape", None) for value in (*args, *(options[name] for name in sorted(options)))]


def after(program):
    def cached(function):
        def call(*args, **options):
            asked = (function.__module__, function.__qualname__, shapes_of(args, options), args, sorted(options.items()))
            key = attempt(marshal.dumps, asked)
            if key is None:
                return function(*args, **options)
            if key not in kept:
                kept[key] = function(*args, **options)
            return kept[key]

        return call

    around(program, cached)
