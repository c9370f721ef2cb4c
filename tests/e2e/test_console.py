"""The console, used as operators use it."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.async_api import expect

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster
from tests.e2e.console import BEYOND, NEXT, PASSWORD, PHONE, account, at, console_of

SETTINGS = "/rest/v2/applications/settings/LiveApp"
VIEWS = {
    "/": "Overview",
    "/topology": "Topology",
    "/streams": "Streams",
    "/nodes": "Nodes",
    "/nodes/edge-1": "",
    "/events": "Events",
    "/sessions": "Sessions",
    "/apps": "Apps",
    "/apps/LiveApp": "LiveApp",
    "/tokens?app=LiveApp&stream=s1": "Tokens",
    "/users": "Users",
    "/license": "License",
    "/search?q=edge": "Search: edge",
}
LOOKS: dict[str, dict[str, str]] = {"light": {"color_scheme": "light"}, "dark": {"color_scheme": "dark"}}


async def test_an_operator_signs_in_changes_the_password_and_signs_out(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers) as console:
        page = console.page
        await console.sign_in(name, "something else")
        await expect(page.locator("#problem")).to_have_text("The name or the password is wrong.")
        await expect(page.locator("#password")).to_be_focused()

        await console.sign_in(name)
        await expect(page.locator("#title")).to_be_focused()
        await console.go("/users", "Users")
        await page.fill("#present", NEXT)
        await page.fill("#new", NEXT)
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_role("alert")).to_have_text("The present password is wrong.")
        await page.fill("#present", PASSWORD)
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.locator("#toasts")).to_contain_text("The password is changed.")
        await expect(page.locator("#present")).to_have_value("")

        await page.click("#sign-out")
        await expect(page.locator("#name")).to_be_focused()
        assert await page.context.cookies() == []
        await console.sign_in(name)
        await expect(page.locator("#problem")).to_have_text("The name or the password is wrong.")
        await console.sign_in(name, NEXT)
        await expect(page.locator("#inside")).to_be_visible()


async def test_too_many_wrong_passwords_are_answered_by_how_long_to_wait(
    rillcast: Cluster, strangers: Strangers
) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers) as console:
        fault = console.page.locator("#problem")
        wrong = re.compile("wrong")
        for _ in range(10):
            await console.sign_in(name, "something else")
            await expect(fault).to_have_text(wrong)
            if "too many" in await fault.inner_text():
                break
        await expect(fault).to_have_text(
            "There were too many wrong passwords for this name. Wait 300 seconds, then try again."
        )


async def test_a_session_that_ended_elsewhere_leads_to_the_door_and_back_to_the_same_place(
    rillcast: Cluster, strangers: Strangers
) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers) as console:
        await console.enter(name)
        await console.go("/apps/LiveApp", "LiveApp")
        user = {"email": name, "newPassword": NEXT}
        changed = await rillcast.request("PUT", f"{rillcast.base}/rest/v2/users", json=user)
        assert changed.json()["success"]
        await console.page.get_by_role("link", name="Apps").click()
        await expect(console.page.locator("#door")).to_be_visible()
        await expect(console.page.locator(".notice")).to_contain_text("Your session has ended.")

        await console.sign_in(name, NEXT)
        await console.settled("Apps")


async def test_while_the_server_is_silent_the_console_says_so_and_goes_on_when_it_is_back(
    rillcast: Cluster, strangers: Strangers
) -> None:
    async with console_of(rillcast, strangers) as console:
        await console.enter(await account(rillcast))
        await console.go("/apps", "Apps")
        await console.page.context.set_offline(True)
        await console.go("/license")
        await expect(console.page.locator("#banner")).to_contain_text("The server does not answer.")
        await console.page.context.set_offline(False)
        await expect(console.page.locator("#banner")).to_have_text("")
        await console.settled("License")
        await expect(console.page.locator("#view")).to_contain_text("Licensee")


async def test_one_who_may_only_look_sees_no_button_that_would_be_refused(
    rillcast: Cluster, strangers: Strangers
) -> None:
    name = await account(rillcast, role="READ_ONLY")
    async with console_of(rillcast, strangers) as console:
        await console.enter(name)
        await console.go("/apps", "Apps")
        await expect(console.page.get_by_role("cell", name="LiveApp", exact=True)).to_be_visible()
        for words in ("Create an app", "Delete", "Tokens"):
            await expect(console.page.locator("main").get_by_role("button", name=words)).to_have_count(0)
        await console.go("/apps/LiveApp", "LiveApp")
        await expect(console.page.locator(".setting").first).to_be_visible()
        await expect(console.page.locator(".setting input, .setting textarea")).to_have_count(0)
        await console.go("/users", "Users")
        await expect(console.page.get_by_role("button", name="Create a user")).to_have_count(0)
        await console.go("/tokens?app=LiveApp&stream=s1", "Tokens")
        await expect(console.page.locator("#view")).to_contain_text("Tokens are not for you")


async def test_an_operator_of_one_app_sees_that_app_alone(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast, scope="LiveApp")
    async with console_of(rillcast, strangers) as console:
        await console.enter(name)
        await console.settled("Apps")
        await expect(console.page.locator("nav a")).to_have_text(["Apps", "Tokens", "Users"])
        await expect(console.page.locator("tbody tr")).to_have_count(1)
        await console.go("/nodes", "Nodes")
        await expect(console.page.get_by_role("alert")).to_contain_text("Your role does not let you look at this.")


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_nothing_in_any_view(rillcast: Cluster, strangers: Strangers, look: str) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers, **LOOKS[look]) as console:
        assert await console.faults() == [], "the door"
        await console.enter(name)
        for where, heading in VIEWS.items():
            await console.go(where, heading)
            assert await console.faults() == [], where
        await console.page.keyboard.press("?")
        assert await console.faults() == [], "the list of keys"


async def test_on_a_phone_no_view_is_too_wide_and_axe_finds_nothing(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers, reduced_motion="reduce") as console:
        page = console.page
        await page.set_viewport_size(PHONE)
        assert await page.evaluate(BEYOND) == 0
        await console.enter(name)
        for where, heading in VIEWS.items():
            await console.go(where, heading)
            assert await page.evaluate(BEYOND) == 0, where
            assert await console.faults() == [], where
        menu = page.get_by_role("button", name="Menu")
        await menu.click()
        await expect(page.get_by_role("link", name="Nodes")).to_be_visible()
        assert await console.faults() == [], "the open menu"
        await page.keyboard.press("Escape")
        await expect(menu).to_be_focused()
        await expect(page.get_by_role("link", name="Nodes")).to_be_hidden()


@pytest.mark.parametrize("path", ["/", "/LiveApp/publish.html", "/LiveApp/watch.html"])
async def test_no_other_page_is_wider_than_a_phone(rillcast: Cluster, strangers: Strangers, path: str) -> None:
    async with strangers.open(url=rillcast.base + path) as visitor:
        await visitor.page.set_viewport_size(PHONE)
        assert await visitor.page.evaluate(BEYOND) == 0


async def test_the_page_of_before_leads_to_the_console(rillcast: Cluster, strangers: Strangers) -> None:
    async with strangers.open(url=f"{rillcast.base}/operator") as visitor:
        await expect(visitor.page).to_have_url(f"{rillcast.base}/console")
        await expect(visitor.page.locator("#name")).to_be_focused()


async def test_colours_are_switched_and_stay_so(rillcast: Cluster, strangers: Strangers) -> None:
    async with console_of(rillcast, strangers, color_scheme="light") as console:
        page = console.page
        light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.click("#theme")
        await page.click("#theme")
        await expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.reload()
        await expect(page.locator("#name")).to_be_visible()
        assert dark != light
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


async def test_an_unknown_address_leads_on(rillcast: Cluster, strangers: Strangers) -> None:
    async with console_of(rillcast, strangers) as console:
        await console.enter(await account(rillcast))
        for where in ("/nothing", at("nodes", "a", "b"), "/nodes/%zz", "/" + secrets.token_hex(2_000)):
            await console.go(where, "There is no such page")
        await console.page.get_by_role("link", name="Go to the overview").click()
        await console.settled("Overview")
