// A server on a unix path in a process of its own: to be live, or killed so that its file is left. argv: the path.
const [path = ""] = process.argv.slice(2);
Bun.listen({
  unix: path,
  socket: {
    open(wire) {
      wire.write("from the child");
      wire.shutdown();
    },
    data() {},
  },
});
process.stdout.write(`${JSON.stringify({ listening: path })}\n`);
