"""The panel: who is run again at which moments."""

from __future__ import annotations

from evolve.confirm import Panel, panel_size


def test_moments_are_spread_over_the_whole_search_and_never_close_together():
    panel, due = Panel(), []
    for evaluations in range(1200):
        if panel.next_to_measure(evaluations / 1200, evaluations, 1200.0):
            due.append(evaluations)
            panel.on_issued(len(due), [0, 1], evaluations)
    assert len(due) == 12
    late = Panel()
    late.on_issued(1, [0], 700)
    late.on_issued(2, [0], 701)
    assert not late.next_to_measure(0.6, 710, 1200.0)
    assert late.next_to_measure(0.7, 830, 1200.0)
    assert [panel_size(runs) for runs in (100, 600, 4500)] == [0, 5, 12]


def test_after_a_vault_come_the_moments_at_which_both_were_run_twice():
    panel = Panel()
    for ticket in range(6):  # three moments
        if ticket == 3:
            panel.on_run_opened(7)  # between the rounds of the second
        panel.on_issued(ticket, [0, 1], ticket)
        for number in (0, 1, 2):
            if (number, ticket) != (2, 5):
                panel.on_measured(ticket, number, float(10 * number + ticket))
    assert panel.after(7, 1, 0) == [(1, [14.0, 15.0], [4.0, 5.0])]
    assert panel.after(7, 2, 0) == []  # one run was lost
    assert [moment for moment, _, _ in panel.after(8, 1, 0)] == [1, 2, 3]
