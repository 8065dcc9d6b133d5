"""What the console keeps of a password, and what it costs to guess it."""

from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from router.pages.people import passwords

PASSWORD = "bốn từ chẳng ai ghép"


async def test_a_hash_costs_what_rfc_9106_says_for_little_memory() -> None:
    kept = await passwords.hash_password(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).verify(kept, PASSWORD)
    assert not passwords.is_outdated(kept)
    assert await passwords.hash_password(PASSWORD) != kept, "each has a salt of its own"


async def test_a_password_is_told_from_others_and_nobody_has_one() -> None:
    kept = await passwords.hash_password(PASSWORD)
    assert await passwords.is_password(kept, PASSWORD)
    assert not await passwords.is_password(kept, f"{PASSWORD} ")
    assert not await passwords.is_password(None, PASSWORD)
    assert not await passwords.is_password(None, "nobody's password")


def test_a_hash_of_weaker_parameters_is_to_be_made_anew() -> None:
    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD))
