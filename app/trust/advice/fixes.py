"""What to do about a refusal from before the policy is asked, or about a fault of the request: one row a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.errors import Reason


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do, in bokmål and English."""

    nb: str
    en: str


FIXES: Final[Mapping[Reason, Fix]] = MappingProxyType(
    {
        Reason.TOKEN_MISSING: Fix(
            "Send et tilgangstoken i Authorization-headeren, med skjemaet tjenesten krever (DPoP eller Bearer).",
            "Send an access token in the Authorization header, with the scheme the service demands (DPoP or Bearer).",
        ),
        Reason.TOKEN_INVALID: Fix(
            "Hent et nytt tilgangstoken fra denne sandkassens HelseID, og send det uendret mens det er gyldig.",
            "Get a new access token from this sandbox's HelseID, and send it unchanged while it is valid.",
        ),
        Reason.DPOP_INVALID: Fix(
            "Lag et nytt DPoP-bevis for hvert kall: riktig htm, htu uten spørrestreng, ath av tokenet, ny jti, "
            "iat nå, signert med nøkkelen tokenet er bundet til.",
            "Make a new DPoP proof for every call: the right htm, htu without the query, ath of the token, a new jti, "
            "iat now, signed with the key the token is bound to.",
        ),
        Reason.AUDIENCE_WRONG: Fix(
            "Be om et token for akkurat denne tjenesten: ett tilgangstoken gjelder én mottaker (aud).",
            "Ask for a token for exactly this service: an access token has one audience (aud).",
        ),
        Reason.SCOPE_MISSING: Fix(
            "Be om scopet operasjonen krever når du logger inn, og se til at klienten er tildelt det.",
            "Ask for the scope of the operation when logging in, and see that the client is granted it.",
        ),
        Reason.PID_MISSING: Fix(
            "Be om scopet helseid://scopes/identity/pid, så tokenet sier hvem brukeren er.",
            "Ask for the scope helseid://scopes/identity/pid, so that the token says who the user is.",
        ),
        Reason.USER_REQUIRED: Fix(
            "Logg inn en person: operasjonen er ikke åpen for et maskintoken.",
            "Log a person in: the operation is not open to a machine token.",
        ),
        Reason.LEVEL_TOO_LOW: Fix(
            "Logg inn på sikkerhetsnivå 4.",
            "Log in at security level 4.",
        ),
        Reason.ORG_MISSING: Fix(
            "Logg inn slik at tokenet bærer organisasjonsnumrene som kreves (orgnr_parent, eventuelt orgnr_child).",
            "Log in so that the token carries the organisation numbers demanded (orgnr_parent, or orgnr_child too).",
        ),
        Reason.ORG_RELATION: Fix(
            "Bruk en underenhet som hører til den juridiske enheten.",
            "Use a sub-unit that belongs to the legal entity.",
        ),
        Reason.ROUTE_UNKNOWN: Fix(
            "Rett adressen: /docs viser tjenestens operasjoner.",
            "Correct the address: /docs shows the operations of the service.",
        ),
        Reason.METHOD_NOT_ALLOWED: Fix(
            "Bruk metoden som er dokumentert for adressen; svarets Allow-header nevner den.",
            "Use the method documented for the address; the answer's Allow header names it.",
        ),
        Reason.HEADER_MISSING: Fix(
            "Send headeren som mangler; årsaken over sier hvilken.",
            "Send the header that is missing; the detail above says which.",
        ),
        Reason.HEADER_INVALID: Fix(
            "Rett verdien av headeren, og send den bare én gang.",
            "Correct the value of the header, and send it only once.",
        ),
        Reason.CONTENT_TYPE_INVALID: Fix(
            "Send innholdstypen tjenesten krever i Content-Type.",
            "Send the content type the service demands in Content-Type.",
        ),
        Reason.BODY_TOO_LARGE: Fix("Send en mindre melding.", "Send a smaller body."),
        Reason.BODY_INVALID: Fix(
            "Rett meldingen; årsaken over sier hva som er galt.", "Correct the body as said above."
        ),
        Reason.PARAMETER_INVALID: Fix(
            "Rett søkeparameteren; årsaken over sier hvilken.",
            "Correct the search parameter; the detail above says which.",
        ),
        Reason.PARAMETER_NOT_SUPPORTED: Fix(
            "Ta bort søkeparameteren, eller sett search_params til lenient.",
            "Leave out the search parameter, or set search_params to lenient.",
        ),
        Reason.PATIENT_ID_INVALID: Fix(
            "Send pasientens nummer med elleve sifre og riktige kontrollsifre, fra en syntetisk serie.",
            "Send the patient's number with eleven digits and right control digits, of a synthetic series.",
        ),
        Reason.BASIS_INVALID: Fix(
            "Send en verdi fra listen over tilgangsgrunnlag, eller utelat headeren.",
            "Send a value of the list of access bases, or leave the header out.",
        ),
        Reason.PRIVACY_UNAVAILABLE: Fix(
            "Ta bort feilen som gjør personvernoppslaget utilgjengelig, på siden Feil.",
            "Remove the fault that makes the privacy look-up unavailable, on the page Faults.",
        ),
        Reason.AUDIT_UNAVAILABLE: Fix(
            "Ta bort feilen som gjør loggen utilgjengelig, på siden Feil.",
            "Remove the fault that makes the audit log unavailable, on the page Faults.",
        ),
        Reason.STORE_UNAVAILABLE: Fix(
            "Ta bort feilen som gjør lageret utilgjengelig, eller prøv igjen.",
            "Remove the fault that makes the store unavailable, or try again.",
        ),
        Reason.ADMIN_KEY_INVALID: Fix(
            "Send nøkkelen til sandkassen i X-Admin-Key.",
            "Send the key of the sandbox in X-Admin-Key.",
        ),
    }
)
