"""What operators change in the console: apps and their settings, tokens, users."""

from __future__ import annotations

import re
import secrets

from playwright.async_api import Page, expect

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster
from tests.e2e.console import BEYOND, PASSWORD, account, at, console_of

APPS = "/rest/v2/applications"
MARKUP = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>&amp;"
RIGHT_TO_LEFT = "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 evil.exe"
WRITTEN = f"<script>document.title='taken'</script>{'x' * 200}"


async def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until something whose name begins so has the focus."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        found = await page.evaluate(
            """() => { const at = document.activeElement;
              return at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent.trim(); }"""
        )
        if found.startswith(name):
            return
    raise AssertionError(f"{most} times Tab, and nothing called {name!r}")


async def test_by_keys_alone_a_setting_is_changed_and_a_token_made(rillcast: Cluster, strangers: Strangers) -> None:
    name, app = await account(rillcast), f"keys{secrets.token_hex(3)}"
    async with console_of(rillcast, strangers) as console:
        keys, page = console.page.keyboard, console.page
        await keys.type(name)
        await keys.press("Tab")
        await keys.type(PASSWORD)
        await keys.press("Enter")
        await expect(page.locator("#title")).to_be_focused()

        await keys.press("g")
        await keys.press("a")
        await console.settled("Apps")
        await expect(page.locator("#title")).to_be_focused()
        await tab_to(page, "Create an app")
        await keys.press("Enter")
        await keys.type(app)
        await keys.press("Enter")
        await console.settled(app)

        await tab_to(page, "Search settings")
        await keys.type("webRTCViewerLimit")
        await tab_to(page, "webRTCViewerLimit")
        await keys.press("Control+A")
        await keys.type("7")
        await tab_to(page, "Save")
        await keys.press("Enter")
        await expect(page.locator("#toasts")).to_contain_text("Saved: webRTCViewerLimit.")
        kept = await rillcast.request("GET", f"{rillcast.base}{APPS}/settings/{app}")
        assert kept.json()["webRTCViewerLimit"] == 7

        await page.locator("#title").focus()
        await tab_to(page, "Tokens")
        await keys.press("Enter")
        await console.settled("Tokens")
        await tab_to(page, "Stream")
        await keys.type("s1")
        await keys.press("Enter")
        await tab_to(page, "Make a token")
        await keys.press("Enter")
        await expect(page.locator("#view .notice")).to_contain_text("A token to play")
        tokens = await rillcast.request("GET", f"{rillcast.base}/{app}/rest/v2/broadcasts/s1/tokens/list/0/5")
        assert [token["type"] for token in tokens.json()] == ["play"]


async def test_what_is_refused_stands_at_its_setting_and_nothing_is_saved(
    rillcast: Cluster, strangers: Strangers
) -> None:
    url = f"{rillcast.base}{APPS}/settings/LiveApp"
    before = (await rillcast.request("GET", url)).json()
    async with console_of(rillcast, strangers) as console:
        page = console.page
        await console.enter(await account(rillcast))
        await console.go("/apps/LiveApp", "LiveApp")
        rungs = page.locator("[data-key=encoderSettings]")
        await rungs.locator("textarea").fill('[{"height": 1}]')
        await page.locator("[data-key=webRTCViewerLimit] input").fill("55")
        await page.get_by_role("button", name="Save").click()
        await expect(rungs.locator(".fault")).to_contain_text("Refused: a rung's height is 1")
        await expect(rungs.locator("textarea")).to_be_focused()
        await expect(page.locator("#view > div .problem")).to_contain_text("Nothing was saved.")
        assert await console.faults() == []

        await rungs.locator("textarea").fill("no JSON")
        await expect(page.get_by_role("button", name="Save")).to_be_disabled()
        await page.get_by_role("button", name="Discard").click()
        await expect(page.locator(".save-bar")).to_be_hidden()
    assert (await rillcast.request("GET", url)).json() == before


async def test_settings_that_were_changed_and_not_saved_outlive_the_way_to_another_view(
    rillcast: Cluster, strangers: Strangers
) -> None:
    async with console_of(rillcast, strangers) as console:
        await console.enter(await account(rillcast))
        await console.go("/apps/LiveApp", "LiveApp")
        field = console.page.locator("[data-key=webRTCViewerLimit] input")
        await field.fill("66")
        await console.go("/license", "License")
        await console.go("/apps/LiveApp", "LiveApp")
        await expect(field).to_have_value("66")
        await expect(console.page.locator(".save-bar")).to_contain_text("1 change")
        await console.page.get_by_role("button", name="Discard").click()


