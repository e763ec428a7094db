// The form above Swagger UI: who asks, about whom, and on what ground.

import { element, worded } from "./words.js";

const PRACTITIONER_GROUP = "practitioners";

export class Panel {
  /** `onPatient` is called with the person who was chosen, `onChange` after any choice. */
  constructor(config, { onPatient, onChange }) {
    this.config = config;
    this.place = document.getElementById("panel");
    this.people = { clients: [], practitioners: [], persons: [] };
    this.place?.addEventListener("change", (event) => {
      if (["scope", "scheme"].includes(event.target.id)) this.#offerClients();
      if (event.target.id === "patient") onPatient(this.patient);
      onChange();
    });
  }

  /** Offer what the sandbox has; from now on one can log in, if there is a client to do it with. */
  fill(people) {
    this.people = people;
    const { grants, schemes, minLevel, templates, texts, attest } = this.config;
    this.#offer("scope", grants.map(({ scope, audience }) => [scope, `${scope} (${audience})`]));
    this.#offer("scheme", schemes.map((scheme) => [scheme, scheme]));
    this.#hideSingle("scope", grants);
    this.#hideSingle("scheme", schemes);
    this.#offer("template", [...templates.map(({ id, name }) => [id, name]), ["", texts.no_attest]]);
    if (attest === "ignore") this.#choose("template", "");
    this.#offer("level", ["4", "3"].map((level) => [level, level]));
    if (minLevel < 4) this.#choose("level", String(minLevel));
    this.#offerPeople();
    this.#offer("patient", people.persons.map((each) => [each.id, `${each.id} ${nameOf(each)}${forWhat(each)}`]));
    for (const name of ["patient", "persona"]) {
      const wished = new URLSearchParams(location.search).get(name);
      if (wished) this.#choose(name, wished);
    }
    this.#offerClients();
    const button = document.querySelector("#login [type=submit]");
    if (button) button.disabled = this.client === null;
  }

  get patient() {
    return this.people.persons.find(({ id }) => id === this.#value("patient")) ?? null;
  }

  get template() {
    return this.config.templates.find(({ id }) => id === this.#value("template")) ?? null;
  }

  get client() {
    return this.people.clients.find(({ id }) => id === this.#value("client")) ?? null;
  }

  get practitioner() {
    return this.people.practitioners.find(({ id }) => id === this.#value("persona")) ?? null;
  }

  get grant() {
    return this.config.grants.find(({ scope }) => scope === this.#value("scope")) ?? this.config.grants[0];
  }

  get scheme() {
    return this.#value("scheme") || this.config.schemes[0];
  }

  /** The login hint; null where a machine calls. */
  get hint() {
    if (!this.config.user) return null;
    return `${this.#value("persona")} level:${this.#value("level")} network:${this.#value("network")}`;
  }

  /** Who is logged in, for a sentence. */
  get who() {
    const { practitioners, persons } = this.people;
    const person = [...practitioners, ...persons].find(({ id }) => id === this.#value("persona"));
    return this.config.user && person ? nameOf(person) : this.client.name;
  }

  /** All choices as one text: a token is for these and no others. */
  get choices() {
    return JSON.stringify(["client", "persona", "patient", "template", "scope", "scheme", "level", "network"].map((id) => this.#value(id)));
  }

  /** The key typed in for a client whose key the sandbox lacks. Throws `SyntaxError`. */
  get ownKey() {
    const text = this.#value("own-key").trim();
    return text ? JSON.parse(text) : null;
  }

  askForOwnKey(asked) {
    document.getElementById("own-key-part").hidden = !asked;
  }

  askForAdminKey() {
    document.getElementById("admin-part").hidden = false;
  }

  say(text) {
    put("state", text);
    put("fault", "");
  }

  complain(text) {
    put("fault", text);
  }

  /** Show a token decoded, or that there is none. */
  showToken(token) {
    const details = document.getElementById("token");
    if (!details) return;
    details.hidden = token === null;
    document.getElementById("logout").hidden = token === null;
    const { header, claims } = token ?? {};
    details.querySelector("pre").textContent = token ? JSON.stringify({ header, claims }, null, 2) : "";
  }

  /** Tell which headers the page adds to calls. */
  tellAdded(headers) {
    put("added", headers.length > 0 ? worded(this.config.texts.added, { headers: headers.join(" · ") }) : "");
  }

  #offerPeople() {
    const { texts } = this.config;
    const { practitioners, persons } = this.people;
    const select = document.getElementById("persona");
    if (!select) return;
    const group = (label, people, detail) =>
      element("optgroup", { label }, ...people.map((each) => option(each.id, `${each.id} ${nameOf(each)}${detail(each)}`)));
    select.replaceChildren(
      group(texts[PRACTITIONER_GROUP], practitioners, ({ authorizations }) => (authorizations.length ? ` (${authorizations.join(", ")})` : "")),
      group(texts.citizens, persons, () => ""),
    );
  }

  /** Clients that may have what is chosen come first; the others stay, so that a refusal can be seen. */
  #offerClients() {
    const fits = ({ scopes, grants, dpop }) =>
      scopes.includes(this.grant.scope) &&
      grants.includes(this.config.user ? "authorization_code" : "client_credentials") &&
      (this.scheme === "DPoP" || dpop === "optional");
    const { clients } = this.people;
    const kept = this.client;
    const ordered = [...clients.filter(fits), ...clients.filter((each) => !fits(each))];
    this.#offer("client", ordered.map(({ id, name }) => [id, name ? `${name} (${id})` : id]));
    if (kept && fits(kept)) this.#choose("client", kept.id);
  }

  #offer(id, choices) {
    document.getElementById(id)?.replaceChildren(...choices.map(([value, text]) => option(value, text)));
  }

  #choose(id, value) {
    const select = document.getElementById(id);
    if (select && [...select.options].some((each) => each.value === value)) select.value = value;
  }

  #hideSingle(id, choices) {
    const select = document.getElementById(id);
    if (select) select.closest("p").hidden = choices.length < 2;
  }

  #value(id) {
    return document.getElementById(id)?.value ?? "";
  }
}

function nameOf({ given, family }) {
  return [given, family].filter(Boolean).join(" ");
}

function forWhat({ scenario }) {
  return scenario ? ` – ${scenario}` : "";
}

function option(value, text) {
  return element("option", { value }, text);
}

function put(id, text) {
  const place = document.getElementById(id);
  if (!place) return;
  place.textContent = text;
  place.hidden = text === "";
}
