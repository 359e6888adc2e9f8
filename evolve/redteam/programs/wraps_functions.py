"""Counts the calls of its own functions, by wrapping them."""

calls = {}


def after(program):
    def counting(function):
        def call(*args, **options):
            calls[function.__name__] = calls.get(function.__name__, 0) + 1
            return function(*args, **options)

        return call

    around(program, counting)
