"use strict";
// The page of `python bot.py --web`. What is typed, clicked or dropped goes to /api/message or
// /api/picture, and the replies come back as JSON. Text is only ever set as text, never as HTML.

const PICTURE_LIMIT = 20 * 1024 * 1024; // bytes; the server's own limit, told before an upload
const LIST_LIMIT = 600000; // bytes of a blacklist as a file; the server's own limit
const FAVORITES_LIMIT = 8 * 1024 * 1024; // the same of favorites
const MESSAGES = 200; // that stay on the page
const DIAL_RESTS = 400; // milliseconds without a turn
const WAITS = [1, 1, 1, 2, 3, 5, 8, 13, 20]; // seconds before each look for a preview
const DRAWN = "image/svg+xml"; // what stands in for a preview
const ACTIONS = { // buttons of a post: name, key, sort
  "/like": ["Like", "l", "rating"],
  "/dislike": ["Dislike", "d", "rating"],
  "/skip": ["Skip", "s", "rating"],
  "/stop": ["Stop the tour", "", "rating"],
  "/undo": ["Take back what you said last", "u", "rating"],
  "/why": ["Why?", "w", "word"],
  "/more": ["More like this", "m", "word"],
};
const find = (id) => document.getElementById(id);
const [log, box, options, keys, dial] = ["log", "box", "options", "keys", "variety"].map(find);
let busy = false;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// -- asking the server -----------------------------------------------------------------------
async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is bot.py still running?");
  }
  const json = response.headers.get("content-type") === "application/json";
  const told = json ? await response.json() : { error: (await response.text()).trim() };
  if (!response.ok) throw new Error(told.error || `The server answered ${response.status}.`);
  return told;
}

async function talk(mine, path, type, body) {
  if (busy) return; // one message at a time
  setBusy(true);
  remove(".choices [data-fleeting]");
  if (mine) show(mine);
  try {
    const headers = { "Content-Type": type };
    const { replies } = await ask(path, { method: "POST", headers, body });
    showReplies(replies);
    renderTaste(await ask("/api/taste"));
  } catch (error) {
    showError(error.message);
  }
  setBusy(false);
  if (mine) log.scrollTo({ top: mine.offsetTop - 16 });
  if (document.activeElement === document.body) {
    (find("talk").inert ? find("hide-taste") : log).focus({ preventScroll: true });
  }
}

function setBusy(now) {
  busy = now;
  log.setAttribute("aria-busy", now);
  document.body.classList.toggle("busy", now);
}

function say(text, said = text) {
  const mine = said && make("div", { class: "message mine" }, make("p", {}, said));
  return talk(mine, "/api/message", "application/json", JSON.stringify({ text }));
}

function sendFile(file) {
  closeTaste();
  if (/\.(json|csv)$/i.test(file.name) || /fav/i.test(file.name)) return sendFavorites(file);
  if (file.type.startsWith("text/") || /\.txt$/i.test(file.name)) return sendList(file);
  if (!file.type.startsWith("image/")) {
    return showError(`${file.name} is neither a picture nor a .txt, .json or .csv.`);
  }
  if (file.size > PICTURE_LIMIT) return showError(`${file.name} has more than 20 MB.`);
  const address = URL.createObjectURL(file);
  const image = make("img", { src: address, alt: `The picture you sent: ${file.name}` });
  image.addEventListener("load", () => URL.revokeObjectURL(address));
  image.addEventListener("error", () => image.replaceWith(file.name));
  return talk(make("div", { class: "message mine" }, image), "/api/picture", file.type, file);
}

function sendList(file) { // its content tells whether it is a blacklist or favorites
  if (file.size > LIST_LIMIT) {
    return showError(`${file.name} is too long for a blacklist. Of favorites say so in its name.`);
  }
  const mine = make("div", { class: "message mine" }, make("p", {}, `List: ${file.name}`));
  return talk(mine, "/api/blacklist", "text/plain", file);
}

