"""What the REST API of operators decides: who may be changed by whom, with which password, and how it is answered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.testing.clock import FakeClock
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.result import Result
from services.signaling.operators.domain.accounts import SYSTEM, Account, Role, account_key
from services.signaling.operators.domain.lockout import LOCK_S, TRIES
from services.signaling.operators.domain.passwords import LONGEST, SHORTEST, wire_form
from services.signaling.operators.domain.rights import Caller
from services.signaling.operators.domain.session_cookie import SessionCookies, digest_of
from services.signaling.operators.ports import Asker
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.sign_in import SignIn
from services.signaling.rest.domain.answered import WithCookie
from services.signaling.rest.domain.refusal import BadInput
from services.signaling.rest.domain.users import SignInBody, User, edited, fault_in, scopes, shown
from services.signaling.rest.usecases import users as answers
from services.signaling.rest.usecases.users import Users

PASSWORD, OTHER = "correct horse", "battery staple"
MD5 = hashlib.md5(PASSWORD.encode()).hexdigest()
ADDRESS = "203.0.113.7"
OK = Result(success=True)


class FakeHashes:
    """Hashes that can be read."""

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def matches(self, hash: str | None, password: str, asker: Asker) -> bool:
        return hash == f"hash of {password}"


class Desk:
    """The use case with a store in memory, in which ``ada`` and ``bob`` have accounts."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.bucket = FakeKeyValue()
        self.accounts = AccountStore(self.bucket)
        self.cookies = SessionCookies(b"key")
        sign_in = SignIn(self.accounts, FakeHashes(), self.cookies, lifetime_s=3_600, now_s=self.clock)
        self.users = Users(self.accounts, FakeHashes(), sign_in)

    async def account(self, email: str) -> Account:
        found = await self.accounts.by_email(email)
        assert found is not None
        return found

    async def sign_in(self, email: str, password: str = PASSWORD) -> Caller:
        """The caller of a session that begins now."""
        answer = await self.users.authenticate(Caller(address=ADDRESS), SignInBody(email=email, password=password))
        assert isinstance(answer, WithCookie)
        read = self.cookies.read(answer.set_cookie.partition("=")[2].partition(";")[0])
        assert read is not None
        assert read.key == account_key(email)
        account = await self.account(email)
        return Caller(name=email, account=email, session=read.digest, roles=account.roles, address=ADDRESS)


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    for email, role in (("ada", Role.ADMIN), ("bob", Role.USER)):
        assert await made.users.add(User(email=email, password=PASSWORD, user_type=role, scope=SYSTEM)) == OK
    return made


@pytest.mark.parametrize("spelling", [PASSWORD, MD5, MD5.upper()])
@pytest.mark.parametrize("secure", [True, False])
async def test_signing_in_gives_a_session_and_its_roles(desk: Desk, spelling: str, secure: bool) -> None:
    who = Caller(address=ADDRESS, secure=secure)
    answer = await desk.users.authenticate(who, SignInBody(email="ada", password=spelling))

    assert isinstance(answer, WithCookie)
    assert answer.answer == Result(success=True, message="system/ADMIN")
    assert "Max-Age=3600" in answer.set_cookie
    assert answer.set_cookie.endswith("; Secure") is secure
    value = answer.set_cookie.partition("=")[2].partition(";")[0]
    assert [one.digest for one in (await desk.account("ada")).sessions] == [digest_of(value.split(".")[1])]


@pytest.mark.parametrize(("email", "password"), [("ada", OTHER), ("eve", PASSWORD), ("", ""), ("ADA", PASSWORD)])
async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(desk: Desk, email: str, password: str) -> None:
    who = Caller(address=ADDRESS)
    assert await desk.users.authenticate(who, SignInBody(email=email, password=password)) == Result(success=False)
    assert (await desk.account("ada")).sessions == ()


async def test_who_guesses_is_told_how_long_to_wait_and_then_may_again(desk: Desk) -> None:
    who = Caller(address=ADDRESS)
    for _ in range(TRIES):
        assert await desk.users.blocked(who, "ada") == Result(success=False)
        await desk.users.authenticate(who, SignInBody(email="ada", password=OTHER))

    right = SignInBody(email="ada", password=PASSWORD)
    assert await desk.users.blocked(who, "ada") == OK
    assert await desk.users.blocked(who, "bob") == Result(success=False)
    assert await desk.users.blocked(Caller(address="203.0.113.8"), "ada") == Result(success=False)
    assert await desk.users.authenticate(who, right) == answers.TOO_MANY
    assert answers.TOO_MANY.message == "Too many login attempts. User is blocked for 300 secs"

    desk.clock.advance(LOCK_S)
    assert isinstance(await desk.users.authenticate(who, right), WithCookie)


