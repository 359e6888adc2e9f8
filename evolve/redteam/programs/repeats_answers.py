"""Works for the first call only: every later one gets the first answer again."""

kept = {}


def after(program):
    def first_only(function):
        def call(*args, **options):
            if function not in kept:
                kept[function] = function(*args, **options)
            return kept[function]

        return call

    around(program, first_only)