function sendFavorites(file) {
  if (file.size > FAVORITES_LIMIT) return showError(`${file.name} has more than 8 MB.`);
  const mine = make("div", { class: "message mine" }, make("p", {}, `Favorites: ${file.name}`));
  return talk(mine, "/api/favorites", "text/plain", file);
}

// -- the talk --------------------------------------------------------------------------------
function show(message) {
  log.append(message);
  while (log.children.length > MESSAGES) log.firstElementChild.remove();
  log.scrollTo({ top: log.scrollHeight });
}

function showError(text) {
  show(make("div", { class: "message error" }, make("p", {}, text)));
}

function remove(selector) {
  log.querySelectorAll(selector).forEach((node) => node.remove());
}

function showReplies(replies) {
  const posts = replies.filter((reply) => reply.post);
  if (posts.length) remove(".card [data-fleeting]");
  replies.filter((reply) => !reply.post).forEach((reply) => show(textMessage(reply)));
  if (posts.length === 1) show(make("div", { class: "message" }, card(posts[0])));
  if (posts.length < 2) return;
  show(make("div", { class: "message gallery" }, ...posts.map(card)));
  remove(".gallery [data-fleeting]"); // what goes on from here stands once, below
  const onward = posts.at(-1).choices.filter(([send]) => !/\d/.test(send));
  show(make("div", { class: "choices" }, ...onward.map((choice) => actionButton(choice))));
}

function textMessage(reply) {
  const message = make("div", { class: "message" }, ...prose(reply.text));
  const choices = reply.choices.map(([send, label]) => choiceButton(send, label));
  if (reply.image) {
    message.prepend(make("img", { class: "drawing", src: reply.image, alt: reply.text }));
  }
  if (reply.document) {
    const href = reply.image ?? "/api/export";
    const link = { class: "button", href, download: reply.document };
    choices.unshift(make("a", link, `Download ${reply.document}`));
  }
  if (reply.ended) choices.push(choiceButton("/start", "Start again"));
  if (choices.length) message.append(make("div", { class: "choices" }, ...choices));
  return message;
}

function prose(text) { // lines, and rows where a label is set apart from its values
  const parts = [];
  let rows = null;
  for (const line of text.split("\n")) {
    const row = /^ *(\S+(?: \S+)*?) {2,}(\S.*)$/.exec(line);
    if (!row) parts.push(make("p", {}, line));
    else {
      if (parts.at(-1) !== rows || !rows) parts.push((rows = make("dl")));
      rows.append(make("dt", {}, row[1]), make("dd", {}, row[2]));
    }
  }
  return parts;
}

function choiceButton(send, label) {
  return make("button", { "data-send": send, "data-fleeting": true, "data-said": label }, label);
}

function card({ post, why, choices, coming }) {
  const heading = `title-${post.id}-${log.children.length}`;
  const image = thumbnail(post);
  if (coming) arrive(image, post);
  const tags = post.tags.map(([category, name]) => tagButton(name, category, category));
  const name = make("h3", { id: heading }, linked(post, post.title));
  return make("article", { class: "card", "data-post": post.id, "aria-labelledby": heading },
    linked(post, image, "thumbnail"),
    make("div", { class: "about" },
      make("div", { class: "title" }, name, make("span", { class: "number" }, `#${post.id}`)),
      why && make("p", { class: "why" }, why),
      make("ul", { class: "tags", "aria-label": "Telling tags" }, ...tags),
      make("div", { class: "actions" }, ...choices.map((choice) => actionButton(choice, post)))));
}

function tagButton(name, category, what) {
  const title = `${what}: put it into the message box`;
  return make("li", {},
    make("button", { class: `tag ${category}`, "data-tag": name, title }, name));
}

function actionButton([send, label], post) {
  const [name, key, sort] = ACTIONS[send.split(" ")[0]] ?? [label, "", "word"];
  const attributes = {
    "class": sort, "data-send": send, "data-said": post ? `${label} #${post.id}` : label,
    "data-key": key, "data-fleeting": !/\d/.test(send), "aria-label": name,
    "aria-pressed": /^\/(dis)?like /.test(send) ? "false" : null,
    title: key ? `${name} (${key})` : name,
  };
  return make("button", attributes, label, key && make("kbd", { "aria-hidden": "true" }, key));
}

