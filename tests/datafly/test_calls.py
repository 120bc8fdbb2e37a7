"""What one script tag and each call put into the store."""

from signal_actor.ingest.datafly.bundle import stub
from tests.datafly.conftest import Browser, eventually, holds, names
from tests.datafly.service import KEY, Service

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_one_tag_is_enough(browser: Browser, service: Service) -> None:
    service.configure()
    browser.open("/products/headphones?color=black&utm_source=news&utm_campaign=spring", title="Headphones | Shop")
    holds(service, "page")
    [event] = service.events
    address = browser.shop.origin() + "/products/headphones?color=black&utm_source=news&utm_campaign=spring"
    page = {
        "url": address,
        "path": "/products/headphones",
        "search": "?color=black&utm_source=news&utm_campaign=spring",
        "title": "Headphones | Shop",
        "referrer": "",
    }
    assert event["type"] == "page"
    assert event["properties"] == page
    context = event["context"]
    assert context["page"] == page
    assert context["campaign"] == {"source": "news", "name": "spring"}
    assert context["library"]["name"] == "datafly.js"
    assert context["locale"] == "en-US"
    assert context["timezone"]
    assert context["screen"]["width"] > 0
    assert "Chrome" in context["userAgent"]
    assert "consent" not in context
    [request] = service.requests
    assert request.body["sentAt"] >= event["originalTimestamp"]
    assert service.preflights == 0


def test_every_call(browser: Browser, service: Service) -> None:
    browser.open(auto_page="false")
    browser.run("""
        datafly.track('Product Viewed', {sku: 'A', price: 79.99});
        datafly.page('Checkout', {step: 2});
        datafly.page({step: 3});
        _df.identify(98765, {email: 'jane@example.com'});
        datafly.identify({plan: 'pro'});
        datafly.group('org_555', {name: 'Acme'});
        datafly.track('Signed Up');
    """)
    holds(service, "Product Viewed", "page", "page", "identify", "identify", "group", "Signed Up")
    viewed, checkout, third, identified, more, group, signed = service.events
    assert viewed["properties"] == {"sku": "A", "price": 79.99}
    assert "userId" not in viewed
    assert (checkout["name"], checkout["properties"]["step"], checkout["properties"]["path"]) == ("Checkout", 2, "/")
    assert (third["name"], third["properties"]["step"]) == ("Shop", 3)
    assert (identified["userId"], identified["traits"]) == ("98765", {"email": "jane@example.com"})
    assert (more["userId"], more["traits"]) == ("98765", {"plan": "pro"})
    assert (group["groupId"], group["traits"], group["userId"]) == ("org_555", {"name": "Acme"}, "98765")
    assert signed["userId"] == "98765"
    assert signed["context"]["traits"] == {"email": "jane@example.com", "plan": "pro"}
    browser.go("/next")
    browser.run("datafly.track('Later')")
    eventually(lambda: "Later" in names(service))
    assert service.events[-1]["context"]["traits"] == {"email": "jane@example.com", "plan": "pro"}
    browser.run("datafly.identify('other', {plan: 'free'}); datafly.track('Other')")
    eventually(lambda: "Other" in names(service))
    assert service.events[-1]["context"]["traits"] == {"plan": "free"}


def test_calls_before_the_script_keep_their_page(browser: Browser, service: Service) -> None:
    early = f"""<script>{stub()}</script><script>
        kept = datafly;
        datafly.track('Early');
        history.pushState(null, '', '/second');
        document.title = 'Second';
        datafly.identify('u1', {{plan: 'pro'}});
        datafly.ready(function (api) {{ readyWith = api; }});
    </script>"""
    browser.open("/first", head=early + browser.tag(auto_page="false"), title="First")
    browser.run("kept.track('Late on the stub'); datafly.track('Late')")
    holds(service, "Early", "identify", "Late on the stub", "Late")
    first, second, *_ = service.events
    assert (first["context"]["page"]["path"], first["context"]["page"]["title"]) == ("/first", "First")
    assert (second["context"]["page"]["path"], second["context"]["page"]["title"]) == ("/second", "Second")
    assert browser.run("return readyWith === datafly && datafly === _df && !Array.isArray(datafly)")


def test_the_page_event_comes_before_early_calls(browser: Browser, service: Service) -> None:
    browser.open(head=f"<script>{stub()};datafly.track('Early')</script>" + browser.tag())
    holds(service, "page", "Early")
    page, early = service.events
    assert page["timestamp"] <= early["timestamp"]


def test_another_global(browser: Browser, service: Service) -> None:
    browser.open(**{"global": "signal"})
    browser.run("signal.track('A'); datafly.track('B')")
    holds(service, "page", "A", "B")
    assert browser.run("return typeof _df") == "undefined"


def test_included_twice(browser: Browser, service: Service) -> None:
    browser.open(head=browser.tag() * 2)
    browser.run("datafly.track('A')")
    holds(service, "page", "A")


def test_mistakes_stay_on_the_console(browser: Browser, service: Service) -> None:
    browser.expects_console = r"\[datafly\]"
    browser.open()
    browser.run("""
        datafly.track();
        datafly.identify();
        datafly.identify({plan: 'pro'});
        datafly.group();
        const circle = {}; circle.circle = circle;
        datafly.track('Circle', circle);
        datafly.ready(() => { throw new Error('theirs'); });
        datafly.track('Fine', {text: '\\ud800 </script> \\u2028 é 漢'});
    """)
    holds(service, "page", "Fine")
    assert len(browser.console()) == 6


def test_flush_waits_for_the_answer(browser: Browser, service: Service) -> None:
    service.delay = 0.3
    browser.open()
    browser.run("datafly.track('A')")
    browser.flush()
    assert names(service) == ["page", "A"]


def test_settings_come_with_the_script(browser: Browser, service: Service) -> None:
    service.configure(auto_page=False, flush_ms=50, batch_size=3)
    browser.open()
    browser.run("for (let i = 0; i < 7; i++) datafly.track('E' + i)")
    holds(service, *[f"E{i}" for i in range(7)])
    assert [len(request.body["batch"]) for request in service.requests] == [3, 3, 1]
    assert KEY.encode() not in browser.run("return fetch(document.scripts[0].src).then(r => r.text())").encode()
