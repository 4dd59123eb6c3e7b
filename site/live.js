// Fills the live panel from /api/status, once a second while the page is visible.
"use strict";

const element = (id) => document.getElementById(id);
const note = element("note").textContent;
const kib = (bytes) => (bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`);

function time(microseconds) {
  if (microseconds < 1000) return `${microseconds} µs`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toFixed(1)} ms`;
  const seconds = Math.floor(microseconds / 1e6);
  if (seconds < 60) return `${(microseconds / 1e6).toFixed(1)} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
}

// Text goes in as text: nothing in the answer is ever markup.
function cell(text, className, inner) {
  const td = document.createElement("td");
  const target = inner ? td.appendChild(document.createElement("span")) : td;
  target.textContent = text;
  target.className = className || "";
  return td;
}

function row(component) {
  const tr = document.createElement("tr");
  tr.append(
    cell(component.name),
    cell(component.isolation, `mode ${component.isolation}`, true),
    cell(component.state, `state ${component.state}`),
    cell(time(component.cpu_us), "n"),
    cell(kib(component.memory), "n"),
    cell((component.messages_sent + component.messages_received).toLocaleString("en"), "n"),
    cell(String(component.restarts), "n"),
  );
  return tr;
}

// Behind the gateway a machine has one visitor, whose connection it ends with.
function fact(state) {
  const isVisitors = state.components.some((component) => component.name === "virtio_console");
  if (!isVisitors) return `The machine that serves you this page booted in ${time(state.boot_us)}.`;
  return `This machine was booted for you ${time(state.uptime_us)} ago, in ${time(state.boot_us)}. It ends with your connection.`;
}

function show(state) {
  element("boot").textContent = time(state.boot_us);
  element("uptime").textContent = time(state.uptime_us);
  element("memory").textContent = `${((state.memory_total - state.memory_free) / 1048576).toFixed(1)} of ${Math.round(state.memory_total / 1048576)} MiB`;
  element("cpus").textContent = String(state.cpus);
  element("machine").textContent = state.machine;
  element("components").replaceChildren(...state.components.map(row));
  element("fact").textContent = fact(state);
  element("pulse").className = "on";
  element("note").textContent = note;
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/api/status", { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
  } catch (error) {
    element("pulse").className = "";
    element("note").textContent = `The machine does not answer (${error.message}); trying again.`;
  }
}

refresh();
setInterval(refresh, 1000);
