"""The page of the operators, used as they use it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, ViewportSize, expect

from rillcast.testing.eventually import eventually
from tests.e2e.browser import Strangers
from tests.e2e.cluster import CONDITION_TIMEOUT_S, Cluster

PASSWORD, NEXT = "the first of two", "the second of two"
PHONE = ViewportSize(width=320, height=640)
BEYOND = "document.documentElement.scrollWidth - innerWidth"
"""By how much a page is wider than its window."""
RIGHT_EDGES = """() => [...document.querySelectorAll("#inside table:has(tr td + td)")].flatMap((table) => {
  const end = (cell) => {
    const text = document.createRange();
    text.selectNodeContents(cell);
    return text.getBoundingClientRect().right;
  };
  const heads = [...table.querySelectorAll("th")];
  const cells = [...table.querySelectorAll("tbody td")];
  const numbers = cells.filter((cell) => heads[cell.cellIndex].className === "number");
  return numbers.map((cell) => end(heads[cell.cellIndex]) - end(cell));
})"""
"""How far each number ends from where its heading ends."""


async def account(rillcast: Cluster, scope: str = "system") -> str:
    """The name of a new operator."""
    name = f"ada-{secrets.token_hex(4)}"
    roles = {"scope": scope, "userType": "ADMIN", "appNameUserType": {scope: "ADMIN"}}
    url = f"{rillcast.base}/rest/v2/users"
    answer = await rillcast.request("POST", url, json={"email": name, "password": PASSWORD, **roles})
    assert answer.json()["success"], answer.text
    return name


@asynccontextmanager
async def page_of(rillcast: Cluster, strangers: Strangers) -> AsyncIterator[Page]:
    async with strangers.open(url=f"{rillcast.base}/operator") as visitor:
        await expect(visitor.page.locator("#name")).to_be_focused()
        yield visitor.page


async def sign_in(page: Page, name: str, password: str) -> None:
    await page.fill("#name", name)
    await page.fill("#password", password)
    await page.click("#sign-in button")


async def change(page: Page, present: str, new: str) -> None:
    await page.fill("#present", present)
    await page.fill("#new", new)
    await page.click("#change button")


async def test_an_operator_signs_in_changes_the_password_and_signs_out(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast)
    async with page_of(rillcast, strangers) as page:
        await sign_in(page, name, "something else")
        await expect(page.locator("#problem")).to_have_text("The name or the password is wrong.")
        await expect(page.locator("#password")).to_be_focused()

        await sign_in(page, name, PASSWORD)
        await expect(page.locator("#inside h1")).to_be_focused()
        await expect(page.locator("#problem")).to_be_hidden()
        await expect(page.locator("#nodes")).to_contain_text("edge-1")
        assert {round(far) for far in await page.evaluate(RIGHT_EDGES)} == {0}

        await change(page, NEXT, NEXT)
        await expect(page.locator("#changed")).to_have_text("The present password is wrong.")
        await change(page, PASSWORD, NEXT)
        await expect(page.locator("#changed")).to_contain_text("Changed.")

        await page.fill("#present", NEXT)
        await page.click("#sign-out")
        await expect(page.locator("#name")).to_be_focused()
        await expect(page.locator("#present")).to_have_value("")
        await expect(page.locator("#changed")).to_have_text("")
        assert await page.context.cookies() == []

        await sign_in(page, name, PASSWORD)
        await expect(page.locator("#problem")).to_have_text("The name or the password is wrong.")
        await sign_in(page, name, NEXT)
        await expect(page.locator("#inside")).to_be_visible()


async def test_a_session_that_ended_elsewhere_leads_back_to_the_door(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast)
    async with page_of(rillcast, strangers) as page:
        await sign_in(page, name, PASSWORD)
        await expect(page.locator("#inside")).to_be_visible()
        await rillcast.request("DELETE", f"{rillcast.base}/rest/v2/users/{name}")
        await expect(page.locator("#door")).to_be_visible()


async def test_an_operator_of_one_app_is_told_so_and_can_sign_out(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast, scope="LiveApp")
    async with page_of(rillcast, strangers) as page:
        await sign_in(page, name, PASSWORD)
        await expect(page.locator("#problem")).to_contain_text("Not allowed to access this resource")
        await expect(page.locator("#cluster")).to_be_hidden()
        await change(page, PASSWORD, NEXT)
        await expect(page.locator("#changed")).to_contain_text("Changed.")
        await page.click("#sign-out")
        await expect(page.locator("#door")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/LiveApp/publish.html", "/LiveApp/watch.html", "/operator"])
async def test_no_page_is_wider_than_a_phone(rillcast: Cluster, strangers: Strangers, path: str) -> None:
    async with strangers.open(url=rillcast.base + path) as visitor:
        await visitor.page.set_viewport_size(PHONE)
        assert await visitor.page.evaluate(BEYOND) == 0


async def test_on_a_phone_the_summary_has_the_whole_width(rillcast: Cluster, strangers: Strangers) -> None:
    name = await account(rillcast)
    async with page_of(rillcast, strangers) as page:
        await page.set_viewport_size(PHONE)
        await sign_in(page, name, PASSWORD)
        await expect(page.locator("#nodes")).to_contain_text("edge-1")

        async def fits() -> bool:
            box = await page.locator("#summary").bounding_box()
            assert box is not None
            assert box["width"] > PHONE["width"] / 2
            return bool(await page.evaluate(BEYOND) == 0)

        await eventually(fits, CONDITION_TIMEOUT_S, "a summary that can be read")
