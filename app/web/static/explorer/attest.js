// The structures a client sends along: for which unit it acts, and why (trust.md sections 1.1 and 3.4).

const OID = "urn:oid:2.16.578.1.12.4.1";
const ORGANISATION = `${OID}.4.101`;
const AUTHORIZATION = `${OID}.1.9060`;

/** What goes into the client assertion. `template` is null for no attest, `practitioner` for someone who is none. */
export function structuresOf(client, template, practitioner) {
  const parent = client.orgnr_parent ?? client.delegations[0];
  const child = client.children[0];
  const found = [];
  if (template && parent) found.push(attest(parent, child ?? parent, template, practitioner));
  if (client.tenancy === "multi-tenant" && parent) {
    found.push(organisation("urn:oid:1.0.6523", `NO:ORGNR:${parent}:${child ?? ""}`));
  } else if (child) {
    found.push(organisation(ORGANISATION, child));
  }
  return found;
}

function attest(legalEntity, pointOfCare, template, practitioner) {
  const held = practitioner?.authorizations[0];
  return {
    type: "nhn:tillitsrammeverk:parameters",
    practitioner: {
      ...(held ? { authorization: { code: held, system: AUTHORIZATION } } : {}),
      legal_entity: { id: legalEntity, system: ORGANISATION },
      point_of_care: { id: pointOfCare, system: ORGANISATION },
    },
    care_relationship: {
      ...template.careRelationship,
      decision_ref: { id: crypto.randomUUID(), user_selected: true },
    },
    patients: [],
  };
}

function organisation(system, value) {
  const identifier = { system, type: "ENH", value };
  return { type: "helseid_authorization", practitioner_role: { organization: { identifier } } };
}
