// JSON Web Signatures with the browser's own cryptography (RFC 7515, RFC 7518, RFC 9449).

const ALGORITHMS = {
  ES256: { key: { name: "ECDSA", namedCurve: "P-256" }, sign: { name: "ECDSA", hash: "SHA-256" } },
  ES384: { key: { name: "ECDSA", namedCurve: "P-384" }, sign: { name: "ECDSA", hash: "SHA-384" } },
  ES512: { key: { name: "ECDSA", namedCurve: "P-521" }, sign: { name: "ECDSA", hash: "SHA-512" } },
  RS256: { key: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, sign: { name: "RSASSA-PKCS1-v1_5" } },
  PS256: { key: { name: "RSA-PSS", hash: "SHA-256" }, sign: { name: "RSA-PSS", saltLength: 32 } },
  PS384: { key: { name: "RSA-PSS", hash: "SHA-384" }, sign: { name: "RSA-PSS", saltLength: 48 } },
  PS512: { key: { name: "RSA-PSS", hash: "SHA-512" }, sign: { name: "RSA-PSS", saltLength: 64 } },
};
const OF_CURVE = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };

/** Somebody who signs: the algorithm's name, the key, and what the header says of it. */
export async function signerOf(jwk) {
  const alg = jwk.alg ?? OF_CURVE[jwk.crv] ?? "PS256";
  if (!(alg in ALGORITHMS)) throw new Error(`keys for ${alg} cannot be used here`);
  const { alg: _alg, use: _use, key_ops: _ops, ...bare } = jwk;
  const key = await crypto.subtle.importKey("jwk", bare, ALGORITHMS[alg].key, false, ["sign"]);
  return { alg, key, header: jwk.kid ? { kid: jwk.kid } : {} };
}

/** A new key for DPoP that cannot leave the browser. */
export async function proofSigner() {
  const pair = await crypto.subtle.generateKey(ALGORITHMS.ES256.key, false, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return { alg: "ES256", key: pair.privateKey, header: { jwk: { kty, crv, x, y } } };
}

/** The compact form of `claims`, signed. */
export async function sign(signer, typ, claims) {
  const parts = [{ typ, alg: signer.alg, ...signer.header }, claims];
  const signed = parts.map((part) => base64url(utf8(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(ALGORITHMS[signer.alg].sign, signer.key, utf8(signed));
  return `${signed}.${base64url(signature)}`;
}

/** A proof for one request. `url` may have a query, which is cut. */
export async function proof(signer, method, url, { token, nonce } = {}) {
  const { origin, pathname } = new URL(url, location.href);
  const claims = { jti: crypto.randomUUID(), htm: method, htu: origin + pathname, iat: now() };
  if (nonce) claims.nonce = nonce;
  if (token) claims.ath = await digest(token);
  return sign(signer, "dpop+jwt", claims);
}

/** SHA-256 of a text, in base64url. */
export async function digest(text) {
  return base64url(await crypto.subtle.digest("SHA-256", utf8(text)));
}

/** Random text of 256 bits. */
export function randomText() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** Header and claims of a JWT, not verified. */
export function decoded(jwt) {
  const [header, claims] = jwt.split(".").slice(0, 2).map(parsed);
  return { header, claims };
}

/** Whole seconds since 1970. */
export function now() {
  return Math.floor(Date.now() / 1000);
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

function base64url(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function parsed(part) {
  const binary = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0))));
}
