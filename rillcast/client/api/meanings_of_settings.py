"""Calls about meanings of settings.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking
from rillcast.client.shapes.meanings_of_settings import SettingWords


class MeaningsOfSettings:
    """What the settings of apps mean."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def list_app_setting_words(self) -> list[SettingWords]:
        """Each setting of an app by its name: its meaning, its type, its default, and whether it acts here.

        ``GET /rillcast/v1/app-settings``
        """
        return self._ask(list[SettingWords], "GET", "/rillcast/v1/app-settings")
