"use strict";

const show = (id, text) => { document.getElementById(id).textContent = text; };

function protocol() {
  const element = document.getElementById("protocol");
  if (!element) return;
  const used = performance.getEntriesByType("navigation")[0]?.nextHopProtocol || "";
  element.textContent = { h2: "HTTP/2", "http/1.1": "HTTP/1.1", h3: "HTTP/3" }[used] || used || "a protocol that this browser does not tell";
}

// EventSource connects again by itself when the backend went away.
function events() {
  const source = new EventSource("events");
  source.onmessage = (e) => show("events", e.data);
  source.onerror = () => show("events", "interrupted, connecting again ...");
}

function socket() {
  const address = new URL("ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const ws = new WebSocket(address);
  let timer = 0;
  let sent = 0;
  const send = () => { sent = performance.now(); ws.send("hello"); };
  ws.onopen = send;
  ws.onmessage = (e) => {
    show("ws", `"${e.data}" came back after ${(performance.now() - sent).toFixed(1)} ms`);
    timer = setTimeout(send, 2000);
  };
  ws.onclose = () => {
    clearTimeout(timer);
    show("ws", "closed, connecting again ...");
    setTimeout(socket, 1000);
  };
}

function crash() {
  document.getElementById("crash").addEventListener("click", async () => {
    try {
      const answer = await fetch("crash", { method: "POST" });
      show("crashed", await answer.text());
    } catch (e) {
      show("crashed", `no answer: ${e.message}`);
    }
  });
}

protocol();
events();
socket();
crash();
