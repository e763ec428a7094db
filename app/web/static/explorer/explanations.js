// What the sandbox's journal says of each call: in the list of calls, and below Swagger UI's answer.

import { element, worded } from "./words.js";

const HEADER = "sandbox-exchange";
const SHOWN = 10;

export class Explanations {
  constructor(config, control) {
    this.config = config;
    this.control = control;
    this.known = new Map();
  }

  /** Look up the exchange of an answer and put it at the top of the list. Calls that are not kept are passed over. */
  async add(response) {
    const id = response.headers?.[HEADER];
    const exchange = id ? await this.control.get(`/exchanges/${id}`).catch(() => null) : null;
    if (exchange === null) return;
    const told = { href: `${this.config.addresses.exchanges}/${id}`, summary: inFull(exchange) };
    this.known.set(id, told);
    const { method, url } = exchange.request;
    const path = new URL(url).pathname;
    const line = worded(this.config.texts.answered, { method, path, status: exchange.answer.status });
    const list = document.getElementById("calls");
    list.prepend(element("li", {}, element("strong", {}, line), " ", ...this.#story(told)));
    while (list.children.length > SHOWN) list.lastElementChild.remove();
    document.getElementById("no-calls").hidden = true;
  }

  /** A plugin of Swagger UI that shows the explanation below the answer it belongs to. */
  get plugin() {
    return () => ({
      wrapComponents: {
        liveResponse: (Original, { React }) => (props) => {
          const told = this.known.get(props.response?.getIn(["headers", HEADER]));
          const note =
            told &&
            React.createElement(
              "p",
              { className: "explanation" },
              told.summary,
              " ",
              React.createElement("a", { href: told.href }, this.config.texts.why),
            );
          return React.createElement(React.Fragment, null, React.createElement(Original, props), note);
        },
      },
    });
  }

  #story({ href, summary }) {
    return [element("span", {}, summary), " ", element("a", { href }, this.config.texts.why)];
  }
}

/** The journal's sentence, with the text of the rule that decided where the sentence only names it. */
function inFull({ summary, decision, rules }) {
  const text = decision.detail ? null : rules.find((rule) => rule.deciding)?.text;
  return text ? `${summary.replace(/\.$/, "")}: ${text}.` : summary;
}