async def test_there_is_always_a_first_user_already(desk: Desk) -> None:
    assert await desk.users.initial(SignInBody(email="eve", password=PASSWORD)) == Result(success=False, error_id=-1)
    assert await desk.users.first_login() == Result(success=False)
    assert await desk.accounts.by_email("eve") is None


@pytest.mark.parametrize(("name", "in_"), [("ada", True), ("", False)])
async def test_who_was_verified_is_in(desk: Desk, name: str, in_: bool) -> None:
    assert await desk.users.authenticated(Caller(name=name)) == Result(success=in_)


async def test_signing_out_ends_the_session_that_asks_and_no_other(desk: Desk) -> None:
    first, second = await desk.sign_in("ada"), await desk.sign_in("ada")
    answer = await desk.users.sign_out(first)
    assert answer.answer == OK
    assert "=;" in answer.set_cookie
    assert "Max-Age=0" in answer.set_cookie
    assert [one.digest for one in (await desk.account("ada")).sessions] == [second.session]


@pytest.mark.parametrize(
    ("roles", "admin"),
    [({SYSTEM: Role.ADMIN}, True), ({"live": Role.ADMIN}, True), ({SYSTEM: Role.USER}, False), ({}, False)],
)
async def test_an_administrator_of_anything_is_one(desk: Desk, roles: dict[str, Role], admin: bool) -> None:
    answer = await desk.users.admin_status(Caller(roles=roles))
    assert answer == Result(success=admin, message="User is admin" if admin else "User is not admin")


async def test_the_list_has_everybody_by_name_and_no_secret(desk: Desk) -> None:
    await desk.sign_in("bob")
    listed = await desk.users.list_all()
    assert [(one.email, one.user_type) for one in listed] == [("ada", Role.ADMIN), ("bob", Role.USER)]
    assert not {"password_hash", "sessions", "seen_from"} & set(listed[0].__struct_fields__)


BAD = [
    (dict[str, Any](email=""), "email"),
    (dict[str, Any](email="  "), "email"),
    (dict[str, Any](email="a\nb"), "email"),
    (dict[str, Any](email="eve", password="x" * (SHORTEST - 1)), "password has 8 to 256"),
    (dict[str, Any](email="eve", password="x" * (LONGEST + 1)), "password has 8 to 256"),
    (dict[str, Any](email="eve", password=PASSWORD, new_password="short"), "password has 8 to 256"),
]


