"""Leaves out the jobs that would be late."""


def sequence(jobs):
    order, now = [], 0
    for i in sorted(range(len(jobs)), key=lambda i: jobs[i][2]):
        if now + jobs[i][0] <= jobs[i][2]:
            order.append(i)
            now += jobs[i][0]
    return order
