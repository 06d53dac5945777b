// Times llama.cpp on the CPU: a prompt, then tokens generated greedily after it.
// usage: node peer.mjs MODEL.gguf PROMPT_TOKENS GENERATED_TOKENS THREADS
import {getLlama} from "node-llama-cpp";

const [path, ...numbers] = process.argv.slice(2);
const [prompt, tokens, threads] = numbers.map(Number);
const seconds = async (work) => {
    const began = performance.now();
    await work();
    return (performance.now() - began) / 1e3;
};

const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: threads});
let model;
const load = await seconds(async () => { model = await llama.loadModel({modelPath: path, useMmap: true}); });
const warmUp = 4;
const context = await model.createContext({contextSize: prompt + tokens + warmUp + 8, batchSize: prompt, threads});
const sequence = context.getSequence();

// Loading has only mapped the file: the first tokens read it.
await sequence.evaluateWithoutGeneratingNewTokens(Array(warmUp).fill(1));
await sequence.clearHistory();

const ids = Array.from({length: prompt}, (_, i) => 37 * i);
const pp = prompt / await seconds(() => sequence.evaluateWithoutGeneratingNewTokens(ids));
let generated = 0;
const tg = tokens / await seconds(async () => {
    for await (const _ of sequence.evaluate([5], {temperature: 0, yieldEogToken: true}))
        if (++generated === tokens) break;
});
if (generated !== tokens) throw new Error(`${generated} tokens generated, not ${tokens}`);

console.log(JSON.stringify({pp, tg, load_s: load, rss_bytes: process.resourceUsage().maxRSS * 1024}));
process.exit(0);
