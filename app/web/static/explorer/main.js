// The page of one service: the panel, Swagger UI, and what happens between them.

import { keepAccessible } from "./accessible.js";
import { Caller } from "./caller.js";
import { Control, KeyNeeded } from "./control.js";
import { Explanations } from "./explanations.js";
import { Panel } from "./panel.js";
import { shown } from "./spec.js";
import { worded } from "./words.js";

const place = document.getElementById("swagger-ui");

await start();

async function start() {
  const config = await (await fetch(place.dataset.config)).json();
  const api = await (await fetch(config.addresses.openapi)).json();
  const { texts, addresses } = config;
  const control = new Control(addresses.control);
  const explanations = new Explanations(config, control);
  const panel = new Panel(config, { onPatient: showFor, onChange: tell });
  const caller = new Caller(config, panel, control, api);

  const ui = window.SwaggerUIBundle({
    spec: shown(api, config, null, new Set()),
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: -1,
    plugins: [explanations.plugin],
    requestInterceptor: async (request) => {
      await caller.complete(request, logIn);
      return request;
    },
    responseInterceptor: async (response) => {
      caller.note(response);
      await explanations.add(response);
      return response;
    },
  });

  keepAccessible(place);

  document.getElementById("login")?.addEventListener("submit", (event) => {
    event.preventDefault();
    logIn().catch(() => {});
  });
  document.getElementById("logout")?.addEventListener("click", () => {
    caller.logOut();
    panel.showToken(null);
    panel.say(texts.logged_out);
    tell();
  });
  document.getElementById("admin-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    control.key = document.getElementById("admin-key").value;
    load();
  });
  await load();

  async function load() {
    if (document.querySelector("#client, #patient") === null) return;
    if (new URL(addresses.root).origin !== location.origin) {
      panel.complain(worded(texts.other_origin, { origin: addresses.root }));
      return;
    }
    try {
      const [persons, practitioners, clients] = await Promise.all(
        ["persons", "practitioners", "clients"].map(async (name) => (await control.get(`/${name}`))[name]),
      );
      panel.fill({ persons, practitioners, clients });
      showFor(panel.patient);
      const state = panel.client ? texts.logged_out : worded(texts.no_clients, { sandbox: config.sandbox });
      panel.say(crypto.subtle ? state : texts.not_secure);
      tell();
    } catch (error) {
      if (error instanceof KeyNeeded) panel.askForAdminKey();
      panel.complain(error instanceof KeyNeeded ? texts.key_needed : worded(texts.unreadable, { why: error.message }));
    }
  }

  async function logIn() {
    panel.say(texts.logging_in);
    try {
      const token = await caller.logIn();
      const until = new Date(token.expires).toLocaleTimeString(document.documentElement.lang);
      panel.showToken(token);
      panel.say(worded(texts.logged_in, { who: panel.who, audience: panel.grant.audience, until }));
      tell();
    } catch (error) {
      panel.say(texts.logged_out);
      panel.complain(worded(texts.login_failed, { why: error.message }));
      throw error;
    }
  }

  function showFor(patient) {
    ui.specActions.updateJsonSpec(shown(api, config, patient, caller.fills));
  }

  function tell() {
    if (caller.stale) panel.say(texts.changed);
    panel.tellAdded(caller.added);
  }
}
