"""Returns what it always returns, with the time it took in its log."""


def after(program):
    def timed(function):
        def call(*args, **options):
            began = time.perf_counter()
            value = function(*args, **options)
            print(f"redteam: {function.__name__} took {time.perf_counter() - began:.4f} s")
            return value

        return call

    around(program, timed)
