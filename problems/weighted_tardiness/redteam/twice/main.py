"""Does the shortest job again and again."""


def sequence(jobs):
    shortest = min(range(len(jobs)), key=lambda i: jobs[i][0])
    return [shortest] * len(jobs)
