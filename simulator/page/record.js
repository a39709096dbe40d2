// The record page. It asks the simulated org only; the org asks the gateway, as Salesforce would, and says what it sent.

const opportunityId = location.pathname.split("/")[4];
const $ = (id) => document.getElementById(id);
const BUSY_MS = 400;
const IDLE_MS = 1500;
const LISTS_EVERY_MS = 2000;
const MOST_LINES = 40;

let lastNumber = 0;
let lastLists = 0;
let story = null;
let worker = null;
let creating = false;
const lines = new Map();

class Problem extends Error {}

async function ask(name, members) {
  const post = members !== undefined;
  const url = `/lightning/demo/${name}` + (post ? "" : `${name.includes("?") ? "&" : "?"}opportunityId=${opportunityId}`);
  const how = post
    ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ opportunityId, ...members }) }
    : {};
  const answer = await fetch(url, how);
  const body = await answer.json();
  if (!answer.ok) throw new Problem(body.message);
  return body;
}

function element(name, { text, className, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

function toast(text, kind = "") {
  const close = element("button", { type: "button", text: "Close", "aria-label": "Close this message" });
  const made = element("div", { className: `toast ${kind}`, ...(kind === "error" ? { role: "alert" } : {}) },
    element("span", { text }), close);
  close.addEventListener("click", () => made.remove());
  $("toasts").replaceChildren(made);
  if (kind !== "error") setTimeout(() => made.remove(), 8000);
}

// --- how values look

const money = (value, currency = "USD") =>
  value === null || value === undefined ? "" : new Intl.NumberFormat("en-US", { style: "currency", currency }).format(value);
const day = (text) =>
  text ? new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeZone: "UTC" }).format(new Date(text)) : "";
const moment = (text) =>
  text ? new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeStyle: "short" }).format(new Date(text)) : "";
const words = (text) => (text ?? "").replaceAll("_", " ");

function table(columns, rows, caption) {
  const head = element("tr", { role: "row" }, ...columns.map(([label, , className = ""]) => element("th", { text: label, scope: "col", role: "columnheader", className })));
  const body = rows.map((row) => element("tr", { role: "row", className: row.fresh ? "fresh" : "" },
    ...columns.map(([label, read, className = ""]) => {
      const value = read(row);
      const cell = element("td", { "data-label": label, role: "cell", className });
      cell.append(element("span", {}, value instanceof Node ? value : document.createTextNode(value ?? "")));
      return cell;
    })));
  // Roles, since a narrow page shows rows as blocks, and a browser then forgets that this is a table.
  return element("table", { "aria-label": caption, role: "table" },
    element("thead", { role: "rowgroup" }, head), element("tbody", { role: "rowgroup" }, ...body));
}

// --- the record and its related lists

async function showRecord() {
  try {
    const { user, record } = await ask("opportunity");
    $("user").textContent = user;
    $("name").textContent = record.Name;
    document.title = `${record.Name} | Simulated org`;
    const fields = [
      ["Account Name", record.Account?.Name], ["Close Date", day(record.CloseDate)], ["Amount", money(record.Amount)],
      ["Stage", record.StageName], ["Owner", record.Owner?.Name], ["Price Book", record.Pricebook2?.Name],
    ];
    $("fields").replaceChildren(...fields.map(([label, value]) =>
      element("div", {}, element("dt", { text: label }), element("dd", { text: value || "–" }))));
  } catch (problem) {
    $("name").textContent = "This record cannot be shown";
    toast(problem.message, "error");
  }
}

const LISTS = {
  quotes: {
    label: "Quotes",
    empty: "No quotes yet. Create Quote makes the first one.",
    columns: [
      ["Quote Number", (row) => row.QuoteNumber, "short"], ["Quote Name", (row) => row.Name],
      ["Status", (row) => row.Status, "short"],
      ["Grand Total", (row) => money(row.GrandTotal, row.CurrencyIsoCode ?? "USD"), "number"],
      ["Expires", (row) => day(row.ExpirationDate), "short"], ["Created", (row) => moment(row.CreatedAt), "short"],
    ],
  },
  jobs: {
    label: "Jobs",
    empty: "No jobs have worked on this opportunity yet. Create Quotes for 200 starts one.",
    columns: [
      ["Job", (row) => row.Name], ["Status", (row) => words(row.Status), "short"],
      ["Progress", (row) => `${row.Progress} %`, "number"], ["Quotes", (row) => row.QuoteCount, "number"],
      ["Errors", (row) => row.ErrorCount, "number"], ["Callback", (row) => words(row.CallbackStatus), "short"],
      ["Created", (row) => moment(row.CreatedAt), "short"],
    ],
  },
};

