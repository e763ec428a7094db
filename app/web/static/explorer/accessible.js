// What Swagger UI leaves out for people who use a keyboard or a screen reader, put right as it draws.

const REPAIRS = [
  ["tr[data-param-name] select", named(({ dataset }) => dataset.paramName, "tr")],
  ["tr[data-property-name] select", named(({ dataset }) => dataset.propertyName, "tr")],
  [".examples-select select", named(() => "Examples")],
  [".copy-to-clipboard button", named(() => "Copy to clipboard")],
  // The link lies inside the button that opens the operation: two things to press in one place.
  [".opblock-summary-control a[href]", (each) => each.removeAttribute("href")],
  ["pre, .highlight-code", (each) => each.setAttribute("tabindex", "0")],
];

/** Keep `place` in order from now on. */
export function keepAccessible(place) {
  const repair = () => {
    for (const [selector, mend] of REPAIRS) place.querySelectorAll(selector).forEach(mend);
  };
  new MutationObserver(repair).observe(place, { childList: true, subtree: true });
  repair();
}

function named(name, holder = "*") {
  return (each) => each.setAttribute("aria-label", name(each.closest(holder)));
}
