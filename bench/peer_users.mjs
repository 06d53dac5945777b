// Times llama.cpp on the CPU with users who all come at once: the sequences of one batch.
// usage: node peer_users.mjs MODEL.gguf USERS PROMPT_TOKENS GENERATED_TOKENS THREADS
import {getLlama} from "node-llama-cpp";

const [path, ...numbers] = process.argv.slice(2);
const [users, prompt, tokens, threads] = numbers.map(Number);

const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: threads});
const model = await llama.loadModel({modelPath: path, useMmap: true});
const context = await model.createContext({
    sequences: users, contextSize: prompt + tokens + 8, batchSize: Math.max(users, 512), threads
});
const sequences = Array.from({length: users}, () => context.getSequence());

// Loading has only mapped the file: the first tokens read it.
await sequences[0].evaluateWithoutGeneratingNewTokens([1, 1, 1, 1]);
await sequences[0].clearHistory();

const since = (began) => (performance.now() - began) / 1e3;
const began = performance.now();
const first_s = await Promise.all(sequences.map(async (sequence, user) => {
    const ids = Array.from({length: prompt}, (_, i) => (37 * i + 11 * user) % 200);
    let generated = 0, first;
    for await (const _ of sequence.evaluate(ids, {temperature: 0, yieldEogToken: true})) {
        first ??= since(began);
        if (++generated === tokens) break;
    }
    if (generated !== tokens) throw new Error(`${generated} tokens generated, not ${tokens}`);
    return first;
}));
console.log(JSON.stringify({seconds: since(began), first_s}));
process.exit(0);
