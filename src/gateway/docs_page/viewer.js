// Draws /openapi.json (OpenAPI 3.1). It loads nothing from elsewhere, and whatever the document says
// becomes text, never markup: nothing here parses HTML.
"use strict";

(() => {
  const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
  const DEEPEST = 4;
  const byId = (id) => document.getElementById(id);

  /** An element with attributes and children; texts become text nodes. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  /** Paragraphs, `code` and lists of a description. */
  function prose(text) {
    if (!text) return [];
    return String(text).trim().split(/\n\s*\n/).map((block) => {
      const lines = block.split("\n");
      if (lines.every((line) => /^\s*[-*] /.test(line))) {
        return make("ul", {}, lines.map((line) => make("li", {}, inline(line.replace(/^\s*[-*] /, "")))));
      }
      return make("p", {}, inline(lines.join(" ")));
    });
  }

  function inline(text) {
    return text.split(/(`[^`]+`)/).map((part) =>
      part.length > 2 && part.startsWith("`") && part.endsWith("`") ? make("code", {}, part.slice(1, -1)) : part);
  }

  const pretty = (value) => JSON.stringify(value, null, 2);
  const slug = (...words) => words.join("-").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

  class Document {
    constructor(root) {
      this.root = root;
    }

    /** Follows `$ref`s inside the document; a ring or a dangling one gives what was there. */
    resolve(node) {
      let seen = 0;
      while (node && typeof node === "object" && typeof node.$ref === "string" && seen++ < 20) {
        const { $ref, ...beside } = node;
        if (!$ref.startsWith("#/")) return node;
        let found = this.root;
        for (const word of $ref.slice(2).split("/")) {
          found = found?.[decodeURIComponent(word).replace(/~1/g, "/").replace(/~0/g, "~")];
        }
        if (!found) return node;
        node = Object.keys(beside).length ? { ...found, ...beside } : found;
      }
      return node || {};
    }

    nameOf(node) {
      return typeof node?.$ref === "string" ? node.$ref.split("/").pop() : null;
    }

    /** `allOf` taken together. */
    flat(node) {
      const schema = this.resolve(node);
      if (!Array.isArray(schema.allOf)) return schema;
      const whole = { ...schema, properties: { ...schema.properties }, required: [...(schema.required || [])] };
      delete whole.allOf;
      for (const part of schema.allOf.map((one) => this.flat(one))) {
        Object.assign(whole.properties, part.properties);
        whole.required.push(...(part.required || []));
        whole.type ??= part.type;
        whole.description ??= part.description;
      }
      return whole;
    }

    /** One of several, without the null beside it. */
    choices(schema) {
      const list = schema.oneOf || schema.anyOf;
      return Array.isArray(list) ? list.filter((one) => this.resolve(one).type !== "null") : null;
    }

    typeWords(node) {
      const schema = this.flat(node);
      const name = this.nameOf(node);
      const choices = this.choices(schema);
      if (choices) {
        const words = choices.map((one) => this.typeWords(one)).join(" or ");
        return choices.length < (schema.oneOf || schema.anyOf).length ? `${words} or null` : words;
      }
      const types = [schema.type].flat().filter(Boolean);
      const words = types.map((type) => {
        if (type === "array") return `list of ${this.typeWords(schema.items || {})}`;
        if (type === "object" && name) return name;
        return schema.format && type !== "null" ? `${type} (${schema.format})` : type;
      });
      if (schema.nullable && !types.includes("null")) words.push("null");
      if (schema.const !== undefined) return JSON.stringify(schema.const);
      return words.join(" or ") || (name ?? "anything");
    }

    limits(node) {
      const schema = this.flat(node);
      const told = [];
      if (Array.isArray(schema.enum)) told.push(`one of ${schema.enum.map((one) => JSON.stringify(one)).join(", ")}`);
      if (schema.exclusiveMinimum !== undefined) told.push(`more than ${schema.exclusiveMinimum}`);
      if (schema.minimum !== undefined) told.push(`at least ${schema.minimum}`);
      if (schema.maximum !== undefined) told.push(`at most ${schema.maximum}`);
      if (schema.minLength !== undefined) told.push(`at least ${schema.minLength} characters`);
      if (schema.maxLength !== undefined) told.push(`at most ${schema.maxLength} characters`);
      if (schema.pattern !== undefined) told.push(`matches ${schema.pattern}`);
      if (schema.default !== undefined && schema.default !== null) told.push(`default ${JSON.stringify(schema.default)}`);
      return told.join("; ");
    }

    /** A value that the schema takes. */
    example(node, depth = 0) {
      const schema = this.flat(node);
      if (schema.example !== undefined) return schema.example;
      if (Array.isArray(schema.examples) && schema.examples.length) return schema.examples[0];
      if (schema.default !== undefined) return schema.default;
      if (schema.const !== undefined) return schema.const;
      if (Array.isArray(schema.enum) && schema.enum.length) return schema.enum[0];
      const choices = this.choices(schema);
      if (choices?.length) return depth > DEEPEST ? null : this.example(choices[0], depth + 1);
      const type = [schema.type].flat().find((one) => one && one !== "null") ?? (schema.properties ? "object" : null);
      switch (type) {
        case "object": {
          if (depth > DEEPEST) return {};
          const made = {};
          const required = new Set(schema.required || []);
          for (const [name, property] of Object.entries(schema.properties || {})) {
            const inner = this.flat(property);
            // What may be left out is left out, unless the document shows a value for it.
            if (!required.has(name) && inner.example === undefined && !inner.examples?.length) continue;
            made[name] = this.example(property, depth + 1);
          }
          return made;
        }
        case "array": return depth > DEEPEST ? [] : [this.example(schema.items || {}, depth + 1)];
        case "integer": return Math.ceil(schema.minimum ?? 1);
        case "number": return schema.minimum ?? 1.5;
        case "boolean": return true;
        case "string": return schema.format === "date-time" ? "2025-01-01T10:00:00Z" : "text";
        default: return null;
      }
    }
  }

  /** The rows of a schema's fields, those of objects inside indented below them. */
  function rows(doc, node, depth = 0, above = []) {
    const schema = doc.flat(node);
    const required = new Set(schema.required || []);
    return Object.entries(schema.properties || {}).flatMap(([name, property]) => {
      const inner = doc.flat(property);
      const row = make("tr", {},
        make("td", { class: `name nested-${depth}` }, make("code", {}, name), required.has(name) ? make("span", { class: "must", title: "must be given" }, " *") : null),
        make("td", {}, doc.typeWords(property)),
        make("td", {}, prose(inner.description), fact(doc.limits(property)), exampleOf(inner)));
      const inside = inner.type === "array" || [inner.type].flat().includes("array") ? inner.items : property;
      const choice = doc.choices(doc.flat(inside || {}));
      const next = choice?.length === 1 ? choice[0] : inside;
      const key = doc.nameOf(next) ?? next;
      if (depth >= DEEPEST || above.includes(key) || !doc.flat(next || {}).properties) return [row];
      return [row, ...rows(doc, next, depth + 1, [...above, key])];
    });
  }

  const fact = (text) => (text ? make("p", { class: "faint" }, text) : null);
  const exampleOf = (schema) =>
    schema.example === undefined || typeof schema.example === "object" ? null : fact(`for example ${JSON.stringify(schema.example)}`);

  function fields(doc, node) {
    const all = rows(doc, node);
    if (!all.length) {
      const choices = doc.choices(doc.flat(node));
      if (choices) return choices.map((one) => [fact(doc.typeWords(one)), fields(doc, one)]);
      const schema = doc.flat(node);
      if ([schema.type].flat().includes("array")) return [fact(doc.typeWords(node)), fields(doc, schema.items || {})];
      return fact([doc.typeWords(node), doc.limits(node)].filter(Boolean).join("; "));
    }
    return make("table", {},
      make("thead", {}, make("tr", {}, ["Field", "Type", "Meaning"].map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, all));
  }

  /** Whether somebody may be asked for money, or get some back: the old contract does that with GET. */
  function movesMoney(method, path) {
    if (!/^\/api\//.test(path)) return false;
    return method === "get" ? /\/(create|refund|create-link)\/?$/.test(path) : !/\/(client-info|check)\b/.test(path);
  }

  function drawCall(doc, call) {
    const { path, method, operation, parameters } = call;
    const money = movesMoney(method, path);
    const body = doc.resolve(operation.requestBody);
    const bodySchema = body?.content?.["application/json"]?.schema;
    const inside = make("div", { class: "inside" });
    const box = make("details", { class: operation.deprecated ? "call deprecated" : "call", id: call.id },
      make("summary", {},
        make("span", { class: `method ${method}` }, method.toUpperCase()),
        make("span", { class: "path" }, path),
        make("span", { class: "faint" }, operation.summary || ""),
        money ? make("span", { class: "money", title: "This call can move money" }, "money") : null),
      inside);
    // Drawn when it is first opened: a long document stays quick.
    const fill = () => {
      if (inside.childNodes.length) return;
      inside.append(...[
        ...prose(operation.description),
        parameters.length ? [make("h3", {}, "Parameters"), parameterTable(doc, parameters)] : null,
        bodySchema ? [make("h3", {}, "Body, JSON"), fields(doc, bodySchema)] : null,
        make("h3", {}, "Answers"),
        answers(doc, operation.responses || {}),
        tryIt(doc, call, bodySchema, money),
      ].flat(9).filter(Boolean));
    };
    box.addEventListener("toggle", () => box.open && fill());
    call.box = box;
    return box;
  }

  function parameterTable(doc, parameters) {
    return make("table", {},
      make("thead", {}, make("tr", {}, ["Name", "Where", "Type", "Meaning"].map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, parameters.map((one) => make("tr", {},
        make("td", { class: "name" }, make("code", {}, one.name), one.required ? make("span", { class: "must", title: "must be given" }, " *") : null),
        make("td", {}, one.in),
        make("td", {}, doc.typeWords(one.schema || {})),
        make("td", {}, prose(one.description), fact(doc.limits(one.schema || {})))))));
  }

  function answers(doc, responses) {
    return Object.entries(responses).map(([status, node]) => {
      const response = doc.resolve(node);
      const content = Object.entries(response.content || {});
      return make("details", {},
        make("summary", {}, make("span", { class: /^[23]/.test(status) ? "status good" : "status bad" }, status), " ", inline(response.description || "")),
        content.map(([type, media]) => [
          fact(type),
          media.schema ? fields(doc, media.schema) : null,
          media.example !== undefined ? make("pre", {}, pretty(media.example)) : null,
        ]));
    });
  }

  function tryIt(doc, call, bodySchema, money) {
    const inputs = call.parameters.filter((one) => one.in !== "cookie").map((one) => {
      const schema = doc.flat(one.schema || {});
      const given = one.example ?? schema.example;
      const input = make("input", { name: one.name, autocomplete: "off", spellcheck: "false", placeholder: given ?? schema.default ?? "" });
      if (one.required && given !== undefined) input.value = given;
      if (/token/i.test(one.name)) input.type = "password";
      return { one, input };
    });
    const key = inputs.find(({ one }) => one.in === "header" && /^idempotency-key$/i.test(one.name));
    const body = bodySchema ? make("textarea", { spellcheck: "false", "aria-label": "Body, JSON" }) : null;
    if (body) body.value = pretty(doc.example(bodySchema));
    const out = make("div", { "aria-live": "polite" });
    const send = make("button", { type: "submit", class: "send" }, money ? "Send (moves money)" : "Send");
    const form = make("form", { class: "try" },
      make("h3", {}, "Try it"),
      inputs.map((entry) => make("label", {},
        make("span", {}, make("code", {}, entry.one.name), entry.one.required ? make("span", { class: "must" }, " *") : null),
        entry.input,
        entry === key ? make("button", { type: "button", onclick: () => { entry.input.value = newKey(); } }, "New key") : make("span", {}))),
      body,
      make("div", { class: "bar" }, send),
      out);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const request = written(call, inputs, body);
      if (request.missing) {
        out.replaceChildren(make("p", { class: "error" }, `${request.missing} must be given`));
        return;
      }
      if (money && !confirm(`${call.method.toUpperCase()} ${call.path} can move money. Send it?`)) return;
      send.disabled = true;
      try {
        out.replaceChildren(make("p", { class: "faint" }, "Waiting …"));
        out.replaceChildren(...await exchange(request));
      } finally {
        send.disabled = false;
      }
    });
    return form;
  }

  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** What is sent: the address, the headers, the body. */
  function written(call, inputs, body) {
    let path = call.path;
    const query = new URLSearchParams();
    const headers = {};
    for (const { one, input } of inputs) {
      const value = input.value;
      if (value === "") {
        if (one.required) return { missing: one.name };
        continue;
      }
      if (one.in === "path") path = path.replace(`{${one.name}}`, encodeURIComponent(value));
      else if (one.in === "query") query.append(one.name, value);
      else if (one.in === "header") headers[one.name] = value;
    }
    const token = byId("token").value;
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    const text = query.toString();
    return { method: call.method.toUpperCase(), url: text ? `${path}?${text}` : path, headers, body: body ? body.value : undefined };
  }

  /** The first two seconds of an answer that has no end. */
  async function beginning(response) {
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const enough = setTimeout(() => reader.cancel(), 2000);
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    clearTimeout(enough);
    return text;
  }

  async function exchange({ method, url, headers, body }) {
    const started = performance.now();
    let response;
    let text;
    try {
      response = await fetch(url, { method, headers, body, cache: "no-store", credentials: "same-origin", redirect: "manual" });
      const endless = response.headers.get("content-type")?.startsWith("text/event-stream");
      text = endless ? await beginning(response) : await response.text();
    } catch (error) {
      return [make("p", { class: "error" }, `No answer: ${error.message}. Whether the request arrived is not known.`), curl(method, url, headers, body)];
    }
    const took = Math.round(performance.now() - started);
    let shown = text;
    try {
      // Big numbers keep their digits: the text is shown as it came where parsing would change it.
      const parsed = JSON.parse(text);
      if (!/\d{16,}/.test(text)) shown = pretty(parsed);
    } catch {
      // Not JSON: shown as it is.
    }
    const told = Array.from(response.headers, ([name, value]) => `${name}: ${value}`).join("\n");
    return [
      make("p", {}, make("span", { class: response.ok ? "status good" : "status bad" }, String(response.status)), ` ${response.statusText} `, make("span", { class: "faint" }, `${took} ms`)),
      response.status === 403 && !byId("token").value
        ? make("p", { class: "faint" }, "Without a token no page may call: a gateway that has no tokens refuses browsers. The command below works.")
        : null,
      make("pre", {}, shown || "(empty body)"),
      make("details", {}, make("summary", {}, "Headers"), make("pre", {}, told)),
      curl(method, url, headers, body),
    ].filter(Boolean);
  }

  /** The same for a shell. The token stays out of it. */
  function curl(method, url, headers, body) {
    const quote = (text) => `'${text.replace(/'/g, "'\\''")}'`;
    const whole = new URL(url, location.href);
    for (const name of whole.searchParams.keys()) {
      if (/token/i.test(name)) whole.searchParams.set(name, "TOKEN");
    }
    const parts = ["curl"];
    if (method !== "GET") parts.push("-X", method);
    for (const [name, value] of Object.entries(headers)) {
      parts.push("-H", name === "Authorization" ? '"Authorization: Bearer $TOKEN"' : quote(`${name}: ${value}`));
    }
    if (body !== undefined) parts.push("-d", quote(body));
    parts.push(quote(whole.href));
    return make("details", {}, make("summary", {}, "As a command"), make("pre", {}, parts.join(" ")));
  }

  function callsOf(doc) {
    const calls = [];
    for (const [path, item] of Object.entries(doc.root.paths || {})) {
      for (const method of METHODS) {
        const operation = item[method];
        if (!operation) continue;
        const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map((one) => doc.resolve(one));
        const words = [path, method, ...(operation.tags || []), operation.summary, operation.description, operation.operationId, ...parameters.map((one) => one.name)];
        const bodySchema = doc.resolve(operation.requestBody)?.content?.["application/json"]?.schema;
        if (bodySchema) words.push(...Object.keys(doc.flat(bodySchema).properties || {}));
        calls.push({ path, method, operation, parameters, id: slug(method, path), tag: operation.tags?.[0] ?? "other", words: words.filter(Boolean).join(" ").toLowerCase() });
      }
    }
    return calls;
  }

  function draw(root) {
    const doc = new Document(root);
    const calls = callsOf(doc);
    document.title = root.info?.title ?? "Gateway";
    byId("title").textContent = document.title;
    byId("version").textContent = [root.info?.version, `OpenAPI ${root.openapi ?? "?"}`].filter(Boolean).join(", ");
    byId("about").replaceChildren(...prose(root.info?.description));

    const known = (root.tags || []).map((tag) => tag.name);
    const tags = [...known, ...new Set(calls.map((call) => call.tag).filter((tag) => !known.includes(tag)))];
    const main = byId("calls");
    const nav = byId("nav");
    main.replaceChildren();
    nav.replaceChildren();
    const sections = [];
    for (const tag of tags) {
      const own = calls.filter((call) => call.tag === tag);
      if (!own.length) continue;
      const about = (root.tags || []).find((one) => one.name === tag)?.description;
      const section = make("section", {}, make("h2", { id: slug("tag", tag) }, tag), prose(about), own.map((call) => drawCall(doc, call)));
      const list = make("div", {}, make("strong", {}, make("a", { href: `#${slug("tag", tag)}` }, tag)),
        make("ul", {}, own.map((call) => {
          call.link = make("li", {}, make("a", { href: `#${call.id}` }, make("span", { class: `method ${call.method}` }, call.method.toUpperCase()), " ", call.path));
          return call.link;
        })));
      main.append(section);
      nav.append(list);
      sections.push({ own, section, list });
    }

    const schemas = Object.entries(root.components?.schemas || {});
    if (schemas.length) {
      main.append(make("section", {}, make("h2", { id: "schemas" }, "Shapes"), schemas.map(([name, schema]) =>
        make("details", { class: "call", id: slug("schema", name) },
          make("summary", {}, make("span", { class: "path" }, name), make("span", { class: "faint" }, (schema.description || "").split("\n")[0])),
          make("div", { class: "inside" }, fields(doc, schema))))));
      nav.append(make("strong", {}, make("a", { href: "#schemas" }, "Shapes")));
    }
    searching(sections);
    unfolding(calls);
    follow();
    addEventListener("hashchange", follow);
  }

  function searching(sections) {
    const find = byId("find");
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      for (const { own, section, list } of sections) {
        let any = false;
        for (const call of own) {
          const fits = wanted.every((word) => call.words.includes(word));
          call.box.hidden = !fits;
          call.link.hidden = !fits;
          any ||= fits;
        }
        section.hidden = !any;
        list.hidden = !any;
      }
    });
  }

  function unfolding(calls) {
    const button = byId("unfold");
    button.addEventListener("click", () => {
      const open = !calls.every((call) => call.box.open);
      for (const call of calls) call.box.open = open;
      button.textContent = open ? "Fold all" : "Unfold all";
    });
  }

  /** Opens what the address names. */
  function follow() {
    const named = location.hash.length > 1 ? byId(decodeURIComponent(location.hash.slice(1))) : null;
    if (named instanceof HTMLDetailsElement) {
      named.open = true;
      named.scrollIntoView();
    }
  }

  function theming() {
    const root = document.documentElement;
    const stored = (value) => {
      try {
        if (value === undefined) return localStorage.getItem("theme");
        localStorage.setItem("theme", value);
      } catch {
        // No storage: the choice lasts as long as the page.
      }
      return value;
    };
    const chosen = stored();
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
    byId("theme").addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = stored(dark ? "light" : "dark");
    });
  }

  async function start() {
    theming();
    try {
      const response = await fetch("/openapi.json", { cache: "no-cache", credentials: "same-origin" });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      draw(await response.json());
    } catch (error) {
      byId("calls").replaceChildren(make("p", { class: "error" }, `/openapi.json cannot be shown: ${error.message}`));
    }
  }

  start();
})();