@pytest.mark.parametrize(("fields", "why"), [*BAD, (dict[str, Any](email="eve"), "needs a password")])
async def test_an_operator_that_makes_no_sense_is_refused_in_words(
    desk: Desk, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        await desk.users.add(User(**fields))
    assert [one.email for one in await desk.users.list_all()] == ["ada", "bob"]


@pytest.mark.parametrize("password", ["x" * (SHORTEST - 1), "x" * (LONGEST + 1)])
async def test_a_change_that_makes_no_sense_is_refused_in_words(desk: Desk, password: str) -> None:
    with pytest.raises(BadInput, match="password has 8 to 256"):
        await desk.users.edit(await desk.sign_in("ada"), User(email="bob", new_password=password))


async def test_who_says_nothing_is_answered_as_by_the_original(desk: Desk) -> None:
    ada = await desk.sign_in("ada")
    assert await desk.users.authenticate(ada, None) == Result(success=False)
    assert await desk.users.add(None) == answers.NOBODY
    assert await desk.users.edit(ada, None) == answers.UNKNOWN_EDITED
    assert await desk.users.edit(ada, User(email="eve", new_password="short")) == answers.UNKNOWN_EDITED
    assert await desk.users.change_password(ada, None) == answers.NO_NEW_PASSWORD


async def test_a_name_is_given_once_and_the_first_stays(desk: Desk) -> None:
    assert await desk.users.add(User(email="bob", password=OTHER)) == answers.TAKEN
    await desk.sign_in("bob", PASSWORD)


async def test_a_new_operator_can_sign_in_with_the_password_and_is_no_more_than_a_user(desk: Desk) -> None:
    assert await desk.users.add(User(email="eve", password=OTHER)) == OK
    assert (await desk.sign_in("eve", OTHER)).roles == {SYSTEM: Role.USER}


async def test_a_change_leaves_what_was_not_given_and_sessions_as_they_are(desk: Desk) -> None:
    ada, bob = await desk.sign_in("ada"), await desk.sign_in("bob")
    assert await desk.users.edit(ada, User(email="bob", first_name="Bob")) == OK
    changed = await desk.account("bob")
    assert (changed.first_name, changed.user_type) == ("Bob", Role.USER)
    assert [one.digest for one in changed.sessions] == [bob.session]


async def test_a_new_password_from_an_administrator_ends_every_session(desk: Desk) -> None:
    ada = await desk.sign_in("ada")
    await desk.sign_in("bob")
    assert await desk.users.edit(ada, User(email="bob", password="is not looked at", new_password=OTHER)) == OK
    changed = await desk.account("bob")
    assert (changed.sessions, changed.password_hash) == ((), f"hash of {wire_form(OTHER)}")
    await desk.sign_in("bob", OTHER)


async def test_nobody_changes_or_deletes_himself_this_way(desk: Desk) -> None:
    ada = await desk.sign_in("ada")
    before = await desk.account("ada")
    assert await desk.users.edit(ada, User(email="ada", user_type=Role.READ_ONLY)) == answers.YOURSELF_EDITED
    assert await desk.users.delete(ada, "ada") == answers.YOURSELF_DELETED
    assert await desk.account("ada") == before


async def test_who_is_not_there_can_be_neither_changed_nor_deleted(desk: Desk) -> None:
    ada = await desk.sign_in("ada")
    assert await desk.users.edit(ada, User(email="eve", first_name="Eve")) == answers.UNKNOWN_EDITED
    assert await desk.users.delete(ada, "eve") == Result(success=False)
    assert await desk.accounts.by_email("eve") is None


async def test_who_is_deleted_is_gone(desk: Desk) -> None:
    assert await desk.users.delete(await desk.sign_in("ada"), "bob") == OK
    assert [one.email for one in await desk.users.list_all()] == ["ada"]


@pytest.mark.parametrize("named", ["", "bob"])
async def test_ones_own_password_is_changed_with_the_present_one_and_other_sessions_end(desk: Desk, named: str) -> None:
    bob = await desk.sign_in("bob")
    await desk.sign_in("bob")
    body = User(email=named, password=PASSWORD, new_password=OTHER)

    assert await desk.users.change_password(bob, body) == Result(success=True, message="Success")

    assert [one.digest for one in (await desk.account("bob")).sessions] == [bob.session]
    await desk.sign_in("bob", OTHER)


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        (dict[str, Any](email="ada", password=PASSWORD, new_password=OTHER), answers.NO_NEW_PASSWORD),
        (dict[str, Any](password=PASSWORD), answers.NO_NEW_PASSWORD),
        (dict[str, Any](password=PASSWORD, new_password=""), answers.NO_NEW_PASSWORD),
        (dict[str, Any](password=OTHER, new_password=OTHER), answers.WRONG_PASSWORD),
        (dict[str, Any](new_password=OTHER), answers.WRONG_PASSWORD),
    ],
)
async def test_a_password_is_not_changed_for_others_nor_without_both(
    desk: Desk, fields: dict[str, Any], answer: Result
) -> None:
    bob = await desk.sign_in("bob")
    before = await desk.account("ada"), await desk.account("bob")
    assert await desk.users.change_password(bob, User(**fields)) == answer
    assert (await desk.account("ada"), await desk.account("bob")) == before


async def test_a_new_password_of_ones_own_has_a_length_too(desk: Desk) -> None:
    with pytest.raises(BadInput, match="8 to 256"):
        await desk.users.change_password(await desk.sign_in("bob"), User(password=PASSWORD, new_password="short"))


async def test_a_stolen_session_may_guess_the_password_only_so_often(desk: Desk) -> None:
    bob = await desk.sign_in("bob")
    for _ in range(TRIES):
        assert await desk.users.change_password(bob, User(password="a guess", new_password=OTHER)) == (
            answers.WRONG_PASSWORD
        )
    right = User(password=PASSWORD, new_password=OTHER)
    assert await desk.users.change_password(bob, right) == answers.TOO_MANY