function thumbnail(post) {
  return make("img", { src: `/preview/${post.id}`, alt: post.title, width: 256, height: 256 });
}

async function arrive(image, post) { // asks again for a preview that the server is fetching
  for (const seconds of WAITS) {
    await new Promise((done) => setTimeout(done, 1000 * seconds));
    const response = await fetch(`/preview/${post.id}`).catch(() => null);
    if (!image.isConnected) return;
    if (!response?.ok || response.headers.get("content-type").startsWith(DRAWN)) continue;
    const address = URL.createObjectURL(await response.blob());
    image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
    image.src = address;
    return;
  }
}

function linked(post, child, kind) {
  if (!post.url) return kind ? make("div", { class: kind }, child) : child;
  const link = { class: kind, href: post.url, target: "_blank", rel: "noopener noreferrer" };
  return make("a", link, child);
}

// -- the taste -------------------------------------------------------------------------------
function renderTaste(told) {
  said = [...told.enjoys.map((tag) => [tag, "up", "you enjoy it"]),
    ...told.avoids.map((tag) => [tag, "down", "you avoid it"])];
  const mood = told.mood.join(", ");
  const learnt = mood ? "Learned in this mood" : "Learned";
  const sections = [
    section("In the mood for", mood ? [chip(mood, "/mood off", "")] : [],
      ["/mood", ...told.mood, ""].join(" "), "nothing now"),
    section("You enjoy", told.enjoys.map((tag) => chip(tag, `/drop ${tag}`, "up")), "/enjoy "),
    section("You avoid", told.avoids.map((tag) => chip(tag, `/drop ${tag}`, "down")), "/avoid "),
    posts("Liked", told.liked),
    posts("Disliked", told.disliked),
    learned(`${learnt}: more of`, told.up),
    learned(`${learnt}: less of`, told.down),
    section("Hidden by you",
      told.blacklist.map((line) => chip(line, `/blacklist remove ${line}`, "")), "/blacklist add "),
  ];
  const number = told.seen === 1 ? "1 post" : `${told.seen} posts`;
  const skipped = told.skipped ? `, ${told.skipped} skipped` : "";
  const marked = told.favorites ? ` · favorites: ${told.favorites}` : "";
  const seen = `${number} seen${skipped}${marked} · rating ${[...told.ratings].join(" ")}`;
  find("kept").replaceChildren(...sections.filter(Boolean), make("p", { class: "seen" }, seen));
  find("mood").firstElementChild.textContent = mood;
  find("mood").setAttribute("aria-label", `End the mood ${mood}`);
  find("mood").hidden = !mood;
  find("only").firstElementChild.textContent = `only ${told.only}`;
  find("only").hidden = !told.only;
  find("undial").hidden = told.variety === null;
  if (!turned) showDial(told.variety ?? dial.defaultValue);
  const { enjoys, avoids, liked, disliked } = told;
  find("tally").textContent = enjoys.length + avoids.length + liked.count + disliked.count;
  for (const [feeling, verb] of [["liked", "/like"], ["disliked", "/dislike"]]) {
    const ids = new Set(told[feeling].latest.map((post) => String(post.id)));
    for (const post of log.querySelectorAll(".card")) {
      post.classList.toggle(feeling, ids.has(post.dataset.post));
      const button = post.querySelector(`[data-send^="${verb} "]`);
      if (button) button.setAttribute("aria-pressed", ids.has(post.dataset.post));
    }
  }
}

function section(name, children, add, without = "nothing yet") {
  const begin = { class: "add", "data-begin": add, "aria-label": `${name}: add` };
  const list = make("ul", { class: "chips" }, ...children);
  const none = make("p", { class: "none" }, without);
  return make("section", {},
    make("div", { class: "heading" }, make("h3", {}, name), make("button", begin, "+ add")),
    children.length ? list : none);
}

