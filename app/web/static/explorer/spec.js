// The service's OpenAPI document as the page shows it: what the page fills in itself is not asked for.

export const FILL = "x-sandkasse-fill";
export const FORM = "application/x-www-form-urlencoded";
const UNSEEN = new Set(["authorization", "proof"]);

/** The document for a patient: examples are of that patient, and what `filled` names need not be typed. */
export function shown(document, config, patient, filled) {
  const text = JSON.stringify(document);
  const spec = JSON.parse(patient ? text.replaceAll(config.examplePatient, patient.nin) : text);
  for (const operation of operationsOf(spec)) {
    operation.parameters = (operation.parameters ?? []).filter((each) => !UNSEEN.has(each[FILL]));
    for (const parameter of operation.parameters) {
      if (filled.has(parameter[FILL])) leaveToThePage(parameter, config.texts);
    }
    leaveFormsEmpty(operation, config.texts);
  }
  return spec;
}

/** The header parameters that are marked for the page, by operation: `"POST /x/_search"` to a list. */
export function marked(document) {
  const found = [];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of operationsIn(item)) {
      const headers = (operation.parameters ?? []).filter((each) => each.in === "header" && each[FILL]);
      found.push({ method: method.toUpperCase(), path: pattern(path), headers });
    }
  }
  return found;
}

function operationsOf(spec) {
  return Object.values(spec.paths).flatMap((item) => operationsIn(item).map(([, operation]) => operation));
}

function operationsIn(item) {
  return Object.entries(item).filter(([, value]) => value !== null && typeof value === "object" && "responses" in value);
}

function pattern(path) {
  const fixed = path.split(/\{[^}]*\}/).map((part) => part.replace(/[.*+?^$()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${fixed.join("[^/]+")}$`);
}

function leaveToThePage(parameter, texts) {
  parameter.required = false;
  parameter.description = [parameter.description, texts.filled].filter(Boolean).join(" ");
  delete parameter.example;
}

/** Swagger UI would send an example, or a made-up value, for every field of a form; together they find nothing. */
function leaveFormsEmpty(operation, texts) {
  const schema = operation.requestBody?.content?.[FORM]?.schema;
  for (const [name, property] of Object.entries(schema?.properties ?? {})) {
    if (schema.required?.includes(name) || property.default !== undefined) continue;
    if (property.example !== undefined) {
      property.description = `${property.description ?? ""} ${texts.example}: ${property.example}`.trim();
    }
    delete property.example;
    property.default = "";
  }
}