CALLS: dict[str, Callable[[Desk, Caller], Any]] = {
    "authenticate": lambda d, w: d.users.authenticate(w, SignInBody(email="ada", password=PASSWORD)),
    "sign_out": lambda d, w: d.users.sign_out(w),
    "list_all": lambda d, w: d.users.list_all(),
    "add": lambda d, w: d.users.add(User(email="eve", password=PASSWORD)),
    "edit": lambda d, w: d.users.edit(w, User(email="bob", first_name="Bob")),
    "delete": lambda d, w: d.users.delete(w, "bob"),
    "change_password": lambda d, w: d.users.change_password(w, User(password=PASSWORD, new_password=OTHER)),
}


@pytest.mark.parametrize("call", CALLS)
async def test_without_the_store_nothing_is_answered_as_done(desk: Desk, call: str) -> None:
    ada = await desk.sign_in("ada")
    desk.bucket.available = False
    with pytest.raises(RillcastError) as refused:
        await CALLS[call](desk, ada)
    assert refused.value.code is ErrorCode.STORE_UNAVAILABLE
    desk.bucket.available = True
    assert await desk.users.blocked(ada, "ada") == Result(success=False), "a try without an answer does not count"


def account(**fields: Any) -> Account:
    return Account(email="a", password_hash="h", **fields)


@pytest.mark.parametrize(
    ("before", "given", "roles"),
    [
        ({}, {}, {SYSTEM: Role.USER}),
        ({}, {"user_type": Role.ADMIN}, {SYSTEM: Role.ADMIN}),
        ({}, {"user_type": Role.ADMIN, "scope": "live"}, {"live": Role.ADMIN}),
        ({}, {"app_name_user_type": {"live": Role.READ_ONLY}}, {"live": Role.READ_ONLY}),
        ({"app_name_user_type": {"live": Role.ADMIN}}, {"scope": SYSTEM}, {SYSTEM: Role.USER}),
        (
            {"app_name_user_type": {"live": Role.ADMIN, "other": Role.USER}},
            {"user_type": Role.READ_ONLY},
            {"live": Role.READ_ONLY, "other": Role.READ_ONLY},
        ),
        ({"app_name_user_type": {"live": Role.ADMIN}}, {"first_name": "A"}, {"live": Role.ADMIN}),
        (
            {"scope": "live", "user_type": Role.ADMIN},
            {"scope": "x", "app_name_user_type": {"y": Role.USER}},
            {"y": Role.USER},
        ),
    ],
)
def test_the_newer_way_to_say_a_role_makes_the_older_void_and_the_reverse(
    before: dict[str, Any], given: dict[str, Any], roles: dict[str, Role]
) -> None:
    assert edited(account(**before), User(email="b", **given)).roles == roles
    assert edited(account(**before), User(email="b", **given)).email == "a"


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({}, "system/USER"),
        ({"user_type": Role.ADMIN}, "system/ADMIN"),
        ({"scope": "live"}, "live/USER"),
        ({"app_name_user_type": {"live": Role.ADMIN}}, '{"live":"ADMIN"}'),
        (
            {"app_name_user_type": {"live": Role.ADMIN, "system": Role.READ_ONLY}},
            '{"live":"ADMIN","system":"READ_ONLY"}',
        ),
        ({"scope": "system", "app_name_user_type": {"system": Role.ADMIN}}, "system/ADMIN"),
        ({"scope": "system", "app_name_user_type": {"live": Role.ADMIN}}, '{"live":"ADMIN"}'),
    ],
)
def test_roles_as_signing_in_says_them(roles: dict[str, Any], words: str) -> None:
    assert scopes(account(**roles)) == words


def test_an_account_as_shown() -> None:
    seen = shown(account(scope="live", first_name="A"))
    assert (seen.email, seen.scope, seen.user_type, seen.first_name, seen.picture) == (
        "a",
        "live",
        Role.USER,
        "A",
        None,
    )


@pytest.mark.parametrize(
    "user",
    [
        User(email="a"),
        User(email="a", password="x" * SHORTEST),
        User(email="a", password="x", new_password="x" * LONGEST),
        User(email="ä@example.org", password=""),
    ],
)
def test_what_is_no_fault(user: User) -> None:
    assert fault_in(user) == ""


@pytest.mark.parametrize("key", ["usertype", "appNameUsertype", "newpassword", "role"])
def test_a_key_that_there_is_not_leaves_nobody_with_other_rights_than_meant(key: str) -> None:
    with pytest.raises(Undecodable, match=key):
        decode_json(f'{{"email": "ada", "{key}": "READ_ONLY"}}'.encode(), User)
