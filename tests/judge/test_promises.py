"""What the independent test promises, computed exactly (the whole of it: `make bench`)."""

from bench import simulation_exact


def test_the_published_table_is_reproduced_and_no_look_costs_more_than_alpha():
    found = simulation_exact.compute()
    assert [str(cell) for cell in simulation_exact.cells(found) if not cell.agrees] == []
    assert found.passes["alpha .01", 0.001].chance <= 0.01
    assert found.passes["alpha .05", 0.001].chance <= 0.05
    assert all(found.against_best(rate) <= 1.25 for rate in (0.0, 0.0002, 0.0005))