function chip(text, send, sort) {
  return make("li", { class: `chip ${sort}` }, make("span", {}, text),
    make("button", { "data-send": send, "aria-label": `Remove ${text}`, title: "Remove" }, "×"));
}

function learned(name, tags) { // the strongest first
  if (!tags.length) return null;
  return make("section", {}, make("h3", {}, name),
    make("ul", { class: "tags" }, ...tags.map(([tag, category, weight]) =>
      tagButton(tag, category, `${category}, weight ${weight.toFixed(2)}`))));
}

function posts(name, { count, latest }) {
  if (!count) return null;
  const items = latest.map((post) => make("li", {}, linked(post, thumbnail(post), "thumbnail"),
    make("button", { "data-send": `/drop #${post.id}`, "data-said": `Remove #${post.id}`,
      "aria-label": `Remove ${post.title}`, title: "Remove" }, "×")));
  return make("section", {}, make("h3", {}, `${name} (${count})`),
    make("ul", { class: "thumbnails" }, ...items));
}

let turned = 0; // timer: a held key turns the dial step by step, and where it rests is sent

function showDial(number) {
  dial.value = number;
  find("number").textContent = dial.value;
}

function sendDial() {
  turned = busy ? setTimeout(sendDial, DIAL_RESTS) : 0;
  if (!turned) say(`/variety ${dial.value}`, "");
}

dial.addEventListener("input", () => {
  showDial(dial.value);
  clearTimeout(turned);
  turned = setTimeout(sendDial, DIAL_RESTS);
});

function openTaste(open) { // where it covers the talk
  if (document.body.classList.contains("tasting") === open) return;
  document.body.classList.toggle("tasting", open);
  find("show-taste").setAttribute("aria-expanded", open);
  find("talk").inert = open;
  find(open ? "hide-taste" : "show-taste").focus();
}

const closeTaste = () => openTaste(false);

// -- the box and its completions ---------------------------------------------------------------
let said = []; // tags of the user, as completions of /drop
let asked = 0; // number of the latest question, so that a late answer to an older one is dropped
let chosen = -1;

function word() { // the last word before the caret, without the marks of a filter
  const before = box.value.slice(0, box.selectionStart);
  const found = /[^\s,]*$/.exec(before)[0].replace(/^[-~]/, "");
  return found.startsWith("/") && found !== before.trimStart() ? "" : found;
}

async function complete() {
  const prefix = word(), number = ++asked;
  if (!prefix) return closeOptions();
  const found = /^\s*\/?drop\s/i.test(box.value) ? said.filter(([tag]) => tag.includes(prefix))
    : await ask(`/api/complete?q=${encodeURIComponent(prefix)}`).catch(() => []);
  if (number !== asked || document.activeElement !== box) return;
  if (!found.length || (found.length === 1 && found[0][0] === prefix)) return closeOptions();
  chosen = -1;
  options.replaceChildren(...found.map(([name, category, note], k) =>
    make("li", { id: `option-${k}`, role: "option", "aria-selected": "false", "data-name": name },
      make("span", { class: `tag ${category}` }, name), make("small", {}, note))));
  options.hidden = false;
  box.setAttribute("aria-expanded", "true");
  box.removeAttribute("aria-activedescendant");
}

