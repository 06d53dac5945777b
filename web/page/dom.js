// Elements made of data. What people, models and files say becomes text, never markup.

// h makes an element. Of its properties, functions listen to events (onclick), "class" and
// whatever else is a text, number or boolean become attributes (false, null and undefined:
// none, but for aria-…: "false"), and "css" sets properties of its style. Children are elements or texts; lists of
// them are spread, and null, undefined and false are left out.
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

// svg is h for elements of pictures.
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "css") for (const [p, v] of Object.entries(value)) element.style.setProperty(p, v);
    else if (typeof value === "boolean" && name.startsWith("aria-")) element.setAttribute(name, value); // which has no other way to be false
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

// picture fetches a picture in SVG that the server drew, to be put into the page, where it
// has the page's colours.
export function picture(url, headers = {}) {
  return new Promise((done, failed) => {
    const r = new XMLHttpRequest();
    r.open("GET", url);
    for (const [name, value] of Object.entries(headers)) r.setRequestHeader(name, value);
    r.responseType = "document";
    r.overrideMimeType("image/svg+xml");
    r.onload = () => {
      const root = r.responseXML?.documentElement;
      if (r.status === 200 && root?.localName === "svg") done(ours(root));
      else failed(new Error("the picture could not be read"));
    };
    r.onreadystatechange = () => {
      if (r.readyState !== XMLHttpRequest.HEADERS_RECEIVED || r.status === 200) return;
      r.abort(); // what says why is no picture, and must not be read as one
      failed(new Error(`the server answers ${r.status}`));
    };
    r.onerror = () => failed(new Error("the server cannot be reached"));
    r.send();
  });
}

// ours makes an element of another document anew here. The page's policy allows no style
// attributes, not even where they come from: pictures have them as data-style.
function ours(from) {
  const to = svg(from.localName);
  for (const { name, value } of from.attributes) {
    if (name === "data-style") {
      for (const [property, is] of value.split(";").map((part) => part.split(/:(.*)/s))) to.style.setProperty(property.trim(), is?.trim() ?? "");
    } else if (name !== "xmlns") to.setAttribute(name, value);
  }
  to.append(...[...from.childNodes].map((c) => (c.nodeType === Node.ELEMENT_NODE ? ours(c) : c.nodeValue)));
  return to;
}

// download offers a text as a file.
export const download = (name, text, type = "application/json") => save(name, new Blob([text], { type }));

// save offers a blob as a file.
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
