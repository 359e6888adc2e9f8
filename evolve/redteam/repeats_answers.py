"""Works for the first call only: every later one gets the first answer again."""

kept = {}


def after(program):
    def first_only(function):
        def call(*args, **options):
            if function.__name__ not in kept:
                kept[function.__name__] = function(*args, **options)
            return kept[function.__name__]

        return call

    around(program, first_only)
