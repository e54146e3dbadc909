from taskgroup.core.seeds import derive_seed


def test_seed_is_pinned_and_fits_every_generator() -> None:
    assert derive_seed("job", 3, "init") == 1729670064
    assert all(0 <= derive_seed(k) < 2**31 for k in range(1000))


def test_seeds_of_different_parts_differ() -> None:
    parts = [(a, b) for a in range(30) for b in ("x", "y", "")]
    assert len({derive_seed(*p) for p in parts}) == len(parts)
    assert derive_seed("ab", "c") != derive_seed("a", "bc")
