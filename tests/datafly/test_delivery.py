"""Every event is stored exactly once, whatever happens between the call and the answer."""

import random
import time

from tests.datafly.conftest import Browser, eventually, holds, names
from tests.datafly.service import KEY, Service, refusal

OFFLINE = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def queued(browser: Browser) -> int:
    return sum(name.startswith("_df_q.") for name in browser.stored_names())


def test_batches_keep_their_bounds(browser: Browser, service: Service) -> None:
    browser.open(auto_page="false")
    browser.run("""
        for (let i = 0; i < 25; i++) datafly.track('Small ' + i);
        for (let i = 0; i < 5; i++) datafly.track('Large ' + i, {text: 'é'.repeat(12000)});
        datafly.track('Huge', {text: 'x'.repeat(100000)});
    """)
    expected = [f"Small {i}" for i in range(25)] + [f"Large {i}" for i in range(5)] + ["Huge"]
    holds(service, *expected)
    for request in service.requests:
        assert len(request.body["batch"]) <= 10
        assert request.size < 60_000 or len(request.body["batch"]) == 1
    assert queued(browser) == 0
    assert service.preflights == 0


def test_tab_closed_right_after_a_click(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    here = browser.driver.current_window_handle
    browser.new_tab("/")
    eventually(lambda: len(service.events) == 2)
    browser.run("datafly.track('Clicked'); for (let i = 0; i < 12; i++) datafly.track('Then ' + i)")
    browser.driver.close()
    browser.driver.switch_to.window(here)
    holds(service, "page", "page", "Clicked", *[f"Then {i}" for i in range(12)])


def test_left_by_a_link_at_once(browser: Browser, service: Service) -> None:
    browser.shop.pages["/"] = (
        f"<!doctype html><title>Shop</title>{browser.tag()}<body><script>"
        "datafly.track('Clicked'); location.href = '/next'</script>"
    )
    browser.open("/")
    eventually(lambda: len(service.events) == 3)
    holds(service, "page", "Clicked", "page")
    assert len({event["anonymousId"] for event in service.events}) == 1


def test_offline_then_online(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    browser.cdp("Network.enable")
    browser.cdp("Network.emulateNetworkConditions", offline=True, **OFFLINE)
    browser.run("datafly.track('Offline 1')")
    time.sleep(1.5)
    browser.run("datafly.track('Offline 2')")
    assert queued(browser) == 2
    browser.cdp("Network.emulateNetworkConditions", offline=False, **OFFLINE)
    holds(service, "page", "Offline 1", "Offline 2")
    assert queued(browser) == 0


def test_online_is_only_a_hint(browser: Browser, service: Service) -> None:
    browser.before_every_page("Object.defineProperty(Navigator.prototype, 'onLine', {get: () => false})")
    browser.open()
    holds(service, "page")


def test_service_down_for_five_seconds_and_a_reload_meanwhile(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    service.stop()
    browser.run("datafly.track('Down 1')")
    time.sleep(2.5)
    browser.go("/second")  # the script comes from the cache
    time.sleep(2.5)
    service.start()
    browser.go("/third")
    browser.run("datafly.track('Up')")
    holds(service, "page", "Down 1", "page", "page", "Up", seconds=15)


def test_service_down_for_five_seconds_on_one_page(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    service.stop()
    browser.run("for (let i = 0; i < 12; i++) datafly.track('Down ' + i)")
    time.sleep(5)
    service.start()
    holds(service, "page", *[f"Down {i}" for i in range(12)], seconds=20)


def test_a_lost_answer_is_repeated_with_the_same_ids(browser: Browser, service: Service) -> None:
    service.lose_answers = 2
    browser.open()
    browser.run("datafly.track('A')")
    eventually(lambda: len(service.requests) >= 3, 15)
    holds(service, "page", "A")
    sent = [[event["messageId"] for event in request.body["batch"]] for request in service.requests]
    assert sent[0] == sent[1] == sent[2]


def test_retry_after_is_obeyed(browser: Browser, service: Service) -> None:
    service.refusals = [refusal(429, "rate_limited", "Too fast.", Retry_After="2")]
    browser.open()
    eventually(lambda: len(service.requests) == 1)
    for _ in range(3):
        browser.run("datafly.track('More')")
        browser.flush()
    browser.go("/second")
    browser.flush()
    assert len(service.requests) == 1
    holds(service, "page", "More", "More", "More", "page")
    first, second, *_ = service.requests
    assert 1.9 < second.at - first.at < 3.5


def test_permanent_refusals_are_dropped_and_said(browser: Browser, service: Service) -> None:
    browser.expects_console = "invalid_pipeline_key"
    browser.open(key="dk_wrong")
    browser.run("datafly.track('A')")
    eventually(lambda: len(service.requests) == 1)
    eventually(lambda: queued(browser) == 0)
    time.sleep(1.5)
    assert len(service.requests) == 1
    assert "2 events dropped" in eventually(browser.console)[0]


def test_one_bad_event_costs_no_other(browser: Browser, service: Service) -> None:
    browser.expects_console = "invalid_payload"
    browser.open()
    browser.run("datafly.track('x'.repeat(5000)); datafly.track('Fine')")
    holds(service, "page", "Fine")
    assert len(service.requests) == 1
    assert queued(browser) == 0


def test_too_large_batches_are_halved(browser: Browser, service: Service) -> None:
    service.refusals = [refusal(413, "payload_too_large", "Too large.")] * 2
    browser.open(auto_page="false")
    browser.run("for (let i = 0; i < 8; i++) datafly.track('E' + i)")
    holds(service, *[f"E{i}" for i in range(8)])
    assert [len(request.body["batch"]) for request in service.requests][:3] == [8, 4, 2]


def test_two_tabs(browser: Browser, service: Service) -> None:
    browser.open()
    first = browser.driver.current_window_handle
    second = browser.new_tab("/")
    service.delay = 0.2
    for turn in range(5):
        for tab in (first, second):
            browser.driver.switch_to.window(tab)
            browser.run(f"for (let i = 0; i < 4; i++) datafly.track('{tab} {turn} ' + i)")
    eventually(lambda: len(service.events) == 42)
    eventually(lambda: queued(browser) == 0)
    for tab in (first, second):
        expected = [f"{tab} {turn} {i}" for turn in range(5) for i in range(4)]
        assert [name for name in names(service) if name.startswith(tab)] == expected
    assert len({event["anonymousId"] for event in service.events}) == 1
    assert sum(len(request.body["batch"]) for request in service.requests) < 84


def test_what_a_crashed_tab_has_left_is_sent_by_the_next(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    service.stop()
    browser.run("""
        datafly.track('Left');
        navigator.sendBeacon = () => false;
    """)
    time.sleep(0.2)
    browser.run("location.href = 'about:blank'")
    service.start()
    browser.open("/next")
    holds(service, "page", "Left", "page")


def test_the_queue_is_bounded(browser: Browser, service: Service) -> None:
    browser.open(auto_page="false")
    service.stop()
    browser.run("for (let i = 0; i < 530; i++) datafly.track('E' + i)")
    assert queued(browser) == 500
    service.start()
    browser.flush()
    eventually(lambda: len(service.events) == 500, 20)
    assert (names(service)[0], names(service)[-1]) == ("E30", "E529")


def test_events_older_than_the_memory_of_the_service_are_not_repeated(browser: Browser, service: Service) -> None:
    browser.open(auto_page="false")
    browser.run("datafly.track('Now')")
    holds(service, "Now")
    browser.run(
        """
        const old = (Date.now() - 48 * 3600e3).toString(36).padStart(9, '0');
        localStorage.setItem('_df_q.' + arguments[0] + '.' + old + '-000000000-abcd', 'x {"messageId":"old"}');
        datafly.track('Then');
        """,
        KEY,
    )
    holds(service, "Now", "Then")
    assert queued(browser) == 0


def test_without_storage(browser: Browser, service: Service) -> None:
    browser.before_every_page("""
        Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }});
        Object.defineProperty(Document.prototype, 'cookie', {get() { return ''; }, set() {}});
    """)
    service.refusals = [refusal(503, "overloaded", "Busy.", Retry_After="1")]
    browser.open()
    browser.run("datafly.identify('u1'); datafly.track('A')")
    holds(service, "page", "identify", "A")
    assert service.events[2]["userId"] == "u1"


def test_a_hidden_tab_sends_at_once_and_hears_the_answer(browser: Browser, service: Service) -> None:
    service.configure(flush_ms=60_000)
    browser.open()
    browser.run("datafly.track('A')")
    here = browser.driver.current_window_handle
    browser.new_tab()
    holds(service, "page", "A")
    browser.driver.switch_to.window(here)
    assert queued(browser) == 0
    assert len(service.requests) == 1


def test_nothing_is_lost_or_doubled_in_rough_weather(browser: Browser, service: Service) -> None:
    chance = random.Random(7)
    browser.open()
    tabs = [browser.driver.current_window_handle, browser.new_tab("/")]
    expected = []
    for step in range(16):
        browser.driver.switch_to.window(chance.choice(tabs))
        service.delay = chance.choice([0, 0, 0.1, 0.4])
        service.lose_answers = chance.choice([0, 0, 1])
        service.refusals = [refusal(503, "overloaded", "Busy.")] * chance.choice([0, 0, 2])
        for number in range(chance.randint(1, 12)):
            expected.append(f"{step}-{number}")
            browser.run("datafly.track(arguments[0])", expected[-1])
        if chance.random() < 0.5:
            browser.go(f"/{step}")
    service.delay = service.lose_answers = 0
    service.refusals = []
    browser.go("/last")
    browser.flush()
    eventually(lambda: queued(browser) == 0, 20)
    assert sorted(name for name in names(service) if name != "page") == sorted(expected)
    assert len({event["anonymousId"] for event in service.events}) == 1
