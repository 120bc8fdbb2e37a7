"""What somebody may not do is not shown, and refused if they try."""

import httpx
import pytest

from tests.management.pages.house import House
from tests.management.pages.person import Person, eventually

CHANGES = ("Add Integration", "Install", "Pause", "Send a test event", "Issue a key", "Revoke", "Save", "Publish")
PLACES = ("/integrations", "/integrations/library", "/integrations/1", "/integrations/1/mappings", "/pipelines/1")
EDITS = (
    ("/integrations/1/pause", {}),
    ("/integrations/1/test", {}),
    ("/integrations/1/remove", {}),
    ("/integrations/1/settings", {}),
    ("/integrations/1/letters", {"do": "replay-all"}),
    ("/integrations/1/mappings/revert", {}),
    ("/integrations/1/mappings/rule?key=page", {"do": "publish"}),
    ("/integrations/library/webhook", {}),
    ("/pipelines", {"slug": "other"}),
    ("/pipelines/1/keys", {}),
    ("/pipelines/1/settings", {}),
    ("/pipelines/1/publish", {}),
    ("/pipelines/1/rollback", {"revision": "1"}),
    ("/events/1/replay", {}),
)
ADMIN_ONLY = (
    ("/pipelines/1/delete", {}),
    ("/settings/tokens", {"name": "x", "role": "admin"}),
    ("/settings/retention", {}),
    ("/settings/delivery", {}),
    ("/settings/alarms", {}),
    ("/settings/forget", {"sure": "on", "user_id": "x"}),
)


def token(house: House, role: str) -> str:
    """Somebody else's token, made as an admin makes one."""
    with httpx.Client(base_url=house.admin, trust_env=False) as client:
        client.get(house.ask(house.demo.login))
        page = client.get("/settings/tokens").text
        csrf = page.split('name="csrf_token" value="')[1].split('"')[0]
        made = client.post("/settings/tokens", data={"csrf_token": csrf, "name": f"a {role}", "role": role}).text
        return made.split('<input readonly value="')[1].split('"')[0]


def test_a_viewer_sees_and_changes_nothing(person: Person, house: House) -> None:
    person.log_in(token(house, "viewer"))
    person.sees("viewer", ".rail .me")
    for place in PLACES:
        person.go(place)
        words = [item.text for item in person.all("main a.button, main button, main summary") if item.is_displayed()]
        assert not [word for word in words if word.startswith(CHANGES)], place
    person.go("/settings")
    assert "Tokens" not in person.text(".tabs")


@pytest.mark.parametrize(("role", "refused"), [("viewer", EDITS + ADMIN_ONLY), ("editor", ADMIN_ONLY)])
def test_who_tries_is_refused(house: House, role: str, refused: tuple[tuple[str, dict[str, str]], ...]) -> None:
    with httpx.Client(base_url=house.admin, trust_env=False) as client:
        client.post("/login", data={"token": token(house, role)})
        csrf = client.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]
        before = house.rows("select count(*) as n from audit")
        for path, form in refused:
            answer = client.post(path, data={"csrf_token": csrf, **form})
            assert answer.status_code == 403, path
            assert "needs the role" in answer.text, path
        for path in ("/settings/tokens", "/settings/audit", "/settings/forget"):
            assert client.get(path).status_code == 403
        assert house.rows("select count(*) as n from audit") == before


def test_a_token_made_and_revoked(person: Person) -> None:
    person.go("/settings/tokens")
    person.fill("Name", "colleague")
    person.press("Make the token")
    (field,) = eventually(lambda: person.all("input[readonly]"))
    text = field.get_attribute("value")
    person.go("/settings/tokens")
    assert text not in person.driver.page_source
    person.click(person.all("main details[data-ask] summary")[-1])
    person.click(person.one("details[open] form button"))
    person.sees("The token is revoked", ".said")
    person.log_in(text)
    person.sees("unknown or revoked")
    person.complaints()
