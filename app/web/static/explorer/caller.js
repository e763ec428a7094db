// What is done to each call before it goes: a token for the choices as they are now, a fresh proof, the headers.

import { structuresOf } from "./attest.js";
import { proof } from "./jose.js";
import { logIn } from "./login.js";
import { FILL, FORM, marked } from "./spec.js";

const RENEW_BEFORE = 15_000; // milliseconds
const FROM_PANEL = {
  patient: ({ patient }) => patient?.nin,
  correlation: () => crypto.randomUUID(),
  basis: ({ template }) => template?.basis,
};

export class Caller {
  constructor(config, panel, control, document) {
    this.config = config;
    this.panel = panel;
    this.control = control;
    this.operations = marked(document);
    this.token = null;
    this.nonce = null;
  }

  /** Get a token for the choices. Throws `Error`. */
  async logIn() {
    const { panel, config } = this;
    const { choices, client } = panel;
    const jwk = panel.ownKey ?? (await this.control.get(`/clients/${encodeURIComponent(client.id)}/key`));
    panel.askForOwnKey(jwk === null || panel.ownKey !== null);
    if (jwk === null) throw new Error(config.texts.own_key);
    const token = await logIn({
      issuer: config.addresses.issuer,
      client,
      jwk,
      grant: panel.grant,
      scheme: panel.scheme,
      hint: panel.hint,
      structures: structuresOf(client, panel.template, panel.practitioner),
    });
    this.token = { ...token, choices };
    return this.token;
  }

  logOut() {
    this.token = null;
  }

  /** Whether there is a token, and whether it is for other choices than those of now. */
  get stale() {
    return this.token !== null && this.token.choices !== this.panel.choices;
  }

  /** Complete a request of Swagger UI in place. `renew` gets a new token when one is needed. */
  async complete(request, renew) {
    if (!request.url.startsWith(`${this.config.addresses.service}/`)) return;
    for (const [name, value] of this.#filled(request)) request.headers[name] ??= value;
    request.body = withoutEmptyFields(request);
    if (this.config.credential === "admin") Object.assign(request.headers, this.control.headers);
    if (this.token === null) return;
    if (this.stale || this.token.expires - Date.now() < RENEW_BEFORE) await renew();
    const { value, scheme, prover } = this.token;
    request.headers.Authorization = `${scheme} ${value}`;
    if (prover) request.headers.DPoP = await proof(prover, request.method, request.url, { token: value, nonce: this.nonce });
  }

  /** Keep the nonce a service asks for. */
  note(response) {
    this.nonce = response.headers?.["dpop-nonce"] ?? this.nonce;
  }

  /** Names of the headers the page fills in, and with what. */
  get added() {
    const { texts } = this.config;
    const { panel } = this;
    const names = new Map();
    if (this.token) names.set("Authorization", this.token.scheme);
    if (this.token?.prover) names.set("DPoP", texts.fresh);
    const what = { patient: panel.patient?.id, correlation: texts.fresh, basis: panel.template?.basis };
    for (const { headers } of this.operations) {
      for (const header of headers) if (what[header[FILL]]) names.set(header.name, what[header[FILL]]);
    }
    return [...names].map(([name, value]) => `${name} (${value})`);
  }

  /** What can be filled in now. */
  get fills() {
    return new Set(Object.keys(FROM_PANEL).filter((fill) => FROM_PANEL[fill](this.panel) || fill === "basis"));
  }

  #filled({ method, url }) {
    const tail = decodeURI(new URL(url).pathname).slice(new URL(this.config.addresses.service).pathname.length);
    const operation = this.operations.find((each) => each.method === method.toUpperCase() && each.path.test(tail));
    return (operation?.headers ?? [])
      .map((header) => [header.name, FROM_PANEL[header[FILL]]?.(this.panel)])
      .filter(([, value]) => value);
  }
}

/** Swagger UI sends every field of a form, those nobody touched as empty ones. */
function withoutEmptyFields({ body, headers }) {
  if (typeof body !== "string" || headers["Content-Type"] !== FORM) return body;
  return body.split("&").filter((field) => !field.endsWith("=")).join("&");
}