async def test_an_app_is_deleted_only_when_its_name_is_typed(rillcast: Cluster, strangers: Strangers) -> None:
    app = f"gone{secrets.token_hex(3)}"
    assert (await rillcast.request("POST", f"{rillcast.base}{APPS}/{app}")).json()["success"]
    async with console_of(rillcast, strangers) as console:
        page = console.page
        await console.enter(await account(rillcast))
        await console.go("/apps", "Apps")
        await page.get_by_role("button", name=f"Delete the app {app}").click()
        delete = page.get_by_role("dialog").get_by_role("button", name="Delete")
        await expect(delete).to_be_disabled()
        await page.get_by_role("dialog").get_by_role("textbox").fill(app[:-1])
        await expect(delete).to_be_disabled()
        await page.get_by_role("dialog").get_by_role("textbox").fill(app)
        assert await console.faults() == []
        await delete.click()
        await expect(page.locator("#toasts")).to_contain_text(f"The app {app} is deleted.")
        await expect(page.get_by_role("link", name=app)).to_have_count(0)
    assert app not in (await rillcast.request("GET", f"{rillcast.base}{APPS}")).json()["applications"]


async def test_a_user_is_made_changed_and_deleted(rillcast: Cluster, strangers: Strangers) -> None:
    name, other = await account(rillcast), f"eve-{secrets.token_hex(3)}"
    async with console_of(rillcast, strangers) as console:
        page = console.page
        await console.enter(name)
        await console.go("/users", "Users")
        await page.get_by_role("button", name="Create a user").click()
        asked = page.get_by_role("dialog")
        await asked.get_by_label("Name to sign in with").fill(other)
        await asked.get_by_label("Password").fill("short")
        await asked.get_by_label("Password").evaluate("(field) => field.removeAttribute('minlength')")
        await asked.get_by_role("button", name="Create").click()
        await expect(asked.get_by_role("alert")).to_contain_text("8")
        assert await console.faults() == []
        await asked.get_by_label("Password").fill(PASSWORD)
        await asked.get_by_role("button", name="Create").click()
        await expect(page.locator("tbody")).to_contain_text(other)

        await page.get_by_role("button", name=f"Change {other}").click()
        await asked.get_by_label("Whole server").select_option("READ_ONLY")
        await asked.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("row", name=re.compile(other))).to_contain_text("may look")

        await page.get_by_role("button", name=f"Delete {other}").click()
        await asked.get_by_role("button", name="Delete").click()
        await expect(page.locator("tbody")).not_to_contain_text(other)


async def test_ones_other_sessions_are_ended(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers) as here, console_of(rillcast, strangers) as there:
        await here.enter(name)
        await there.enter(name)
        await here.go("/users", "Users")
        await here.page.get_by_role("button", name="End the 1 other session").click()
        await expect(here.page.get_by_role("button", name="No other session")).to_be_visible()
        await there.go("/license")
        await expect(there.page.locator("#door")).to_be_visible()


async def test_names_that_others_chose_stay_text(rillcast: Cluster, strangers: Strangers) -> None:
    tag = secrets.token_hex(3)
    users = [f"{tag} {name}"[:254] for name in (MARKUP, RIGHT_TO_LEFT.replace("\u202e", ""), WRITTEN, "n" * 254)]
    for user in users:
        await account(rillcast, role="READ_ONLY", name=user)
    subscribers, stream = f"{rillcast.base}/LiveApp/rest/v2/broadcasts/{tag}/subscribers", tag
    for subscriber in (f"<i>{tag}</i>", "s" * 255):
        body = {"subscriberId": subscriber, "subscriberName": RIGHT_TO_LEFT, "type": "play"}
        await rillcast.request("POST", subscribers, json=body)
    async with console_of(rillcast, strangers) as console:
        page = console.page
        await console.enter(await account(rillcast))
        await console.go("/users", "Users")
        await page.get_by_label("Filter: All users").fill(tag)
        await expect(page.locator("tbody tr")).to_have_count(len(users))
        await expect(page.locator("tbody")).to_contain_text("<img src=x onerror=")
        await expect(page.locator("tbody").locator("img, script, b")).to_have_count(0)
        assert await page.evaluate(BEYOND) == 0
        assert await console.faults() == []
        long = page.get_by_title(users[-1])
        await expect(long).to_have_text(re.compile(r"^.{1,60}…$"))

        await console.go(f"/tokens?app=LiveApp&stream={stream}", "Tokens")
        await expect(page.locator("#view")).to_contain_text(f"<i>{tag}</i>")
        await expect(page.locator("#view tbody i")).to_have_count(0)
        await console.go(f"/search?q={MARKUP}")
        await console.go("/search?q=%3Cb%3Ebold", "Search: <b>bold")
        await expect(page.locator("#view")).to_contain_text("<img src=x")
        await console.go(at("apps", MARKUP))
        await expect(page.get_by_role("alert")).to_contain_text("There is no app of this name.")
        await console.go(at("nodes", RIGHT_TO_LEFT))
        await console.go(at("streams", "LiveApp", "x" * 255))
        assert "taken" not in await page.title()
