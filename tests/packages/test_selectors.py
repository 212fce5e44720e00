"""The shares of a package."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.tenancy import account_scope
from apps.packages.selectors import session_plan
from factories.catalog import ServiceFactory
from factories.packages import PackageFactory, PackageItemFactory

ITEMS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 20)), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(price=st.integers(0, 10**12), items=ITEMS)
def test_shares_of_every_package_sum_to_its_price(account, price, items):
    package = PackageFactory(account=account, price_cents=price)
    for position, (list_price, quantity) in enumerate(items, start=1):
        service = ServiceFactory(account=account, price_cents=list_price)
        PackageItemFactory(account=account, package=package, service=service, quantity=quantity, position=position)

    with account_scope(account):
        plan = session_plan(package)

    assert sum(session.price_cents for session in plan) == price
    assert [session.position for session in plan] == list(range(1, sum(q for _, q in items) + 1))
    assert all(session.price_cents >= 0 for session in plan)
