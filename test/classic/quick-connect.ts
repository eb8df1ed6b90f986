/**
 * Connects, and resets the connection at once.
 *
 * usage: quick-connect.ts PATH | HOST PORT
 */
const [target = "", port] = process.argv.slice(2);
const socket = { data() {} };
const wire =
  port === undefined
    ? await Bun.connect({ unix: target, socket })
    : await Bun.connect({ hostname: target, port: Number(port), socket });
wire.terminate();