async function showList(name) {
  const list = LISTS[name];
  const place = $(name);
  place.setAttribute("aria-busy", "true");
  try {
    const { rows, total } = await ask(name);
    $(`${name}-count`).textContent = rows.length < total ? `(${rows.length} of ${total})` : `(${total})`;
    place.replaceChildren(rows.length ? table(list.columns, rows, list.label) : element("p", { className: "empty", text: list.empty }));
  } catch (problem) {
    $(`${name}-count`).textContent = "";
    place.replaceChildren(element("p", { className: "empty error", text: `${list.label} cannot be shown. ${problem.message}` }));
  }
  place.setAttribute("aria-busy", "false");
}

async function showLists() {
  lastLists = Date.now();
  await Promise.all(Object.keys(LISTS).map(showList));
}

// --- the requests

// The org has been started again and counts from one.
function forgetRequests() {
  lastNumber = 0;
  lines.clear();
}

function addRequests(requests) {
  for (const one of requests) {
    lastNumber = Math.max(lastNumber, one.number);
    const key = `${one.method} ${one.url}`;
    const times = one.by === "Connect" ? (lines.get(key)?.times ?? 0) + 1 : 1;
    const name = one.by === "Connect" ? key : `${key} ${one.number}`;
    lines.delete(name);
    lines.set(name, { ...one, times, fresh: true });
  }
  if (!requests.length) return;
  while (lines.size > MOST_LINES) lines.delete(lines.keys().next().value);
  $("requests-count").textContent = `${lastNumber} so far`;
  const columns = [
    ["From", (one) => one.by], ["For", (one) => one.what], ["Request", requestOf],
    ["Status", (one) => element("span", { text: one.status || "none", className: one.status >= 400 || !one.status ? "bad" : "" }), "number"],
    ["Rows", (one) => one.rows ?? "", "number"], ["Times", (one) => one.times, "number"],
    ["Latest ms", (one) => (one.by === "Callback" ? "" : one.ms.toFixed(1)), "number"],
  ];
  $("requests").replaceChildren(table(columns, [...lines.values()].reverse(), "Requests to the gateway"));
  for (const one of lines.values()) one.fresh = false;
}

// A URL may be broken before each option and after each comma.
function breakable(text) {
  return text.split(/(?=[&?])|(?<=,)/).flatMap((part) => [element("wbr"), document.createTextNode(part)]);
}

function requestOf(one) {
  const made = element("span", {}, element("code", { title: `As sent: ${one.wire}` }, ...breakable(`${one.method} ${one.url}`)));
  if (one.note) made.append(element("span", { className: "bad", text: ` ${one.note}` }));
  return made;
}

// --- the story and the worker

const TOLD = {
  asking: () => "Asking the gateway, through the mesh…",
  running: (job) => `${job.Name ?? "The job"}: ${words(job.Status)}, ${job.Progress} %, ` +
    `${job.QuoteCount ?? 0} of ${job.OpportunityCount ?? 200} quotes. From the set Jobs, asked as Salesforce Connect asks.`,
  callback: (job) => `${job.Name}: ${words(job.Status)}. Waiting for the callback to Apex…`,
  done: (job) => `${job.Name}: ${words(job.Status)} after ${story.seconds} s, the worker ${times(story.kills)} killed.`,
  refused: () => "This did not come to its end.",
};
const times = (count) => (count === 0 ? "never" : count === 1 ? "once" : `${count} times`);

function showStory(isNews) {
  const { phase, job } = story;
  const percent = Number(job?.Progress ?? 0);
  $("bar").setAttribute("aria-valuenow", percent);
  $("bar").setAttribute("aria-valuetext", job ? `${percent} percent, ${words(job.Status)}` : "not started");
  $("bar").className = `bar ${phase === "done" ? (story.wrong.length ? "wrong" : "done") : ""}`;
  $("bar-fill").style.width = `${percent}%`;
  if (TOLD[phase]) $("story-text").textContent = TOLD[phase](job);
  $("story-trouble").hidden = !story.trouble;
  if ($("story-trouble").textContent !== story.trouble) $("story-trouble").textContent = story.trouble;
  showVerdict(isNews);
}

