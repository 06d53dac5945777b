// What the tests of all clients need: the program, its servers and its counts.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const program = process.env.BANKAI;

// file is one that the Go test has made: a.bankai, b.bankai, adder.gguf.
export const file = (name) => join(process.env.BANKAI_FILES, name);

// serve starts a server, which ends with the tests of the file at the latest.
export async function serve(...args) {
  const child = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--json", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  for (const event of ["exit", "uncaughtException"]) process.prependListener(event, () => child.kill("SIGKILL")); // if the tests break off
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const ended = once(child, "exit");
  const first = once(createInterface(child.stdout), "line");
  const line = await Promise.race([first, ended.then(() => Promise.reject(new Error(log)))]);
  const url = JSON.parse(line[0]).listening;
  const server = {
    url,
    v1: url + "/v1",
    log: () => log,
    // end tells the server to end, once, and waits for its exit status.
    end: async () => {
      if (!child.killed) child.kill("SIGTERM");
      return (await ended)[0];
    },
    // count adds up a figure of GET /metrics, over all labels.
    count: async (name) => {
      const text = await (await fetch(url + "/metrics")).text();
      const lines = text.split("\n").filter((l) => l.startsWith(name));
      return lines.reduce((sum, l) => sum + Number(l.slice(l.lastIndexOf(" "))), 0);
    },
  };
  after(server.end);
  return server;
}

// demo serves the built-in model with the patches a and b.
export const demo = (...args) => serve("--patch", file("a.bankai"), "--patch", file("b.bankai"), ...args);

// adder serves a model that calls a tool, greets, or laughs without an end.
export const adder = (...args) => serve("--model", file("adder.gguf"), ...args);

// run is the document that a command of the program prints.
const run = async (...args) => JSON.parse((await promisify(execFile)(program, [...args, "--json"])).stdout);

// generate is what the command line generates, for a server to say the same.
export function generate(prompt, patches, max, temperature = 0, seed = 1) {
  const files = patches.flatMap((p) => ["--patch", file(p + ".bankai")]);
  return run("generate", "--prompt", prompt, "-n", String(max), "--temperature", String(temperature), "--seed", String(seed), ...files);
}

// tokens are the ids of a text.
export const tokens = async (text) => (await run("tokenize", text)).ids;

// until waits for something to become true, for as long as a slow machine may take.
export async function until(holds, what) {
  for (let tries = 0; tries < 1200; tries++) {
    if (await holds()) return;
    await sleep(25);
  }
  throw new Error("it never came to be that " + what);
}

// collect is all that an asynchronous iterable has.
export async function collect(items) {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
}
