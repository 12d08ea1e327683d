/* A live session in a page: text goes out over a WebSocket, video comes in and is played by Media Source Extensions. */
"use strict";

const START = 0.5;    // seconds that are there before it plays
const BEHIND = 2.0;   // seconds behind what has come after which it catches up, as when the page was hidden
const KEPT = 20.0;    // seconds of the past that are kept
const TYPE = 'video/mp4; codecs="avc1.640028,mp4a.40.2"'; // about what comes; what does come, the server says

const body = document.body;
const video = document.querySelector("video");
const opening = document.getElementById("opening");
const saying = document.getElementById("saying");
const preview = document.getElementById("preview");
const problem = document.getElementById("error");
const caption = document.getElementById("caption");

const STATES = {
  closed: "Nobody is here yet.", opening: "On the way…", listening: "Listening", speaking: "Speaking",
};

let session = null;

class Session {
  constructor(request) {
    this.pieces = [];
    this.coming = [];       // states that the video has not come to yet
    this.mutedUntil = 0;
    this.buffer = null;
    this.ended = false;
    this.source = new MediaSource();
    this.opened = new Promise((done) => this.source.addEventListener("sourceopen", done, { once: true }));
    video.src = this.address = URL.createObjectURL(this.source);
    // Beside the page, whatever the server's routes begin with.
    const address = new URL("api/v1/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.send(request);
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.told(JSON.parse(data)) : this.add(data));
    this.socket.onclose = ({ code }) => this.close(code === 1000 ? "" : "The connection broke.");
    this.watching = requestAnimationFrame(() => this.watch());
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  async told(news) {
    if (news.type === "ready") {
      await this.opened;
      if (!this.ended) this.take(news.content_type);
    } else if (news.type === "interrupted") {
      // What has come already is still seen, for as long as it lasts, and not heard.
      this.coming = this.coming.filter(({ at }) => at <= video.currentTime);
      this.mutedUntil = news.at + 0.05;
    } else if (news.type === "error") {
      show(news.error.message + (news.error.accepted ? ` (${news.error.accepted})` : ""));
    }
    if (news.type === "listening" || news.type === "speaking") this.coming.push(news);
  }

  take(type) {
    const why = lacking(type);
    if (why) return this.close(why);
    try {
      this.buffer = this.source.addSourceBuffer(type);
    } catch (error) {
      return this.close(`${unplayable(type)} (${error.message})`);
    }
    this.buffer.addEventListener("updateend", () => this.next());
    this.buffer.addEventListener("error", () => this.close(unplayable(type)));
    this.next();
  }

  add(data) {
    this.pieces.push(data);
    this.next();
  }

  next() {
    const { buffer } = this;
    if (buffer === null || buffer.updating || this.ended) return;
    if (buffer.buffered.length && buffer.buffered.start(0) < video.currentTime - KEPT) {
      buffer.remove(0, video.currentTime - KEPT / 2);
    } else if (this.pieces.length) {
      buffer.appendBuffer(this.pieces.shift());
    }
    const there = buffer.buffered.length ? buffer.buffered.end(buffer.buffered.length - 1) : 0;
    if (there >= START && video.paused && !this.playing) {
      this.playing = true;
      video.play().catch((error) => show(error.message));
    }
    if (there > video.currentTime + BEHIND) video.currentTime = there - START;
  }

  watch() {
    if (this.ended) return;
    video.muted = video.currentTime < this.mutedUntil;
    while (this.coming.length && this.coming[0].at <= video.currentTime + 0.02 && this.playing) {
      const news = this.coming.shift();
      state(news.type);
      caption.textContent = news.type === "speaking" ? news.text : "";
    }
    this.watching = requestAnimationFrame(() => this.watch());
  }

  close(why) {
    if (this.ended) return;
    this.ended = true;
    cancelAnimationFrame(this.watching);
    this.socket.close();
    URL.revokeObjectURL(this.address);
    if (session !== this) return; // the page shows another one
    session = null;
    video.pause();
    video.removeAttribute("src");
    video.load();
    state("closed");
    caption.textContent = "";
    if (why && problem.hidden) show(why);
  }
}

// What this browser would need to play the type, in words; "" where it has it.
function lacking(type) {
  if (!window.MediaSource) {
    return "This browser can't play video that is still being made: it has no Media Source Extensions. " +
      "Chrome, Edge, Firefox and Safari on computers have them.";
  }
  return MediaSource.isTypeSupported(type) ? "" : unplayable(type);
}

function unplayable(type) {
  return `This browser can't play H.264 video with AAC sound as it comes: ${type}`;
}

function state(name) {
  body.dataset.state = name;
  document.getElementById("state").textContent = STATES[name];
}

function show(message) {
  problem.textContent = message;
  problem.hidden = !message;
  if (message) problem.scrollIntoView({ block: "nearest" });
}

// Further fields of the request, from the address: /live?size=256&seed=7.
function asked() {
  const fields = {};
  for (const [name, value] of new URLSearchParams(location.search)) {
    try {
      fields[name] = JSON.parse(value);
    } catch {
      fields[name] = value;
    }
  }
  return fields;
}

async function base64(file) {
  const url = await new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(",") + 1);
}

opening.portrait.addEventListener("change", () => {
  const [file] = opening.portrait.files;
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.hidden = !file;
  if (file) preview.src = URL.createObjectURL(file);
});

opening.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (session || body.dataset.state !== "closed") return;
  const why = lacking(TYPE);
  show(why);
  if (why) return;
  state("opening");
  const request = asked();
  for (const name of ["prompt", "language", "voice"]) {
    if (opening[name].value.trim()) request[name] = opening[name].value.trim();
  }
  const [file] = opening.portrait.files;
  if (file) {
    delete request.prompt;
    try {
      request.portrait = await base64(file);
    } catch (error) {
      state("closed");
      show(error.message);
      return;
    }
  }
  session = new Session(request);
  saying.text.focus();
});

saying.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = saying.text.value.trim();
  if (!text || !session) return;
  session.send({ type: "end", text });
  saying.text.value = "";
});

saying.text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    saying.requestSubmit();
  }
});

video.addEventListener("error", () => session?.close(`This browser can't decode the video. ${video.error?.message ?? ""}`));
document.getElementById("interrupt").addEventListener("click", () => session?.send({ type: "interrupt" }));
document.getElementById("leave").addEventListener("click", () => session?.close(""));
document.addEventListener("keydown", (event) => event.key === "Escape" && session?.send({ type: "interrupt" }));
window.addEventListener("pagehide", () => session?.close(""));