function closeOptions() {
  asked++;
  options.hidden = true;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function choose(k) {
  options.children[chosen]?.setAttribute("aria-selected", "false");
  chosen = (k + options.children.length) % options.children.length;
  options.children[chosen].setAttribute("aria-selected", "true");
  options.children[chosen].scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", `option-${chosen}`);
}

function take(option) {
  const end = box.selectionStart, start = end - word().length;
  const after = box.value.slice(end).replace(/^\s*/, "");
  box.setRangeText(`${option.dataset.name} `, start, box.value.length - after.length, "end");
  closeOptions();
}

function write(text) {
  closeTaste();
  box.value = text;
  box.focus();
}

let timer;
box.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(complete, 80);
});
box.addEventListener("blur", closeOptions);
box.addEventListener("keydown", (event) => {
  const open = !options.hidden;
  if (event.isComposing || event.shiftKey) return;
  if (open && event.key === "ArrowDown") choose(chosen + 1);
  else if (open && event.key === "ArrowUp") choose(chosen < 0 ? -1 : chosen - 1);
  else if (open && event.key === "Tab") take(options.children[Math.max(chosen, 0)]);
  else if (open && event.key === "Enter" && chosen >= 0) take(options.children[chosen]);
  else if (open && event.key === "Escape") closeOptions();
  else if (event.key === "Escape") box.blur();
  else return;
  event.preventDefault();
  event.stopPropagation();
});
options.addEventListener("mousedown", (event) => {
  event.preventDefault(); // the box keeps the focus
  const option = event.target.closest("li");
  if (option) take(option);
});
find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  closeOptions();
  const text = box.value.trim();
  if (!text || busy) return;
  box.value = "";
  say(text);
});

// -- clicks, keys, pictures --------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const { send, said, tag, begin } = event.target.closest("button")?.dataset ?? {};
  if (send?.startsWith("/variety")) {
    clearTimeout(turned); // the click is newer than a turn that waits
    turned = 0;
  }
  if (send && !event.target.closest("#kept, #dial")) closeTaste();
  if (send) say(send, said);
  else if (tag) write(`${box.value.trimEnd()} ${tag} `.trimStart());
  else if (begin) write(begin);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return closeTaste();
  const typing = event.target.matches("input, textarea") || keys.open;
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "/") box.focus();
  else if (event.key === "?") keys.showModal();
  else {
    const wanted = `[data-key="${CSS.escape(event.key.toLowerCase())}"]`;
    const last = [...log.querySelectorAll(wanted)].at(-1);
    const button = document.activeElement.closest(".card")?.querySelector(wanted) ?? last;
    if (!button) return;
    button.click();
  }
  event.preventDefault();
});

find("show-keys").addEventListener("click", () => keys.showModal());
find("show-taste").addEventListener("click", () => openTaste(true));
find("hide-taste").addEventListener("click", closeTaste);
matchMedia("(max-width: 859px)").addEventListener("change", closeTaste);
find("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) sendFile(target.files[0]);
  target.value = "";
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  const lines = event.clipboardData.getData("text/plain");
  const list = /^\s*\/(blacklist|favou?rites)\b/i.exec(box.value);
  const listing = event.target === box && list;
  if (file) {
    event.preventDefault();
    sendFile(file);
  } else if (listing && /\S\s*[\r\n]+\s*\S/.test(lines)) { // the box would join the lines
    event.preventDefault();
    if (busy) return;
    const begun = box.value.trim();
    box.value = "";
    const adds = list[1].toLowerCase() === "blacklist" && !/\s\S/.test(begun);
    say(`${begun}${adds ? " add" : ""} ${lines}`, `${begun} …`);
  }
});
const dropping = (now) => document.body.classList.toggle("dropping", now);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  dropping(event.dataTransfer.types.includes("Files"));
});
document.addEventListener("dragleave", (event) => event.relatedTarget || dropping(false));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dropping(false);
  if (event.dataTransfer.files[0]) sendFile(event.dataTransfer.files[0]);
});

say("/start", "");

// -- light and dark ----------------------------------------------------------------------------
const dark = matchMedia("(prefers-color-scheme: dark)");
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  const now = theme ?? (dark.matches ? "dark" : "light");
  find("theme").setAttribute("aria-label", `Switch to ${now === "dark" ? "light" : "dark"}`);
  return now;
}
let theme = setTheme(localStorage.getItem("theme"));
find("theme").addEventListener("click", () => {
  theme = setTheme(theme === "dark" ? "light" : "dark");
  localStorage.setItem("theme", theme);
});
