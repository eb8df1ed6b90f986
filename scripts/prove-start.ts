// Proves that the echo server that `npm start` runs starts, echoes, and stops on SIGINT. It must print its port as the
// last number of its first line. Run by `npm run check`.
import { resolve } from "node:path";

const patienceMs = 10_000;
const server = Bun.spawn(["sh", resolve(import.meta.dirname, "run.sh"), "examples/echo.ts"], {
  env: { ...process.env, PORT: "0" },
  stdio: ["ignore", "pipe", "inherit"],
});

async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what}: nothing within ${patienceMs} ms`)), patienceMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  throw new Error(`it ended after printing ${JSON.stringify(text)}`);
}

async function echoed(port: number, message: string): Promise<string> {
  const { promise, resolve: done, reject } = Promise.withResolvers<string>();
  let text = "";
  const socket = await Bun.connect({
    hostname: "localhost",
    port,
    socket: {
      data(_, chunk) {
        text += chunk.toString();
        if (text.length >= message.length) done(text);
      },
      close: () => reject(new Error(`closed after echoing ${JSON.stringify(text)}`)),
    },
  });
  socket.write(message);
  try {
    return await promise;
  } finally {
    socket.end();
  }
}

try {
  const line = await within("start", firstLine(server.stdout));
  const port = Number(/(\d+)\D*$/.exec(line)?.[1]);
  const message = "echo this\n";
  const answer = await within("echo", echoed(port, message));
  if (answer !== message) throw new Error(`sent ${JSON.stringify(message)}, got ${JSON.stringify(answer)}`);
  server.kill("SIGINT");
  await within("stop on SIGINT", server.exited);
  console.log(`start: "${line}", echoed, stopped on SIGINT`);
} catch (error) {
  console.error(`start: ${error instanceof Error ? error.message : String(error)}`);
  server.kill("SIGKILL");
  process.exitCode = 1;
}
