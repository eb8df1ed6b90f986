/** The key-value server of the examples. Its line ends with its port, and it ends when its input does. */
process.env["PORT"] = "0";
await import("../../../examples/redis.ts");
for await (const _chunk of Bun.stdin.stream());
process.exit(0);