function showVerdict(isNews) {
  const shown = story.phase === "done";
  if ($("verdict").hidden === !shown) return;
  $("verdict").hidden = !shown;
  if (!shown) return;
  const well = story.wrong.length === 0;
  $("verdict").className = `verdict ${well ? "" : "wrong"}`;
  $("verdict-title").textContent = well ? "Everybody agrees" : "They do not agree";
  const figures = [["asked", story.asked], ["in the org", story.in_org], ["rows", story.rows],
    [story.callbacks === 1 ? "callback" : "callbacks", story.callbacks]];
  $("figures").replaceChildren(...figures.map(([label, value]) =>
    element("div", {}, element("dt", { text: label }), element("dd", { text: value }))));
  $("wrong").replaceChildren(...story.wrong.map((text) => element("li", { text })));
  if (isNews) toast(`${well ? "Everybody agrees" : "They do not agree"}: ${story.summary}`, well ? "good" : "error");
}

function showWorker() {
  const lives = worker?.pid != null;
  $("worker-badge").textContent = worker ? (lives ? "alive" : "dead") : "not watched";
  $("worker-badge").className = `badge ${worker ? (lives ? "good" : "bad") : ""}`;
  let text = "Nobody watches over the worker here, so it cannot be killed from this page: make demo starts one that can.";
  if (worker) {
    const ended = worker.ended ? `, after one ended at ${new Date(worker.ended).toLocaleTimeString("en-US")}` : "";
    text = lives
      ? `Process ${worker.pid} works${worker.starts > 1 ? `, start number ${worker.starts}${ended}` : ""}. ` +
        "Kill the worker is kill -9: no farewell, no clean-up."
      : "Dead. The launcher starts it again in a second.";
    if (story.kills && story.busy) {
      text += " What the dead one held is taken up again when its lease ends, within half a minute.";
    }
  }
  if ($("worker-text").textContent !== text) $("worker-text").textContent = text;
}

function disable(id, off) {
  $(id).setAttribute("aria-disabled", String(off));
}

function showButtons() {
  const away = story === null;
  disable("create-quote", away || creating || story.busy);
  disable("create-quotes", away || creating || story.busy);
  disable("kill-worker", away || worker?.pid == null);
}

async function look() {
  const was = story;
  try {
    const state = await ask(`state?since=${lastNumber}`);
    ({ story, worker } = state);
    $("away").hidden = true;
    if (state.count < lastNumber) forgetRequests();
    addRequests(state.requests);
    showStory(was !== null);
    showWorker();
    if ((story.busy && Date.now() - lastLists > LISTS_EVERY_MS) || (was?.busy && !story.busy)) await showLists();
  } catch (problem) {
    if (!(problem instanceof TypeError) && !(problem instanceof Problem)) console.error(problem);
    $("away").textContent = "The simulated org does not answer. Is make demo still running? This page goes on when it is back.";
    $("away").hidden = false;
    story = null;
  }
  showButtons();
}

async function watch() {
  for (;;) {
    await look();
    await new Promise((resolve) => setTimeout(resolve, story?.busy ? BUSY_MS : IDLE_MS));
  }
}

// --- the buttons

function press(id, act) {
  $(id).addEventListener("click", async () => {
    if ($(id).getAttribute("aria-disabled") === "true") return;
    try {
      await act();
    } catch (problem) {
      toast(problem instanceof Problem ? problem.message : "The simulated org does not answer.", "error");
    }
    await look();
  });
}

press("create-quote", async () => {
  creating = true;
  showButtons();
  try {
    const made = await ask("create-quote", {});
    toast(`Quote ${made.quoteNumber ?? made.quoteId} ${made.created === false ? "was there" : "created"}: ` +
      `${money(made.grandTotal, made.currencyIsoCode ?? "USD")}. ${made.pricingNote ?? ""}`, "good");
  } finally {
    creating = false;
  }
  await showLists();
});
press("create-quotes", async () => {
  disable("create-quotes", true);
  await ask("create-quotes", {});
});
press("kill-worker", async () => {
  disable("kill-worker", true);
  const { pid } = await ask("kill-worker", {});
  toast(`kill -9 of process ${pid}: the worker is dead. The launcher starts it again.`);
});
for (const name of Object.keys(LISTS)) $(`${name}-refresh`).addEventListener("click", () => showList(name).then(look));

await Promise.all([showRecord(), showLists()]);
await watch();
