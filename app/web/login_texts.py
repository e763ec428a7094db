"""The words of the login pages, in bokmål and English."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.web.languages import Language, language_of

Texts = Mapping[str, str]

_NB: Final = {
    "lang": "nb",
    "skip": "Hopp til innholdet",
    "sandbox": "Sandkasse: bare syntetiske personer",
    "title": "Logg inn",
    "lead": "vil vite hvem du er. Velg en person, eller skriv et syntetisk fødselsnummer.",
    "choose": "Helsepersonell",
    "nobody": "Ingen av disse",
    "authorization": "autorisasjon",
    "no_authorization": "ingen gyldig autorisasjon",
    "other": "En annen person",
    "pid": "Fødselsnummer eller D-nummer",
    "pid_help": "Elleve sifre, syntetisk. Går foran valget ovenfor.",
    "level": "Sikkerhetsnivå",
    "network": "Nettverk",
    "submit": "Logg inn",
    "cancel": "Avbryt",
    "unknown": "Finner ingen syntetisk person med dette nummeret. Velg en person, eller skriv et annet nummer.",
    "error_title": "Innloggingen kan ikke fullføres",
    "error_lead": "Forespørselen fra programmet kunne ikke behandles.",
    "back_title": "Du er logget inn",
    "back_lead": "Nettleseren sender deg tilbake til programmet.",
    "continue": "Fortsett",
    "out_title": "Du er logget ut",
    "out_lead": "Du kan lukke vinduet.",
}

_EN: Final = {
    "lang": "en",
    "skip": "Skip to content",
    "sandbox": "Sandbox: synthetic people only",
    "title": "Log in",
    "lead": "wants to know who you are. Choose a person, or type a synthetic national identity number.",
    "choose": "Health personnel",
    "nobody": "None of these",
    "authorization": "authorisation",
    "no_authorization": "no valid authorisation",
    "other": "Somebody else",
    "pid": "National identity number or D-number",
    "pid_help": "Eleven digits, synthetic. Goes before the choice above.",
    "level": "Security level",
    "network": "Network",
    "submit": "Log in",
    "cancel": "Cancel",
    "unknown": "There is no synthetic person with this number. Choose a person, or type another number.",
    "error_title": "The login cannot be completed",
    "error_lead": "The request from the application could not be handled.",
    "back_title": "You are logged in",
    "back_lead": "Your browser is taking you back to the application.",
    "continue": "Continue",
    "out_title": "You are logged out",
    "out_lead": "You may close this window.",
}

_OF_LANGUAGE: Final[Mapping[Language, Texts]] = MappingProxyType(
    {"nb": MappingProxyType(_NB), "en": MappingProxyType(_EN)}
)


def texts_for(wishes: str) -> Texts:
    """The texts for ``Accept-Language`` or ``ui_locales``: the first language we have, else bokmål."""
    return _OF_LANGUAGE[language_of(wishes)]
