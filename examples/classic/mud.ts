// A very small MUD: two rooms, and who is in one hears what is said there. Try it: run it, then `nc 127.0.0.1 8023` in two
// terminals; a name first, then `look`, `say hello`, `north`, `south`, `who`, `quit`. PORT and HOST choose the address.
// Somebody who does not read is cut off at 256 KiB, somebody whose line is over 1 KiB at once; nobody else notices.
import { formatAddress, streamLimits } from "asyncore";
import * as asyncore from "asyncore/classic";

const rooms = new Map([
  ["hall", { text: "You are in a hall. A door leads north.", exits: new Map([["north", "garden"]]) }],
  ["garden", { text: "You are in a garden. A door leads south.", exits: new Map([["south", "hall"]]) }],
]);
const players = new Map<string, Player>();

class Player extends asyncore.async_chat {
  static override limits = streamLimits({ maxBufferedBytes: 256 * 1024 });
  static override maxCollectBytes = 1024;
  name = "";
  room = "hall";

  constructor(sock: asyncore.Socket) {
    super(sock);
    this.set_terminator("\n");
    this.push("What is your name?\n");
  }
  override collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }
  override found_terminator() {
    // Control characters would go to the others' terminals; one is telnet's CR.
    const line = this._get_data()
      .toString()
      .replaceAll(/\p{Cc}/gu, "");
    if (this.name === "") this.enter(line);
    else this.command(line);
  }
  override handle_close() {
    this.close();
    if (!players.delete(this.name)) return;
    this.tell_others(`${this.name} fades away.`);
  }

  enter(name: string) {
    if (!/^\w{1,16}$/.test(name) || players.has(name)) return this.push("Another name, please.\n");
    this.name = name;
    players.set(name, this);
    return this.move("hall");
  }
  command(line: string) {
    const [, verb = "", rest = ""] = /^(\S*)\s*(.*)$/.exec(line) ?? [];
    const exit = rooms.get(this.room)?.exits.get(verb);
    if (exit !== undefined) {
      this.tell_others(`${this.name} goes ${verb}.`);
      this.move(exit);
    } else if (verb === "say") this.tell_others(`${this.name} says: ${rest}`);
    else if (verb === "look") this.look();
    else if (verb === "who") this.push(`${[...players.keys()].join(", ")}\n`);
    else if (verb === "quit") this.handle_close();
    else this.push("You cannot do that here.\n");
  }
  move(room: string) {
    this.room = room;
    this.tell_others(`${this.name} comes in.`);
    this.look();
  }
  look() {
    const here = [...this.others()].map((player) => `${player.name} is here.\n`);
    this.push(`${rooms.get(this.room)?.text}\n${here.join("")}`);
  }
  tell_others(text: string) {
    for (const player of this.others()) player.push(`${text}\n`);
  }
  others() {
    return [...players.values()].filter((player) => player !== this && player.room === this.room);
  }
}

class World extends asyncore.dispatcher {
  constructor(address: asyncore.Address) {
    super();
    this.create_socket();
    this.set_reuse_addr();
    this.bind(address);
    this.listen(5);
  }
  override handle_accepted(sock: asyncore.Socket) {
    new Player(sock);
  }
}

const world = new World([process.env["HOST"] ?? "127.0.0.1", Number(process.env["PORT"] ?? 8023)]);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => asyncore.close_all());
console.log(`MUD on ${formatAddress(world.getsockname())}`);
await asyncore.loop();
