// A login at the sandbox's HelseID, as a client system does it: pushed request, code, DPoP nonce, token.

import { decoded, digest, now, proof, proofSigner, randomText, sign, signerOf } from "./jose.js";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ASSERTION_SECONDS = 30;
const REDIRECT = "http://localhost:1/callback"; // loopback needs no registration, and form_post never goes there
const IDENTITY = [
  "openid",
  "profile",
  "helseid://scopes/identity/pid",
  "helseid://scopes/hpr/hpr_number",
  "helseid://scopes/identity/security_level",
];

/**
 * A token for a wish: `issuer`, `client` (as registered), `jwk` (its private key), `grant` (audience and scope),
 * `scheme`, `hint` (who logs in; null for a machine), `structures` (the attest and the organisation).
 */
export async function logIn(wish) {
  const metadata = await read(await fetch(`${wish.issuer}/.well-known/openid-configuration`));
  const client = { id: wish.client.id, signer: await signerOf(wish.jwk), audience: metadata.issuer };
  const wanted = wish.hint === null ? machineGrant(wish) : await codeGrant(metadata, client, wish);
  const prover = wish.scheme === "DPoP" ? await proofSigner() : null;
  const answer = await redeem(metadata.token_endpoint, client, wanted, wish.structures, prover);
  return {
    value: answer.access_token,
    scheme: answer.token_type,
    expires: Date.now() + answer.expires_in * 1000,
    prover,
    ...decoded(answer.access_token),
  };
}

function machineGrant({ grant }) {
  return { grant_type: "client_credentials", scope: grant.scope, resource: grant.audience };
}

async function codeGrant(metadata, client, { grant, hint }) {
  const verifier = randomText();
  const state = randomText();
  const pushed = await post(metadata.pushed_authorization_request_endpoint, {
    ...(await authentication(client)),
    response_type: "code",
    response_mode: "form_post",
    redirect_uri: REDIRECT,
    scope: [...IDENTITY, grant.scope].join(" "),
    resource: grant.audience,
    state,
    code_challenge: await digest(verifier),
    code_challenge_method: "S256",
    login_hint: hint,
  });
  const { request_uri } = await read(pushed);
  const query = new URLSearchParams({ client_id: client.id, request_uri });
  const answer = await formOf(await fetch(`${metadata.authorization_endpoint}?${query}`));
  if (!answer.code || answer.state !== state) {
    throw new Error([answer.error, answer.error_description].filter(Boolean).join(": ") || "no code was given");
  }
  return {
    grant_type: "authorization_code",
    code: answer.code,
    redirect_uri: REDIRECT,
    code_verifier: verifier,
    resource: grant.audience,
  };
}

/** The fields the issuer would have the browser post to the client. */
async function formOf(response) {
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const inputs = [...page.querySelectorAll("form#answer input[type=hidden]")];
  if (!response.ok || inputs.length === 0) throw new Error(page.querySelector("main")?.textContent.trim() ?? response.statusText);
  return Object.fromEntries(inputs.map((input) => [input.name, input.value]));
}

async function redeem(url, client, wanted, structures, prover) {
  let nonce = null;
  let response = null;
  // The first call learns the nonce; the second has it, and a fresh assertion.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const headers = prover ? { DPoP: await proof(prover, "POST", url, { nonce }) } : {};
    response = await post(url, { ...wanted, ...(await authentication(client, structures)) }, headers);
    nonce = response.headers.get("DPoP-Nonce");
    if (response.ok || !nonce) break;
  }
  return read(response);
}

async function authentication(client, structures = []) {
  const claims = {
    iss: client.id,
    sub: client.id,
    aud: client.audience,
    iat: now(),
    nbf: now(),
    exp: now() + ASSERTION_SECONDS,
    jti: crypto.randomUUID(),
  };
  if (structures.length > 0) claims.assertion_details = structures;
  return {
    client_id: client.id,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: await sign(client.signer, "client-authentication+jwt", claims),
  };
}

function post(url, fields, headers = {}) {
  return fetch(url, { method: "POST", body: new URLSearchParams(fields), headers });
}

async function read(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Error([body.error ?? response.status, body.error_description].filter(Boolean).join(": "));
  }
  return body;
}
